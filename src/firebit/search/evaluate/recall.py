"""Recall of an index: how much of what an exact search finds it finds too."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError
from firebit.search.codes import Codes, check_some, hamming


def recall_at(
    hits: NDArray[np.integer[Any]], bits: int, queries: Codes, database: Codes, k: int | None = None
) -> NDArray[np.float64]:
    """Recall@k of each query, float64 (Q,), where any order of what is equally far is as good as another.

    A hit counts if it is no farther than the k-th nearest code; the distance is computed here, whatever the index
    says. A place that is named twice counts once, and −1 (nothing found) never.

    Args:
        hits: places in the database, (Q, k or more), nearest first, −1 for none.
        bits: length of the codes.
        queries: packed uint8 (Q, ⌈bits / 8⌉).
        database: packed uint8 (N, ⌈bits / 8⌉).
        k: how many of the hits count; None: all that there are. Where the database has fewer codes, all are wanted.

    Raises:
        UsageError: shapes that do not fit, k below 1 or more than there are hits, or a place outside the database.
    """
    check_some(queries, bits, "codes of the queries")
    check_some(database, bits, "codes of the database")
    if hits.ndim != 2 or len(hits) != len(queries) or hits.dtype.kind not in "iu":
        raise UsageError(
            f"hits of dtype {hits.dtype} and shape {hits.shape} for {len(queries)} queries.",
            "Give the places of the hits, whole numbers (queries, k).",
        )
    k = hits.shape[1] if k is None else k
    if not 1 <= k <= hits.shape[1]:
        raise UsageError(f"k={k} for {hits.shape[1]} hits a query.", f"Give 1 to {max(1, hits.shape[1])}.")
    if hits.size and not (hits.min() >= -1 and hits.max() < len(database)):
        raise UsageError(
            f"hits name places from {hits.min()} to {hits.max()} of a database of {len(database)}.",
            "Give places from 0, and -1 for none.",
        )
    wanted = min(k, len(database))
    found = np.empty(len(hits))
    for row, places in enumerate(hits[:, :k]):
        (away,) = hamming(queries[row, None], database)
        limit = np.partition(away, wanted - 1)[wanted - 1]
        distinct = np.unique(places[places >= 0])
        found[row] = min(wanted, int((away[distinct] <= limit).sum())) / wanted
    return found
