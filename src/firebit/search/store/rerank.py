"""The asymmetric distance: a real-valued query against stored bits.

A bit that the query holds firmly counts more than one that it holds by a hair: Σ |r_i| over the bits i that differ,
where r_i is at least 0 if and only if bit i of the query is 1.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.errors import UsageError
from firebit.search.codes import Codes, pack
from firebit.search.encoder import Encoder
from firebit.search.store.backend import Backend, Query
from firebit.search.store.hits import Columns, Hits, split

OVERSAMPLED = 10
"""How many times as many hits as wanted are re-ranked."""


def reals_of(
    given: ArrayLike | str, encoder: Encoder | None, images: Any, queries: Codes, bits: int
) -> NDArray[np.float64]:
    """The real values of queries, float64 (queries, bits).

    Args:
        given: "encoder", or the values.
        encoder: of the store.
        images: pictures that are searched for, or None.
        queries: their codes.
        bits: per code.

    Raises:
        UsageError: there are no such values, or their signs are not the bits of the codes.
    """
    if isinstance(given, str):
        given = _encoded(given, encoder, images)
    reals = np.asarray(given)
    if reals.dtype.kind not in "fiu" or reals.shape != (len(queries), bits) or not np.isfinite(reals).all():
        raise UsageError(
            f"rerank_by is {reals.dtype} of shape {reals.shape}, no finite real value for each of {bits} bits.",
            f"Give an array ({len(queries)}, {bits}), at least 0 where the bit is 1.",
        )
    if not np.array_equal(pack(reals >= 0), queries):
        raise UsageError(
            "rerank_by is at least 0 at other bits than those of the query.", "Give values of that encoder."
        )
    return reals.astype(np.float64)


def _encoded(given: str, encoder: Encoder | None, images: Any) -> Any:
    make = getattr(encoder, "reals", None)
    if given != "encoder" or make is None or images is None:
        raise UsageError(
            f"rerank_by={given!r} has no real values to re-rank by.",
            'Search by images in a store whose encoder has reals(images) and say "encoder", or give an array.',
        )
    return make(images)


def search(backend: Backend, queries: Codes, reals: NDArray[np.float64], query: Query) -> list[Hits]:
    """The hits of a search, by (asymmetric distance, distance, id)."""
    wide = query if query.k is None else replace(query, k=query.k * OVERSAMPLED)
    columns, found = backend.search(queries, wide)
    assert columns.codes is not None
    ends = np.cumsum([len(hits) for hits in found])
    order, costs = [], []
    for row, end in enumerate(ends.tolist()):
        part = slice(end - len(found[row]), end)
        cost = _costs(queries[row], columns.codes[part], reals[row])
        # Stable: hits stand in the order of (distance, id).
        first = np.argsort(cost, kind="stable")[: query.k]
        order.append(first + part.start)
        costs.append(cost[first])
    at = np.concatenate(order)
    payloads = None if columns.payloads is None else [columns.payloads[each] for each in at.tolist()]
    ids = [columns.ids[each] for each in at.tolist()]
    kept = Columns(lambda: ids, columns.distances[at], payloads, np.concatenate(costs))
    return split(kept, [len(each) for each in order])


def _costs(query: Codes, codes: Codes, reals: NDArray[np.float64]) -> NDArray[np.float64]:
    differ = np.unpackbits(codes ^ query, axis=1, count=len(reals), bitorder="little")
    return np.asarray(differ @ np.abs(reals), np.float64)
