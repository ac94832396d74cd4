"""Names for units: concepts of a hierarchy that are over-represented among the positive (or negative) classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from firebit.errors import UsageError
from firebit.explain.hierarchy import Hierarchy
from firebit.explain.hypergeometric import tails
from firebit.explain.selectivity import Selectivity

SIDES = ("positive", "negative")
_FEWEST = 2


@dataclass(frozen=True)
class Name:
    """What the classes of one side of a unit have in common.

    Attributes:
        concept: its name.
        side: "positive" or "negative".
        precision: share of the side's classes that are below the concept, 0 … 1.
        recall: share of the classes below the concept that are on this side, 0 … 1.
        q: Benjamini–Hochberg q-value over all concepts and both sides of the unit.
    """

    concept: str
    side: str
    precision: float
    recall: float
    q: float

    @property
    def score(self) -> float:
        """Harmonic mean of precision and recall, 0 … 1."""
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def names(found: Selectivity, hierarchy: Hierarchy, level: float = 0.05) -> tuple[tuple[Name, ...], ...]:
    """The names of every unit: at most one per side, none where nothing passes.

    For each concept the question is whether a side holds more of its classes than as many classes drawn at random
    would (hypergeometric test). Asked are concepts above two classes or more, but not all, of sides with two classes or
    more. q-values are over the questions asked of one unit: of units whose classes have nothing in common, a share of
    `level` gets a name by chance. Of the concepts that pass, the name is that with the largest harmonic mean of
    precision and recall, which is the most specific one that covers the side.

    Args:
        found: positive and negative classes.
        hierarchy: of the same classes.
        level: false discovery rate, above 0 and below 1.

    Returns:
        For every unit its names, the positive first.

    Raises:
        UsageError: `level` is out of range.
    """
    if not 0 < level < 1:
        raise UsageError(f"level={level} is out of range.", "Give a number above 0 and below 1.")
    there = np.flatnonzero(found.firing.sizes > 0)
    concepts, members = _asked(hierarchy, there, len(found.firing.classes))
    named: list[list[Name]] = [[] for _ in range(found.firing.units)]
    rows = np.concatenate([found.positive[there].T, found.negative[there].T])
    asked = np.flatnonzero(rows.sum(1) >= _FEWEST)
    if not concepts or not asked.size:
        return tuple(map(tuple, named))
    rows = rows[asked].astype(np.int64)
    common, sizes, marked = rows @ members.T, rows.sum(1)[:, None], members.sum(1)
    q = _q_values(tails(common, sizes, marked, len(there))[0], asked % found.firing.units)
    score = np.where(q <= level, 2 * common / (sizes + marked), -1)
    for row, best in enumerate(score.argmax(1)):
        if score[row, best] > 0:
            side, unit = divmod(int(asked[row]), found.firing.units)
            precision = float(common[row, best] / sizes[row, 0])
            recall = float(common[row, best] / marked[best])
            named[unit].append(Name(concepts[best], SIDES[side], precision, recall, float(q[row, best])))
    return tuple(map(tuple, named))


def _q_values(p: NDArray[np.float64], units: NDArray[np.int64]) -> NDArray[np.float64]:
    """q-values over all rows of a unit together, float64 of the shape of p (rows, concepts)."""
    q = np.empty_like(p)
    for unit in np.unique(units):
        rows = units == unit
        q[rows] = false_discovery_control(p[rows].reshape(-1)).reshape(p[rows].shape)
    return q


def _asked(hierarchy: Hierarchy, there: NDArray[np.int64], classes: int) -> tuple[list[str], NDArray[np.int64]]:
    """Concepts to ask for and their classes, int64 (concepts, classes there); the first of those with the same."""
    seen: dict[bytes, str] = {}
    rows = []
    for name, members in hierarchy.members.items():
        row = np.zeros(classes, np.int64)
        row[list(members)] = 1
        row = row[there]
        if _FEWEST <= row.sum() < len(there) and row.tobytes() not in seen:
            seen[row.tobytes()] = name
            rows.append(row)
    return list(seen.values()), np.array(rows, np.int64).reshape(len(rows), len(there))
