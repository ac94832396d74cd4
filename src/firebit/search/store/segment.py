"""Items in memory, in the order of their ids, ready to be searched; and two such segments as one store."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.engine.nearest import NO_LIMIT, nearest
from firebit.search.codes import Codes
from firebit.search.store.distinct import Distinct, Positions, group
from firebit.search.store.lists import Lists, build
from firebit.search.store.truth import Rows, State, ordered

Found = tuple[NDArray[np.int32], NDArray[np.int64]]

_LAST = np.int64(0xFFFFFFFF)
_FEWEST_MERGED = 5_000
_SPARSEST = 8
"""Keys per item up to which a table of keys is worth its memory."""


@dataclass(eq=False)
class Segment:
    """Items by position: ascending ids.

    Attributes:
        ids: n strings, an array of NumPy's StringDType.
        keys: int64 (n,), by which the database knows them.
        items: their codes.
        lists: over the codes, where they were built.
    """

    ids: NDArray[Any]
    keys: NDArray[np.int64]
    items: Distinct
    lists: Lists | None = None

    @cached_property
    def _by_key(self) -> NDArray[np.int64]:
        return np.argsort(self.keys, kind="stable")

    @cached_property
    def _table(self) -> NDArray[np.int64]:
        """Positions by key, from the smallest key on; −1 where there is none."""
        table = np.full(np.ptp(self.keys) + 1, -1, np.int64)
        table[self.keys - self.keys.min()] = np.arange(len(self.keys))
        return table

    def positions(self, keys: NDArray[np.int64]) -> Positions:
        """Where the items of some keys are, ascending; keys of other items are left out.

        Args:
            keys: int64, each once.
        """
        if not len(self.keys) or not len(keys):
            return np.empty(0, np.int64)
        if np.ptp(self.keys) < _SPARSEST * len(self.keys):
            offsets = keys - self.keys.min()
            places = self._table[offsets[(offsets >= 0) & (offsets < len(self._table))]]
            return np.sort(places[places >= 0])
        at = np.minimum(np.searchsorted(self.keys, keys, sorter=self._by_key), len(self.keys) - 1)
        places = self._by_key[at]
        return np.sort(places[self.keys[places] == keys])

    def without(self, keys: NDArray[np.int64]) -> "Segment":
        """The same without the items of some keys. Their positions stay empty."""
        dead = self.positions(keys)
        return replace(self, items=self.items.without(dead)) if len(dead) else self

    def with_lists(self, target: float) -> "Segment":
        """The same with inverted lists that find a share of at least `target` of what there is."""
        items, lists = build(self.items, target)
        return replace(self, items=items, lists=lists)

    def search(
        self, queries: Codes, k: int, limit: int = NO_LIMIT, probes: int = 0, only: Distinct | None = None
    ) -> Found:
        """Distances int32 and positions int64 (queries, k) of what comes first, positions −1 where there is no more.

        Args:
            queries: uint8 (queries, bytes).
            k: hits per query.
            limit: the largest distance that counts.
            probes: lists to look into; 0: all codes.
            only: some of the items, instead of all.
        """
        items = self.items if only is None else only
        if not len(items.members):
            return np.zeros((len(queries), k), np.int32), np.full((len(queries), k), -1, np.int64)
        if probes and self.lists is not None:
            return items.expanded(self.lists.search(items, queries, probes, k, limit), k)
        return items.expanded(nearest(queries, items.codes, items.ranks, k, limit), k)


def segment(rows: Rows) -> Segment:
    """A segment of rows in ascending order of id."""
    ids = np.array(rows.ids, np.dtypes.StringDType())
    return Segment(ids, rows.keys, group(rows.codes))


@dataclass(eq=False)
class Memory:
    """All items of a store as of one moment: a large segment, and a small one of what came since.

    Attributes:
        base: the large one.
        recent: the small one.
        rows: of the small one.
        state: up to where the database was read.
    """

    base: Segment
    recent: Segment
    rows: Rows
    state: State

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Where recent items come among the others: numbers that compare with those of :meth:`_base_order`."""
        low = [_first_not_before(self.base.ids, each) for each in self.recent.ids.tolist()]
        return (np.array(low, np.int64) << 32) | np.arange(len(low))

    @property
    def size(self) -> int:
        """Items that are there."""
        return len(self.base.items.members) + len(self.recent.items.members)

    @property
    def is_ripe(self) -> bool:
        """Whether so much has changed that both segments should become one."""
        changed = len(self.recent.keys) + len(self.base.keys) - len(self.base.items.members)
        return changed > max(_FEWEST_MERGED, len(self.base.keys) // 8)

    def followed(self, new: Rows, gone: NDArray[np.int64], state: State) -> "Memory":
        """The same after some items came and others went."""
        base = self.base.without(gone)
        kept = ~np.isin(self.rows.keys, gone)
        ids = [each for each, stays in zip(self.rows.ids, kept.tolist(), strict=True) if stays] + new.ids
        keys = np.concatenate((self.rows.keys[kept], new.keys))
        rows = ordered(Rows(ids, keys, np.concatenate((self.rows.codes[kept], new.codes))))
        return Memory(base, segment(rows), rows, state)

    def merged(self, old: Found, recent: Found) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """What comes first of both segments, positions of recent items counted on behind those of the base."""
        k = old[1].shape[1]
        late = np.where(recent[1] >= 0, self._order[recent[1]], np.iinfo(np.int64).max)
        early = np.where(old[1] >= 0, (old[1] << 32) | _LAST, np.iinfo(np.int64).max)
        positions = np.concatenate((old[1], np.where(recent[1] >= 0, recent[1] + len(self.base.keys), -1)), axis=1)
        distances = np.concatenate((old[0], recent[0]), axis=1)
        distances = np.where(positions >= 0, distances, NO_LIMIT)
        order = np.lexsort((np.concatenate((early, late), axis=1), distances), axis=1)[:, :k]
        return np.take_along_axis(distances, order, 1), np.take_along_axis(positions, order, 1)

    def ids(self, positions: Positions) -> NDArray[Any]:
        """Ids at positions as :meth:`merged` counts them."""
        return _picked(positions, self.base.ids, self.recent.ids)

    def keys(self, positions: Positions) -> NDArray[np.int64]:
        """Keys at positions as :meth:`merged` counts them."""
        found: NDArray[np.int64] = _picked(positions, self.base.keys, self.recent.keys)
        return found


def memory(rows: Rows, state: State) -> Memory:
    """All rows of a store, as the base."""
    return at_rest(segment(rows), state)


def at_rest(base: Segment, state: State) -> Memory:
    """A base that nothing was added to."""
    nothing = Rows([], np.empty(0, np.int64), np.empty((0, base.items.codes.shape[1]), np.uint8))
    return Memory(base, segment(nothing), nothing, state)


def in_threads(queries: Codes, threads: int, search: Callable[[Codes], Found]) -> Found:
    """The same search for parts of the queries, each on a thread of its own."""
    parts = np.array_split(queries, min(threads, len(queries))) if threads > 1 and len(queries) > 1 else [queries]
    if len(parts) == 1:
        return search(queries)
    with ThreadPoolExecutor(len(parts)) as pool:
        return _stacked(list(pool.map(search, parts)))


def _stacked(parts: Sequence[Found]) -> Found:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _picked(positions: Positions, base: NDArray[Any], recent: NDArray[Any]) -> NDArray[Any]:
    if not len(recent):
        found: NDArray[Any] = base[positions]
        return found
    out = np.empty(len(positions), base.dtype)
    late = positions >= len(base)
    out[~late], out[late] = base[positions[~late]], recent[positions[late] - len(base)]
    return out


def _first_not_before(ids: NDArray[Any], wanted: str) -> int:
    # NumPy's searchsorted does not take strings of variable length.
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if ids[middle] < wanted else (low, middle)
    return low
