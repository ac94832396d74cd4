"""The smallest picture that still makes a unit fire, or stay off (§4.3, figure 6; after Zhou et al., 2014)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from firebit.engine.network import Network

MODES = ("exact", "fast")


@dataclass(frozen=True, eq=False)
class Minimal:
    """What is left of a picture when nothing more can go.

    Attributes:
        picture: uint8 (C, H, W): the original.
        segments: int64 (H, W): its segments, 0 … S − 1.
        kept: bool (S,): those that are left. Without any one of them (and only it) the bit flips. None are left where
            the blank picture does it, see `blank`.
        fill: how the rest is filled; see :func:`firebit.explain.segments.filling`.
        layer: of the unit.
        unit: index.
        fires: whether the unit fires for the picture, and still does for what is left; if not, it stays off.
        blank: whether the bit is the same for the picture of the filling alone: then there is no smallest picture to show.
        margin: what is left holds the bit by so much, ≥ 0, in units of the layer's integer sums.
        forwards: pictures that were computed.
    """

    picture: NDArray[np.uint8]
    segments: NDArray[np.int64]
    kept: NDArray[np.bool_]
    fill: str
    layer: str
    unit: int
    fires: bool
    blank: bool
    margin: int
    forwards: int

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which pixels are left, bool (H, W)."""
        raise NotImplementedError

    @property
    def share(self) -> float:
        """Share of the pixels that are left, 0 … 1."""
        raise NotImplementedError

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """What the network sees of it, uint8 (C, H, W)."""
        raise NotImplementedError


def minimal(
    network: "Network",
    pictures: NDArray[np.uint8],
    units: Sequence[int],
    *,
    layer: str | None = None,
    mode: str = "fast",
    method: str = "auto",
    segments: int | None = None,
    fill: str = "mean",
) -> tuple[Minimal, ...]:
    """The smallest parts of pictures that leave a unit's bit as it is.

    Each is cut into segments, which are removed greedily; all candidates of a round are computed at once, over all pictures.

    Args:
        network: a compiled network over pictures (C, H, W).
        pictures: uint8 (N, C, H, W) of the network's size.
        units: N indices, the unit to look at in each picture.
        layer: None: the last.
        mode: "exact": in every round that segment goes that leaves the largest margin, until every removal flips the bit.
            "fast": segments are ranked once per round, and as many as possible go at once. Both end in a set from which
            no single segment can go.
        method: how pictures are cut; see :func:`firebit.explain.segments.segment`.
        segments: about how many segments; None: 64.
        fill: what stands where segments were; see :func:`firebit.explain.segments.filling`.

    Raises:
        UsageError: pictures or units do not fit the network, or there is no such mode, method or fill.
        MissingExtraError: scikit-image is not installed, and the method needs it.
    """
    raise NotImplementedError


def is_minimal(network: "Network", found: Minimal) -> bool:
    """Whether the bit holds, and flips when any one segment goes; computed anew."""
    raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Effects:
    """What changes where a single segment is removed from a picture.

    Attributes:
        segments: int64 (H, W), 0 … S − 1.
        margins: int64 (S, U): margins of the units without each of them (:meth:`Network.margins`).
        before: int64 (U,): margins for the whole picture.
        logits: float64 (S, classes): without each of them; (S, 0) for an encoder.
    """

    segments: NDArray[np.int64]
    margins: NDArray[np.int64]
    before: NDArray[np.int64]
    logits: NDArray[np.float64]


def effects(
    network: "Network",
    picture: NDArray[np.uint8],
    *,
    layer: str | None = None,
    method: str = "auto",
    segments: int | None = None,
    fill: str = "mean",
) -> Effects:
    """Remove every segment of a picture in turn; arguments as of :func:`minimal`, `picture` uint8 (C, H, W)."""
    raise NotImplementedError
