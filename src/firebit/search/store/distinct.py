"""Items grouped by code. Learned codes collapse: thousands of pictures may share one, and it is compared once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firebit.engine.nearest import Nearest
from firebit.search.codes import Codes

Positions = NDArray[np.int64]

_RANK_BITS = 43
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Distinct:
    """The distinct codes of items, and the items of each.

    Items are counted by position. Of a distinct code without items the rank is −1, so that no search finds it.

    Attributes:
        codes: uint8 (distinct, bytes).
        members: int64 (items,), positions code by code, ascending within each.
        starts: int64 (distinct + 1,): the items of code c are ``members[starts[c] : starts[c + 1]]``.
        ranks: int64 (distinct,), the first position of each code.
        code_of: int64 (positions,), which code the item at a position has.
    """

    codes: Codes
    members: Positions
    starts: NDArray[np.int64]
    ranks: Positions
    code_of: NDArray[np.int64]

    @cached_property
    def shared(self) -> NDArray[np.bool_]:
        """Of each position, whether its code has other items too."""
        found = np.zeros(len(self.code_of), bool)
        found[self.members] = np.repeat(np.diff(self.starts) > 1, np.diff(self.starts))
        return found

    def without(self, positions: Positions) -> "Distinct":
        """The same without some items."""
        dead = np.zeros(len(self.code_of), bool)
        dead[positions] = True
        kept = ~dead[self.members]
        ends = np.concatenate(([0], np.cumsum(kept)))
        starts = ends[self.starts]
        members = self.members[kept]
        return Distinct(self.codes, members, starts, _first(members, starts), self.code_of)

    def chosen(self, positions: Positions) -> "Distinct":
        """Only some items, and the codes that they have.

        Args:
            positions: ascending, each once, of items that are there.
        """
        codes = self.code_of[positions]
        order = np.argsort(codes, kind="stable")
        members, in_order = positions[order], codes[order]
        begins = np.ones(len(order), bool)
        begins[1:] = in_order[1:] != in_order[:-1]
        starts = np.append(np.flatnonzero(begins), len(order))
        # Positions of other items are never asked for: their pages need not even be touched.
        code_of = np.empty_like(self.code_of)
        code_of[members] = np.cumsum(begins) - 1
        return Distinct(self.codes[in_order[begins]], members, starts, _first(members, starts), code_of)

    def arranged(self, order: NDArray[np.int64]) -> "Distinct":
        """The same with codes in another order: first code ``order[0]``."""
        sizes = np.diff(self.starts)[order]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        # Where each member was: the start of its code, plus how far into it.
        was = np.repeat(self.starts[:-1][order] - starts[:-1], sizes) + np.arange(starts[-1])
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return Distinct(self.codes[order], self.members[was], starts, self.ranks[order], place[self.code_of])

    def expanded(self, found: Nearest, k: int) -> tuple[NDArray[np.int32], Positions]:
        """Items in place of codes: the k that come first by (distance, position).

        The k first items have codes among the k first by (distance, first position): of any other code, the first items
        of k codes come before all of its own.

        Args:
            found: the codes that come first, by first positions.
            k: items per query.

        Returns:
            Distances int32 (queries, k) and positions int64 (queries, k), −1 where there are fewer.
        """
        rows = self.shared[found.ranks].any(axis=1)
        if rows.any():
            distances, positions = self._expanded(Nearest(found.distances[rows], found.ranks[rows]), k)
            found.distances[rows], found.ranks[rows] = distances, positions
        return found.distances, found.ranks

    def _expanded(self, found: Nearest, k: int) -> tuple[NDArray[np.int32], Positions]:
        places = np.where(found.ranks < 0, 0, self.code_of[found.ranks])
        sizes = np.where(found.ranks < 0, 0, self.starts[places + 1] - self.starts[places])
        # Codes that come behind k items at smaller distances give none.
        before = np.cumsum(sizes, axis=1) - sizes
        nearer = np.maximum.accumulate(np.where(_begins(found.distances), before, 0), axis=1)
        sizes = np.clip(k - nearer, 0, sizes)
        return self._taken(found, places, sizes, k)

    def _taken(
        self, found: Nearest, places: NDArray[np.int64], sizes: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int32], Positions]:
        flat = sizes.ravel()
        ends = np.cumsum(flat)
        within = np.arange(ends[-1]) - np.repeat(ends - flat, flat)
        positions = self.members[np.repeat(self.starts[places].ravel(), flat) + within]
        distances = np.repeat(found.distances.ravel(), flat)
        counts = sizes.sum(axis=1)
        queries = np.repeat(np.arange(len(sizes)), counts)
        order = np.lexsort((distances.astype(np.int64) << _RANK_BITS | positions, queries))
        at = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = at < k
        where = queries[kept], at[kept]
        nearest, items = np.zeros((len(sizes), k), np.int32), np.full((len(sizes), k), -1, np.int64)
        nearest[where], items[where] = distances[order[kept]], positions[order[kept]]
        return nearest, items


def group(codes: Codes) -> Distinct:
    """Group items by their codes.

    Args:
        codes: uint8 (items, bytes), by position.
    """
    words = _words(codes)
    order = np.argsort(_hashes(words), kind="stable")
    if not _is_grouped(words[order], _hashes(words[order])):
        # Two codes share a hash.
        order = np.lexsort(words.T[::-1])
    in_order = codes[order]
    begins = np.ones(len(codes), bool)
    begins[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    starts = np.append(np.flatnonzero(begins), len(codes))
    code_of = np.empty(len(codes), np.int64)
    code_of[order] = np.cumsum(begins) - 1
    return Distinct(in_order[begins], order, starts, _first(order, starts), code_of)


def distinct(codes: Codes, members: Positions, starts: NDArray[np.int64], positions: int) -> Distinct:
    """Distinct codes and their items, put together again.

    Args:
        codes, members, starts: as of :class:`Distinct`.
        positions: how many there are.

    Raises:
        ValueError: they do not go together.
    """
    rising = len(starts) == len(codes) + 1 and starts[0] == 0 and starts[-1] == len(members)
    if (
        not rising
        or (np.diff(starts) < 0).any()
        or (len(members) and not 0 <= members.min() <= members.max() < positions)
    ):
        raise ValueError("members and codes do not go together")
    code_of = np.zeros(positions, np.int64)
    code_of[members] = np.repeat(np.arange(len(codes)), np.diff(starts))
    return Distinct(codes, members, starts, _first(members, starts), code_of)


def _first(members: Positions, starts: NDArray[np.int64]) -> Positions:
    ranks = np.full(len(starts) - 1, -1, np.int64)
    some = starts[1:] > starts[:-1]
    ranks[some] = members[starts[:-1][some]]
    return ranks


def _begins(distances: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Where a larger distance begins in a row."""
    begins = np.ones(distances.shape, bool)
    begins[:, 1:] = distances[:, 1:] > distances[:, :-1]
    return begins


def _words(codes: Codes) -> NDArray[np.uint64]:
    count, length = codes.shape
    padded = np.zeros((count, -(-length // 8) * 8), np.uint8)
    padded[:, :length] = codes
    return padded.view(np.uint64)


def _hashes(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    found = np.zeros(len(words), np.uint64)
    for word in words.T:
        found = (found ^ word) * _MIX
        found ^= found >> np.uint64(29)
    return found


def _is_grouped(words: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> bool:
    """Whether all codes of one hash, which stand together, are the same."""
    same = hashes[1:] == hashes[:-1]
    return bool((words[1:] == words[:-1]).all(axis=1)[same].all())
