"""Inverted lists over distinct codes: a search looks into the lists whose centres are nearest.

How many lists is found by a self-check: some stored codes are searched for, and what lists find is compared with what
an exact scan finds, all codes of the smallest distances counting alike.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firebit.engine.nearest import NO_LIMIT, Nearest, nearest, nearest_in_lists
from firebit.search.codes import Codes
from firebit.search.store.distinct import Distinct

_ROUNDS = 8
_SAMPLE_PER_LIST = 64
_ASSIGNED_AT_ONCE = 1 << 18
CHECKED_QUERIES = 400
CHECKED_DEPTHS = (10, 100)
"""Numbers of hits that the self-check tunes for."""


@dataclass(frozen=True, eq=False)
class Lists:
    """Distinct codes in lists, and how many of them to look into.

    Attributes:
        centres: uint8 (lists, bytes).
        offsets: int64 (lists + 1,): list l holds the codes offsets[l] … offsets[l + 1] − 1.
        probes: for each of :data:`CHECKED_DEPTHS` how many lists to look into, 0 where no number is worth it: a scan
            of everything is then as quick, or more exact.
        recalls: for each, the recall that the self-check measured with that many; 1 where it is 0.
    """

    centres: Codes
    offsets: NDArray[np.int64]
    probes: tuple[int, ...]
    recalls: tuple[float, ...]

    @cached_property
    def _ranks(self) -> NDArray[np.int64]:
        return np.arange(len(self.centres))

    def probes_for(self, k: int) -> int:
        """How many lists to look into for k hits; 0: scan everything."""
        return next((probes for depth, probes in zip(CHECKED_DEPTHS, self.probes, strict=True) if k <= depth), 0)

    def search(self, items: Distinct, queries: Codes, probes: int, k: int, limit: int = NO_LIMIT) -> Nearest:
        """The k nearest distinct codes in the nearest lists."""
        seen = nearest(queries, self.centres, self._ranks, min(probes, len(self.centres))).ranks
        return nearest_in_lists(queries, items.codes, items.ranks, self.offsets, seen, k, limit)


def build(items: Distinct, target: float, seed: int = 0) -> tuple[Distinct, Lists]:
    """Put distinct codes into lists, and check how many lists a search must look into.

    Args:
        items: at least one.
        target: the recall to reach, 0 < target ≤ 1.
        seed: of the sample of codes.

    Returns:
        The items in the order of the lists, and the lists.
    """
    random = np.random.default_rng(seed)
    # Centres fit a cache and are compared more quickly than codes: rather more lists than √distinct.
    count = 1 << max(0, round(np.log2(max(1, len(items.codes))) / 2 + 1))
    centres = _centres(items.codes, count, random)
    lists = _assigned(items.codes, centres)
    arranged = items.arranged(np.argsort(lists, kind="stable"))
    offsets = np.concatenate(([0], np.cumsum(np.bincount(lists, minlength=len(centres)))))
    untuned = Lists(centres, offsets, (0,) * len(CHECKED_DEPTHS), (1.0,) * len(CHECKED_DEPTHS))
    tuned = [_tuned(arranged, untuned, depth, target, random) for depth in CHECKED_DEPTHS]
    return arranged, Lists(centres, offsets, tuple(each[0] for each in tuned), tuple(each[1] for each in tuned))


def _centres(codes: Codes, count: int, random: np.random.Generator) -> Codes:
    """k-means in Hamming space: a centre has the bits that most of its codes have."""
    sample = codes[_some(len(codes), count * _SAMPLE_PER_LIST, random)]
    centres = sample[_some(len(sample), count, random)]
    for _ in range(_ROUNDS):
        lists = _assigned(sample, centres)
        order = np.argsort(lists, kind="stable")
        sizes = np.bincount(lists, minlength=len(centres))
        centres = _majorities(sample[order], sizes)
        empty = np.flatnonzero(sizes == 0)
        centres[empty] = sample[_some(len(sample), len(empty), random)]
    return centres


def _majorities(codes: Codes, sizes: NDArray[np.int64]) -> Codes:
    """Of codes that stand list by list, the majority of each bit in each list; 0 in a tie, and in an empty list."""
    centres = np.zeros((len(sizes), codes.shape[1]), np.uint8)
    filled = np.flatnonzero(sizes)
    starts = (np.cumsum(sizes) - sizes)[filled]
    for at in range(codes.shape[1]):
        bits = np.unpackbits(codes[:, at, None], axis=1, bitorder="little")
        ones = np.add.reduceat(bits, starts, axis=0, dtype=np.int64)
        centres[filled, at] = np.packbits(2 * ones > sizes[filled, None], axis=1, bitorder="little")[:, 0]
    return centres


def _assigned(codes: Codes, centres: Codes) -> NDArray[np.int64]:
    """The nearest centre of each code, of equal ones the first."""
    ranks = np.arange(len(centres))
    parts = range(0, len(codes), _ASSIGNED_AT_ONCE)
    return np.concatenate([nearest(codes[at : at + _ASSIGNED_AT_ONCE], centres, ranks, 1).ranks[:, 0] for at in parts])


def _some(count: int, wanted: int, random: np.random.Generator) -> NDArray[np.int64]:
    """At most `wanted` different indices below `count`, in no order."""
    return random.choice(count, min(count, wanted), replace=False)


def _tuned(items: Distinct, lists: Lists, depth: int, target: float, random: np.random.Generator) -> tuple[int, float]:
    """The fewest lists, and the recall there, with which the target is reached with some certainty."""
    queries = items.codes[_some(len(items.codes), CHECKED_QUERIES, random)]
    # A code finds itself at once in its own list; that says nothing of others, and does not count.
    exact = nearest(queries, items.codes, items.ranks, depth + 1)
    enough = exact.ranks[:, 1:] >= 0
    probes, low = 1, 0
    measured: dict[int, tuple[bool, float]] = {}

    def reaches(count: int) -> bool:
        found = lists.search(items, queries, count, depth + 1)
        hits = (found.ranks[:, 1:] >= 0) & (found.distances[:, 1:] <= exact.distances[:, -1:]) & enough
        shares = hits.sum(axis=1) / np.maximum(1, enough.sum(axis=1))
        recall, doubt = float(shares.mean()), float(shares.std() / np.sqrt(len(shares)))
        measured[count] = recall - doubt >= target, recall
        return measured[count][0]

    while not reaches(probes):
        low, probes = probes, 2 * probes
        if not _pays(items, lists, probes):
            return 0, 1.0
    while probes - low > max(1, probes // 8):
        middle = (low + probes) // 2
        low, probes = (low, middle) if reaches(middle) else (middle, probes)
    return probes, measured[probes][1]


def _pays(items: Distinct, lists: Lists, probes: int) -> bool:
    """Whether looking into so many lists compares less than half of what a scan of everything does."""
    count = len(lists.centres)
    return count + probes * len(items.codes) / count < len(items.codes) / 2
