"""Columns of figure 6: for a unit, smallest pictures of its positive and of its negative classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.errors import UsageError
from firebit.explain.firing import checked_labels
from firebit.explain.layer import Reader
from firebit.explain.minimal import Minimal, check_pictures, minimal
from firebit.explain.segments import AUTO, COUNT
from firebit.explain.selectivity import Selectivity

if TYPE_CHECKING:
    from firebit.engine.network import Network

ROWS = 6
"""Pictures on each side of a column, as in the paper."""


@dataclass(frozen=True, eq=False)
class Column:
    """Smallest pictures of one unit.

    Attributes:
        unit: index.
        positive: pictures for which the unit fires.
        negative: pictures for which it stays off.
        labels: the classes of `positive`, then of `negative`.
        pictures: their indices in the data set, likewise.
    """

    unit: int
    positive: tuple[Minimal, ...]
    negative: tuple[Minimal, ...]
    labels: tuple[int, ...]
    pictures: tuple[int, ...]


@dataclass(frozen=True)
class _Choice:
    """One picture to be made small."""

    unit: int
    fires: bool
    label: int
    picture: int


def columns(
    network: "Network",
    images: NDArray[np.uint8],
    labels: ArrayLike,
    found: Selectivity,
    units: Sequence[int] | NDArray[np.int64],
    *,
    count: int = ROWS,
    mode: str = "fast",
    method: str = "auto",
    segments: int = COUNT,
    fill: str = AUTO,
    seed: int = 0,
) -> tuple[Column, ...]:
    """For every unit, smallest pictures of `count` positive and `count` negative classes.

    The pictures are drawn at random, one of each class, among those of the class for which the unit fires (or stays
    off); where there are fewer classes than `count`, they take turns. A side without classes is empty.

    Args:
        network: whose units they are.
        images: uint8 (N, C, H, W) of the network's size.
        labels: their classes, int (N,).
        found: which classes are positive and negative, for one of the network's layers.
        units: indices; twice is once.
        count: pictures on each side, ≥ 1.
        mode: see :func:`firebit.explain.minimal.minimal`, as `method`, `segments` and `fill`.
        seed: of the draw, ≥ 0.

    Raises:
        UsageError: arguments do not fit each other, or are out of range.
        MissingExtraError: scikit-image is not installed, and the method needs it.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if value < least:
            raise UsageError(f"{name}={value} is out of range.", f"Give a whole number from {least}.")
    check_pictures(network, images)
    firing = found.firing
    indices = checked_labels(labels, len(images), firing.classes)
    reader = Reader(network, firing.layer, firing.by)
    wanted = list(dict.fromkeys(reader.checked(units).tolist()))
    generator = np.random.default_rng(seed)
    choices = [
        choice
        for unit in wanted
        for fires in (True, False)
        for choice in _drawn(reader, images, indices, _classes(found, unit, fires), (unit, fires, count), generator)
    ]
    smallest = minimal(
        network,
        images[[choice.picture for choice in choices]],
        [choice.unit for choice in choices],
        layer=firing.layer,
        by=firing.by,
        mode=mode,
        method=method,
        segments=segments,
        fill=fill,
    )
    pairs = list(zip(choices, smallest, strict=True))
    return tuple(_column(unit, [pair for pair in pairs if pair[0].unit == unit]) for unit in wanted)


def _classes(found: Selectivity, unit: int, fires: bool) -> list[int]:
    """Classes of one side, the surest first."""
    return [each.index for each in (found.positives(unit) if fires else found.negatives(unit))]


def _drawn(
    reader: Reader,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: Sequence[int],
    wanted: tuple[int, bool, int],
    generator: np.random.Generator,
) -> list[_Choice]:
    """`count` pictures in turns over the classes, those of a class in random order; fewer where there are no more."""
    unit, fires, count = wanted
    turns = -(-count // max(1, len(classes)))
    rows = []
    for label in classes[:count]:
        waiting = iter(generator.permutation(np.flatnonzero(labels == label)).tolist())
        good = _answering(reader, images, waiting, (unit, fires, turns))
        rows.append([_Choice(unit, fires, label, picture) for picture in good])
    return [row[turn] for turn in range(turns) for row in rows if turn < len(row)][:count]


def _answering(
    reader: Reader, images: NDArray[np.uint8], waiting: Iterator[int], wanted: tuple[int, bool, int]
) -> list[int]:
    """The first pictures for which a unit fires, or stays off, as many as are wanted."""
    unit, fires, count = wanted
    good: list[int] = []
    while len(good) < count and (some := [index for index, _ in zip(waiting, range(2 * count), strict=False)]):
        answers = reader.margins(images[some], [unit])[:, 0] >= 0
        good += [index for index, answer in zip(some, answers, strict=True) if answer == fires]
    return good[:count]


def _column(unit: int, pairs: Sequence[tuple[_Choice, Minimal]]) -> Column:
    return Column(
        unit,
        tuple(small for choice, small in pairs if choice.fires),
        tuple(small for choice, small in pairs if not choice.fires),
        tuple(choice.label for choice, _ in pairs),
        tuple(choice.picture for choice, _ in pairs),
    )
