"""How many codes of a database lie at each Hamming distance from a query, and how many of them are relevant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError
from firebit.search.codes import Codes, check_some, hamming

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """Codes by distance: all that any ranking by Hamming distance can know.

    Attributes:
        total: codes at each distance, int64 (queries, bits + 1).
        relevant: those among them of the query's class.
        size: codes in the database.
    """

    total: NDArray[np.int64]
    relevant: NDArray[np.int64]
    size: int

    @property
    def bits(self) -> int:
        """Length of the codes."""
        return int(self.total.shape[1]) - 1


@dataclass(frozen=True)
class _Database:
    """The distinct codes of a database, and how often each occurs, in all and in each class."""

    codes: Codes
    times: NDArray[np.int64]
    of_class: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]

    @classmethod
    def of(cls, codes: Codes, labels: Labels) -> "_Database":
        distinct, inverse = np.unique(codes, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        of_class = {}
        for label in np.unique(labels):
            at, times = np.unique(inverse[labels == label], return_counts=True)
            of_class[int(label)] = (at, times)
        return cls(distinct, np.bincount(inverse), of_class)


def count(bits: int, queries: Codes, query_labels: Labels, database: Codes, database_labels: Labels) -> Counts:
    """Count the codes of a database by distance from each query; relevant is what has the query's label.

    Equal codes are compared once, so that the codes of trained networks, many of which are the same, cost less.

    Args:
        bits: length of the codes.
        queries: packed codes uint8 (Q, ⌈bits / 8⌉).
        query_labels: whole numbers (Q,).
        database: packed codes uint8 (N, ⌈bits / 8⌉).
        database_labels: whole numbers (N,).

    Raises:
        UsageError: codes of another length, no codes, or labels that do not fit them.
    """
    for what, codes, labels in (("queries", queries, query_labels), ("database", database, database_labels)):
        check_some(codes, bits, f"codes of the {what}")
        _check_labels(labels, len(codes), what)
    known = _Database.of(database, database_labels)
    asked = np.concatenate([queries, query_labels.astype(np.int64)[:, None].view(np.uint8)], axis=1)
    distinct, first, inverse = np.unique(asked, axis=0, return_index=True, return_inverse=True)
    total = np.zeros((len(distinct), bits + 1), np.int64)
    relevant = np.zeros_like(total)
    for row, at in enumerate(first):
        (away,) = hamming(queries[at, None], known.codes)
        total[row] = _weighted(away, known.times, bits)
        own, times = known.of_class.get(int(query_labels[at]), (None, None))
        if own is not None and times is not None:
            relevant[row] = _weighted(away[own], times, bits)
    inverse = inverse.reshape(-1)
    return Counts(total[inverse], relevant[inverse], len(database))


def _weighted(away: NDArray[np.int32], times: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    # Sums of whole numbers below 2⁵³ are exact in float64.
    return np.bincount(away, weights=times, minlength=bits + 1).astype(np.int64)


def _check_labels(labels: NDArray[np.int64], count: int, what: str) -> None:
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise UsageError(
            f"{what}: labels of dtype {labels.dtype} and shape {labels.shape} for {count} codes.",
            "Give one whole number for each code.",
        )
