"""One part of a picture as evidence for a unit and against another (§4.3): how often smallest pictures coincide."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from firebit.explain import Minimal, Selectivity, minimal
from firebit.explain.drawing import FIRES, STAYS_OFF, tile
from firebit.figure import INK
from firebit.paper.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DRAWS = 20
_UNITS = 64
_LARGE = 0.5


@dataclass(frozen=True, eq=False)
class Shared:
    """One picture, a unit that it fires, and a unit that it keeps off.

    Attributes:
        label: class of the picture: positive for the first unit, negative for the second.
        fires: the smallest picture that fires the first.
        off: the smallest that keeps the second off.
        overlap: common pixels by all pixels of both, 0 … 1.
        chance: the same for as many segments as `off` has, drawn at random, on average.
        touching: how often such segments have one in common with `fires`, 0 … 1.
    """

    label: int
    fires: Minimal
    off: Minimal
    overlap: float
    chance: float
    touching: float


def shared_parts(
    subject: Subject, found: Selectivity, count: int, method: str, segments: int, seed: int = 0
) -> list[Shared]:
    """All pairs of a unit that fires and one that is kept off, over some pictures, of the 64 units that tell most.

    Args:
        subject: network and pictures.
        found: which classes are positive and negative.
        count: pictures, drawn at random.
        method: how pictures are cut.
        segments: about how many.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    images, labels = subject.pictures.images, subject.pictures.labels
    drawn = generator.choice(len(images), min(count, len(images)), replace=False)
    bits = subject.network.bits(images[drawn], found.firing.layer) > 0
    telling = np.isin(np.arange(found.firing.units), found.ranked()[:_UNITS])
    fires = bits & found.positive[labels[drawn]] & telling
    off = ~bits & found.negative[labels[drawn]] & telling
    asked = (fires | off) & fires.any(1, keepdims=True) & off.any(1, keepdims=True)
    pictures, units = np.nonzero(asked)
    options: dict[str, Any] = {"layer": found.firing.layer, "method": method, "segments": segments, "fill": "mean"}
    small = minimal(subject.network, images[drawn[pictures]], units, **options)
    pairs = []
    for picture in np.unique(pictures):
        of_one = [each for each, owner in zip(small, pictures, strict=True) if owner == picture and not each.blank]
        for one in (each for each in of_one if each.fires):
            for other in (each for each in of_one if not each.fires):
                pairs.append(_pair(int(labels[drawn[picture]]), one, other, generator))
    return pairs


def _pair(label: int, fires: Minimal, off: Minimal, generator: np.random.Generator) -> Shared:
    sizes = np.bincount(fires.segments.reshape(-1))
    drawn = [generator.permutation(off.kept) for _ in range(_DRAWS)]
    chance = mean(_overlap(sizes, fires.kept, other) for other in drawn)
    touching = mean(float((fires.kept & other).any()) for other in drawn)
    return Shared(label, fires, off, _overlap(sizes, fires.kept, off.kept), chance, touching)


def _overlap(sizes: NDArray[np.int64], one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(sizes[one & other].sum() / sizes[one | other].sum())


def sentences(pairs: Sequence[Shared]) -> str:
    """What the pairs say, in a few sentences."""
    if not pairs:
        return "No picture has a part to show for one unit and against another."
    some, by_chance = (100 * mean(values) for values in ([p.overlap > 0 for p in pairs], [p.touching for p in pairs]))
    same = 100 * mean(pair.overlap == 1 for pair in pairs)
    overlap, chance = mean(pair.overlap for pair in pairs), mean(pair.chance for pair in pairs)
    pictures = len({pair.fires.picture.tobytes() for pair in pairs})
    return (
        f"Over {pictures:,} pictures there are {len(pairs):,} pairs of a unit that is fired and one that is kept off "
        f"of whose smallest pictures, the rest of the mean colour, neither is blank. {some:.0f} % of pairs share a "
        f"segment ({by_chance:.0f} % if as many segments were drawn at random), {same:.0f} % are the very same; they "
        f"overlap by {overlap:.2f} on average ({chance:.2f})."
    )


def examples(pairs: Sequence[Shared], count: int) -> list[Shared]:
    """Pairs of the largest overlap that are not most of the picture, classes in turn; no picture or units twice."""
    best = sorted((pair for pair in pairs if pair.fires.share < _LARGE), key=lambda pair: -pair.overlap)
    chosen: list[Shared] = []
    for turn in range(count):
        for pair in best:
            of_class = sum(other.label == pair.label for other in chosen)
            if len(chosen) < count and of_class <= turn and all(_differ(pair, other) for other in chosen):
                chosen.append(pair)
    return chosen


def _differ(one: Shared, other: Shared) -> bool:
    units = (one.fires.unit, one.off.unit) != (other.fires.unit, other.off.unit)
    return units and bool((one.fires.picture != other.fires.picture).any())


def shared_figure(pairs: Sequence[Shared], classes: Sequence[str]) -> "Figure":
    """Two rows: what fires a unit, and what keeps another off, of the same pictures."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.2 * len(pairs), 2.9), layout="constrained")
    grid: Any = figure.subplots(2, len(pairs), squeeze=False)
    for column, pair in zip(grid.T, pairs, strict=True):
        _draw(column[0], pair.fires, FIRES, f"fires unit {pair.fires.unit}")
        _draw(column[1], pair.off, STAYS_OFF, f"keeps unit {pair.off.unit} off")
        column[1].set_xlabel(classes[pair.label], fontsize=8, labelpad=3, color=INK)
    return figure


def _draw(axes: "Axes", small: Minimal, colour: str, title: str) -> None:
    axes.imshow(tile(small), interpolation="nearest")
    axes.set_title(title, fontsize=7.5, color=colour, pad=3)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=1.2)
