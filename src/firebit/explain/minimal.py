"""The smallest picture that still makes a unit fire, or stay off (§4.3, figure 6; after Zhou et al., 2014)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError
from firebit.explain.layer import Reader
from firebit.explain.removal import MODES, Oracle, Task, reduce_all
from firebit.explain.segments import AUTO, COUNT, check_fill, check_method, filling, fillings, keep, segment

if TYPE_CHECKING:
    from firebit.engine.network import Network

Pixels = NDArray[np.uint8]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Minimal:
    """What is left of a picture when nothing more can go.

    Attributes:
        picture: uint8 (C, H, W): the original.
        segments: int64 (H, W): its segments, 0 … S − 1.
        kept: bool (S,): those that are left. Without any one of them the bit flips. None are left where the blank
            picture does it, see `blank`.
        fill: how the rest is filled; see :func:`firebit.explain.segments.filling`.
        layer: of the unit.
        by: "unit" or "channel"; see :func:`firebit.explain.firing.firing`.
        unit: index.
        fires: whether the unit fires for the picture, and so for what is left; if not, it stays off for both.
        blank: whether the bit is the same for the filling alone (with "auto": for every filling): then there is no
            smallest picture to show.
        margin: by how much what is left holds the bit, ≥ 0, in units of the layer's integer sums.
        forwards: pictures that were computed.
    """

    picture: Pixels
    segments: NDArray[np.int64]
    kept: Bool
    fill: str
    layer: str
    by: str
    unit: int
    fires: bool
    blank: bool
    margin: int
    forwards: int

    @property
    def mask(self) -> Bool:
        """Which pixels are left, bool (H, W)."""
        mask: Bool = self.kept[self.segments]
        return mask

    @property
    def share(self) -> float:
        """Share of the pixels that are left, 0 … 1."""
        return float(self.mask.mean())

    @property
    def pixels(self) -> Pixels:
        """What the network sees of it, uint8 (C, H, W)."""
        pixels: Pixels = keep(self.picture, self.segments, self.kept[None], filling(self.picture, self.fill))[0]
        return pixels


def minimal(
    network: "Network",
    pictures: Pixels,
    units: Sequence[int] | NDArray[np.int64],
    *,
    layer: str | None = None,
    by: str = "unit",
    mode: str = "fast",
    method: str = "auto",
    segments: int = COUNT,
    fill: str = AUTO,
) -> tuple[Minimal, ...]:
    """The smallest parts of pictures that leave a unit's bit as it is.

    Each picture is cut into segments, which are removed greedily. All candidates of a round, over all pictures, are
    computed as one batch.

    Args:
        network: a compiled network over pictures (C, H, W), C 1 or 3.
        pictures: uint8 (N, C, H, W) of the network's size.
        units: N indices: the unit to look at in each picture.
        layer: None: the last.
        by: what a unit is; see :func:`firebit.explain.firing.firing`.
        mode: "exact": in every round that segment goes without which the bit holds by the largest margin. "fast":
            segments are ranked once in a round, and as many as possible go at once, in groups first. Both end in a set
            from which no single segment can go. It need not be the smallest such set.
        method: how pictures are cut; see :func:`firebit.explain.segments.segment`.
        segments: about how many, ≥ 2.
        fill: what stands where segments were; see :func:`firebit.explain.segments.filling`. "auto": the first of mean,
            grey, black, white and blur that does not give the bit by itself.

    Returns:
        One for every picture, in order.

    Raises:
        UsageError: pictures or units do not fit the network, or there is no such mode, method or filling.
        MissingExtraError: scikit-image is not installed, and the method needs it.

    Example:
        >>> import firebit as fb
        >>> network, digits = fb.load("mnist-lenet"), fb.data.load("digits", "test")
        >>> (found,) = minimal(network, digits.images[:1], [0])
        >>> is_minimal(network, found)
        True
    """
    if mode not in MODES:
        raise UsageError(f"There is no mode {mode!r}.", f"Choose one of: {', '.join(MODES)}.")
    check_fill(fill)
    check_method(method, segments)
    check_pictures(network, pictures)
    reader = Reader(network, layer, by)
    chosen = reader.checked(units)
    if len(chosen) != len(pictures):
        raise UsageError(f"{len(chosen)} units do not fit {len(pictures)} pictures.", "Give one unit for each picture.")
    cuts = _cut(pictures, method, segments)
    tasks = [
        Task(picture, cut, fillings(picture, fill), int(unit))
        for picture, cut, unit in zip(pictures, cuts, chosen, strict=True)
    ]
    oracle = Oracle(reader, network.batch)
    reduce_all(tasks, oracle, mode)
    return tuple(_made(task, reader) for task in tasks)


def check_pictures(network: "Network", pictures: Pixels) -> None:
    """See that pictures are of the size of the network, and can be cut.

    Raises:
        UsageError: they are not.
    """
    shape = network.input_shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise UsageError(
            f"The network sees {'×'.join(map(str, shape))} values, no grey or RGB pictures.",
            "Smallest pictures are of networks over (1, H, W) or (3, H, W).",
        )
    if pictures.dtype != np.uint8 or pictures.shape[1:] != shape:
        raise UsageError(
            f"Pictures of {pictures.dtype} {pictures.shape} are not of the network's size.",
            f"Give uint8 (N, {', '.join(map(str, shape))}), for example network.pixels(images).",
        )


def _cut(pictures: Pixels, method: str, count: int) -> list[NDArray[np.int64]]:
    """Segments of every picture; the same picture is cut once."""
    made: dict[bytes, NDArray[np.int64]] = {}
    cuts = []
    for picture in pictures:
        key = picture.tobytes()
        if key not in made:
            made[key] = segment(picture, method, count)
        cuts.append(made[key])
    return cuts


def _made(task: Task, reader: Reader) -> Minimal:
    return Minimal(
        picture=task.picture,
        segments=task.segments,
        kept=task.kept,
        fill=task.fill,
        layer=reader.layer,
        by=reader.by,
        unit=task.unit,
        fires=task.fires,
        blank=task.blank,
        margin=task.margin,
        forwards=task.forwards,
    )


def is_minimal(network: "Network", found: Minimal) -> bool:
    """Whether the bit holds for what is left, and flips when any one segment goes; computed anew.

    Args:
        network: the one it was found with.
        found: a result of :func:`minimal`.
    """
    reader = Reader(network, found.layer, found.by)
    filled = filling(found.picture, found.fill)
    left = np.flatnonzero(found.kept)
    candidates = np.repeat(found.kept[None], 1 + len(left), 0)
    candidates[np.arange(1, 1 + len(left)), left] = False
    seen = keep(found.picture, found.segments, candidates, filled)
    parts = range(0, len(seen), network.batch)
    bits = np.concatenate([reader.margins(seen[at : at + network.batch], [found.unit])[:, 0] >= 0 for at in parts])
    return bool(bits[0] == found.fires and (bits[1:] != found.fires).all())
