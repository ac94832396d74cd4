"""What every segment of one picture does to units and classes: what changes where it is removed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from firebit.explain.layer import Reader
from firebit.explain.minimal import check_pictures
from firebit.explain.segments import COUNT, filling, keep, segment

if TYPE_CHECKING:
    from firebit.engine.network import Network


@dataclass(frozen=True, eq=False)
class Effects:
    """What changes where a single segment is removed from a picture.

    Attributes:
        segments: int64 (H, W), 0 … S − 1.
        before: int64 (U,): margins of the units for the whole picture, at least 0 if and only if the unit fires.
        margins: int64 (S, U): without each of the segments.
        logits_before: float64 (classes,); (0,) for an encoder.
        logits: float64 (S, classes): without each of them; (S, 0) for an encoder.
    """

    segments: NDArray[np.int64]
    before: NDArray[np.int64]
    margins: NDArray[np.int64]
    logits_before: NDArray[np.float64]
    logits: NDArray[np.float64]

    @property
    def flips(self) -> NDArray[np.bool_]:
        """Which units change their bit without each segment, bool (S, U)."""
        flips: NDArray[np.bool_] = (self.margins >= 0) != (self.before >= 0)
        return flips


def effects(
    network: "Network",
    picture: NDArray[np.uint8],
    *,
    layer: str | None = None,
    by: str = "unit",
    method: str = "auto",
    segments: int = COUNT,
    fill: str = "mean",
) -> Effects:
    """Remove every segment of a picture in turn.

    Args:
        network: a compiled network over pictures (C, H, W), C 1 or 3.
        picture: uint8 (C, H, W) of the network's size.
        layer: None: the last.
        by: what a unit is; see :func:`firebit.explain.firing.firing`.
        method: how it is cut; see :func:`firebit.explain.segments.segment`.
        segments: about how many, ≥ 2.
        fill: what stands where a segment was; see :func:`firebit.explain.segments.filling`.

    Raises:
        UsageError: the picture does not fit the network, or there is no such layer, method or filling.
        MissingExtraError: scikit-image is not installed, and the method needs it.
    """
    check_pictures(network, picture[None])
    reader = Reader(network, layer, by)
    cut = segment(picture, method, segments)
    count = int(cut.max()) + 1
    # The whole picture first, then without each segment.
    kept = np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)])
    seen = keep(picture, cut, kept, filling(picture, fill))
    parts = [seen[at : at + network.batch] for at in range(0, len(seen), network.batch)]
    margins = np.concatenate([reader.margins(part, np.arange(reader.units)) for part in parts])
    logits = np.zeros((len(seen), 0)) if network.is_encoder else network.logits(seen)
    return Effects(cut, margins[0], margins[1:], logits[0], logits[1:])
