"""Which classes a network takes for which: the confusion matrix, and what it says of every class."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError

MOST_CLASSES = 30
"""Classes whose matrix can be read as a table."""


@dataclass(frozen=True)
class Mistake:
    """Pictures of one class that are taken for another.

    Attributes:
        true: name of their class.
        predicted: name of the other.
        count: how many.
        share: of all pictures of their class, 0 … 1.
    """

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of pictures by class and prediction.

    Attributes:
        counts: int64 (C, C): pictures of class row that are predicted as class column.
        classes: C names.
    """

    counts: NDArray[np.int64]
    classes: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """Pictures in all."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Share of pictures that are predicted as what they are, 0 … 1."""
        return int(np.trace(self.counts)) / self.pictures

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Rows divided by the pictures of their class, float64 (C, C); NaN for classes without any."""
        return _divided(self.counts, self.counts.sum(1, keepdims=True))

    @property
    def recall(self) -> NDArray[np.float64]:
        """Per class, the share of its pictures that are predicted as it, (C,); NaN without any."""
        return self.shares.diagonal()

    @property
    def precision(self) -> NDArray[np.float64]:
        """Per class, the share of pictures predicted as it that are of it, (C,); NaN where it is never predicted."""
        return _divided(self.counts.diagonal(), self.counts.sum(0))

    def mistakes(self, most: int) -> list[Mistake]:
        """The most frequent mistakes, as shares of their class; of equal ones that of the smaller indices first."""
        shares = np.nan_to_num(self.shares * (1 - np.eye(len(self.classes))))
        order = np.argsort(-shares, axis=None, kind="stable")[:most]
        pairs = (divmod(int(place), len(self.classes)) for place in order)
        return [
            Mistake(self.classes[row], self.classes[column], int(self.counts[row, column]), float(shares[row, column]))
            for row, column in pairs
            if row != column and self.counts[row, column]
        ]


def confusion(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: Sequence[str]) -> Confusion:
    """Count predictions by class.

    Args:
        predicted: indices of classes (N,), N ≥ 1.
        labels: likewise.
        classes: names of the classes.

    Raises:
        UsageError: the two differ in length, are empty, or hold what is no class.
    """
    count = len(classes)
    fits = predicted.shape == labels.shape and labels.ndim == 1 and len(labels)
    if not fits or min(predicted.min(), labels.min()) < 0 or max(predicted.max(), labels.max()) >= count:
        raise UsageError(
            f"Predictions {predicted.shape} and labels {labels.shape} are not indices of {count} classes.",
            "Give as many labels as predictions, of the network's own classes.",
        )
    counts = np.bincount(labels * count + predicted, minlength=count * count).reshape(count, count)
    return Confusion(counts.astype(np.int64), tuple(classes))


def _divided(counts: NDArray[np.int64], by: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = np.full(counts.shape, np.nan)
    np.divide(counts, by, out=shares, where=by > 0)
    return shares
