"""What a firing matrix proves: positive and negative classes of every unit, and how much a unit tells of the class."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.explain.firing import Firing

if TYPE_CHECKING:
    from firebit.engine.network import Network
    from firebit.engine.pixels import Images


@dataclass(frozen=True)
class ClassEvidence:
    """What the pictures of one class say of one unit.

    Attributes:
        index: of the class.
        name: of the class.
        fired: pictures for which the unit fires, k.
        pictures: of the class, n.
        bound: one-sided Clopper–Pearson bound of the true rate: from below for a positive class, above for a negative.
        q: Benjamini–Hochberg q-value over the whole matrix.
    """

    index: int
    name: str
    fired: int
    pictures: int
    bound: float
    q: float


@dataclass(frozen=True, eq=False)
class Selectivity:
    """The classes for which units fire always, or never.

    A class is *positive* for a unit where it fires for at least `share` of the class's pictures and the q-value of
    "more often than for other classes" is at most `level`; *negative* the other way round. The p-values are exact
    (hypergeometric: the distribution under permuted labels); q-values are Benjamini–Hochberg over both questions of
    every class and unit at once.

    Attributes:
        firing: the counts.
        share: 1: all pictures of the class, as in the paper.
        level: of the false discovery rate.
        confidence: of `lower` and `upper`, one-sided.
        positive: bool (C, U).
        negative: bool (C, U).
        q_more: float64 (C, U): that the unit fires more often for the class than for others.
        q_less: float64 (C, U): that it fires less often.
        lower: float64 (C, U): true rate at least, one-sided Clopper–Pearson; 0 for a class without pictures.
        upper: float64 (C, U): true rate at most; 1 for a class without pictures.
        information: float64 (U,): mutual information of bit and class in bits, its bias removed; may be a little below 0.
        information_null: float64 (U,): what independent labels stay below with that confidence, on the same scale.
        flags: U of them: "" or "never fires", "always fires", "same as 12", "opposite of 12".
    """

    firing: Firing
    share: float
    level: float
    confidence: float
    positive: NDArray[np.bool_]
    negative: NDArray[np.bool_]
    q_more: NDArray[np.float64]
    q_less: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    information: NDArray[np.float64]
    information_null: NDArray[np.float64]
    flags: tuple[str, ...]

    def positives(self, unit: int) -> tuple[ClassEvidence, ...]:
        """Positive classes of a unit, the highest bound first."""
        raise NotImplementedError

    def negatives(self, unit: int) -> tuple[ClassEvidence, ...]:
        """Negative classes of a unit, the lowest bound first."""
        raise NotImplementedError

    def ranked(self) -> NDArray[np.int64]:
        """All units, those that tell most of the class first."""
        raise NotImplementedError


def selectivity(firing: Firing, share: float = 1.0, level: float = 0.05, confidence: float = 0.95) -> Selectivity:
    """Positive and negative classes of every unit, with what the sample can support.

    Args:
        firing: counts of a layer.
        share: of a class's pictures for which the unit must fire (or not fire), above ½ … 1. The paper's is 1.
        level: false discovery rate, above 0 and below 1.
        confidence: of the bounds, above 0 and below 1.

    Raises:
        UsageError: a number is out of range.
    """
    raise NotImplementedError


@dataclass(frozen=True)
class Null:
    """The same question asked of shuffled labels.

    Attributes:
        permutations: how many shuffles.
        calls: mean number of positive and negative classes found in all units, per shuffle.
        units: mean share of units with any, 0 … 1.
        most: largest such share over all shuffles.
    """

    permutations: int
    calls: float
    units: float
    most: float


def permutation_null(
    network: "Network",
    images: "Images",
    labels: ArrayLike,
    found: Selectivity,
    permutations: int = 100,
    seed: int = 0,
) -> Null:
    """Shuffle the labels, and count what the rules of `found` then find: all of it is chance.

    Correlation of units is kept, unlike in the q-values.

    Args:
        network: whose units they are.
        images: the pictures that were counted.
        labels: their classes, int (N,).
        found: what was found with the true labels.
        permutations: shuffles, ≥ 1.
        seed: of the shuffles.

    Raises:
        UsageError: pictures, labels or network are not those that were counted.
    """
    raise NotImplementedError
