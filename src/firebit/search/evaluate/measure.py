"""All figures of a search by codes in one record."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from firebit.search.codes import Codes
from firebit.search.evaluate import ranking
from firebit.search.evaluate.balance import Balance, balance
from firebit.search.evaluate.counts import Counts, Labels, count

CUTOFFS: tuple[int | None, ...] = (None, 1000, 5000)
RADIUS = 2
_PLACES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)


@dataclass(frozen=True)
class SearchMetrics:
    """What a search by Hamming distance is worth, where a hit of the query's class is right.

    Attributes:
        bits: length of the codes.
        queries: how many were asked.
        database: how many codes were searched.
        mean_average_precision: by cutoff, "ALL", "1000", "5000": the mean over all orders of ties.
        precision_within: mean precision within a Hamming distance of 2, a query that finds nothing counting 0.
        empty: share of queries that find nothing there.
        places: numbers of hits n of the curve of precision at n.
        precision_at: mean precision of the first n hits.
        precision: mean precision within 0, 1, … bits.
        recall: mean recall within 0, 1, … bits.
        balance: how the database's codes use their length.
    """

    bits: int
    queries: int
    database: int
    mean_average_precision: dict[str, float]
    precision_within: float
    empty: float
    places: tuple[int, ...]
    precision_at: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    balance: Balance

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-able values."""
        return {**asdict(self), "balance": self.balance.to_dict()}


def measure(
    bits: int,
    queries: Codes,
    query_labels: Labels,
    database: Codes,
    database_labels: Labels,
    cutoffs: tuple[int | None, ...] = CUTOFFS,
) -> SearchMetrics:
    """Rank a database by Hamming distance from every query, and judge the rankings by the labels.

    Args:
        bits: length of the codes.
        queries: packed uint8 (Q, ⌈bits / 8⌉).
        query_labels: whole numbers (Q,).
        database: packed uint8 (N, ⌈bits / 8⌉).
        database_labels: whole numbers (N,).
        cutoffs: of mean average precision; None is the whole database.

    Raises:
        UsageError: codes of another length, no codes, labels that do not fit them, or a cutoff below 1.

    Example:
        >>> codes, labels = np.array([[0], [1], [3]], np.uint8), np.array([7, 7, 8])
        >>> measure(2, codes[:1], labels[:1], codes[1:], labels[1:]).mean_average_precision["ALL"]
        1.0
    """
    counts = count(bits, queries, query_labels, database, database_labels)
    precision, recall = ranking.precision_recall(counts)
    places = np.array([place for place in _PLACES if place <= counts.size], np.int64)
    return SearchMetrics(
        bits=bits,
        queries=len(queries),
        database=len(database),
        mean_average_precision=_mean_average_precision(counts, cutoffs),
        precision_within=float(ranking.precision_within(counts, RADIUS).mean()),
        empty=ranking.empty_within(counts, RADIUS),
        places=tuple(places.tolist()),
        precision_at=tuple(ranking.precision_at(counts, places).mean(axis=0).tolist()),
        precision=tuple(precision.tolist()),
        recall=tuple(recall.tolist()),
        balance=balance(database, bits),
    )


def _mean_average_precision(counts: Counts, cutoffs: tuple[int | None, ...]) -> dict[str, float]:
    named = {"ALL" if cutoff is None else str(cutoff): cutoff for cutoff in cutoffs}
    return {name: float(ranking.average_precision(counts, cutoff).mean()) for name, cutoff in named.items()}
