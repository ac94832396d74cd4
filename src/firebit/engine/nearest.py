"""The codes nearest to a query, by native code where it is built and by NumPy where not: the same answers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebit.engine import native
from firebit.errors import UsageError

Ranks = NDArray[np.int64]

NO_LIMIT = np.iinfo(np.int32).max
"""A limit that no distance exceeds."""

LONGEST_CODE = 1 << 17
"""Bytes of the longest code that can be searched for."""

_MOST_DISTANCES = 1 << 22


@dataclass(frozen=True, eq=False)
class Nearest:
    """What was found, per query in the order of (distance, rank).

    Attributes:
        distances: int32 (queries, k), in bits.
        ranks: int64 (queries, k); −1 where there were fewer than k, and the distance means nothing.
    """

    distances: NDArray[np.int32]
    ranks: Ranks


def nearest(queries: native.Codes, codes: native.Codes, ranks: Ranks, k: int, limit: int = NO_LIMIT) -> Nearest:
    """The k codes that come first by (distance, rank), for every query.

    Args:
        queries: packed codes, uint8 (queries, bytes), of at most :data:`LONGEST_CODE` bytes.
        codes: packed codes, uint8 (n, bytes), in any order.
        ranks: int64 (n,), what decides between codes of one distance, each different and below 2⁴³; codes of a rank
            below 0 are left out.
        k: how many, ≥ 1.
        limit: the largest distance that counts.

    Raises:
        UsageError: shapes, types or `k` are not these.
    """
    _check(queries, codes, ranks, k)
    found = _places(len(queries), k)
    chosen = native.instruction_set()
    if chosen == "numpy":
        return _nearest_numpy(queries, codes, ranks, k, limit)
    native.module().nearest(queries, codes, ranks, limit, found.distances, found.ranks, chosen)
    return found


def nearest_in_lists(
    queries: native.Codes,
    codes: native.Codes,
    ranks: Ranks,
    offsets: NDArray[np.int64],
    lists: NDArray[np.int64],
    k: int,
    limit: int = NO_LIMIT,
) -> Nearest:
    """As :func:`nearest`, among the codes of some lists for every query.

    Args:
        queries: packed codes, uint8 (queries, bytes).
        codes: packed codes, uint8 (n, bytes), list after list.
        ranks: as of :func:`nearest`.
        offsets: int64 (lists + 1,), rising from 0 to n: list l is ``codes[offsets[l] : offsets[l + 1]]``.
        lists: int64 (queries, probes), which lists a query looks into, each once.
        k: how many, ≥ 1.
        limit: the largest distance that counts.

    Raises:
        UsageError: shapes, types or `k` are not these.
    """
    _check(queries, codes, ranks, k)
    found = _places(len(queries), k)
    chosen = native.instruction_set()
    if chosen != "numpy":
        native.module().nearest_in_lists(
            queries, codes, ranks, offsets, lists, limit, found.distances, found.ranks, chosen
        )
        return found
    for row, (query, seen) in enumerate(zip(queries, lists, strict=True)):
        parts = [np.arange(offsets[each], offsets[each + 1]) for each in seen]
        at = np.concatenate(parts) if parts else np.empty(0, np.int64)
        one = _nearest_numpy(query[None], codes[at], ranks[at], k, limit)
        found.distances[row], found.ranks[row] = one.distances[0], one.ranks[0]
    return found


def _places(queries: int, k: int) -> Nearest:
    return Nearest(np.empty((queries, k), np.int32), np.empty((queries, k), np.int64))


def _check(queries: native.Codes, codes: native.Codes, ranks: Ranks, k: int) -> None:
    if queries.ndim != 2 or codes.ndim != 2 or queries.shape[1] != codes.shape[1] or ranks.shape != codes.shape[:1]:
        raise UsageError(
            f"Queries of shape {queries.shape} do not go with codes of shape {codes.shape} and ranks of {ranks.shape}.",
            "Give codes of one length, and a rank for each that is searched.",
        )
    if queries.shape[1] > LONGEST_CODE:
        raise UsageError(f"Codes of {queries.shape[1]:,} bytes are too long.", f"Give at most {LONGEST_CODE:,} bytes.")
    if k < 1:
        raise UsageError(f"k={k} is not a number of codes to find.", "Give a whole number from 1.")


def _nearest_numpy(queries: native.Codes, codes: native.Codes, ranks: Ranks, k: int, limit: int) -> Nearest:
    """The meaning of both: everything is compared, sorted, and cut."""
    found = _places(len(queries), k)
    alive = np.flatnonzero(ranks >= 0)
    alive = alive[np.argsort(ranks[alive], kind="stable")]
    for part in _parts(len(queries), len(alive)):
        distances = native.hamming(queries[part], codes[alive])
        for row, line in zip(range(part.start, part.stop), distances, strict=True):
            # Stable, over ascending ranks.
            order = np.argsort(line, kind="stable")[:k]
            order = order[line[order] <= limit]
            found.distances[row, : len(order)] = line[order]
            found.ranks[row] = -1
            found.ranks[row, : len(order)] = ranks[alive[order]]
    return found


def _parts(queries: int, codes: int) -> Iterator[slice]:
    step = max(1, _MOST_DISTANCES // max(1, codes))
    for start in range(0, queries, step):
        yield slice(start, min(start + step, queries))
