"""The codes nearest to a query: against sorting all pairs, on every instruction set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from firebit.engine import native
from firebit.engine.nearest import LONGEST_CODE, NO_LIMIT, Nearest, nearest, nearest_in_lists
from firebit.errors import UsageError

Found = list[list[tuple[int, int]]]

# Every length with a way of its own, and some without.
LENGTHS = (1, 3, 4, 6, 8, 11, 16, 32, 40, 64, 128, 200)


def expected(
    queries: NDArray[np.uint8], codes: NDArray[np.uint8], ranks: NDArray[np.int64], k: int, limit: int = NO_LIMIT
) -> Found:
    """Pairs (distance, rank) in order, by counting bits one by one."""
    rows = []
    for query in queries:
        bits = np.unpackbits(codes ^ query, axis=1).sum(axis=1).tolist()
        pairs = sorted((d, r) for d, r in zip(bits, ranks.tolist(), strict=True) if r >= 0 and d <= limit)
        rows.append(pairs[:k])
    return rows


def pairs(found: Nearest) -> Found:
    rows = zip(found.distances.tolist(), found.ranks.tolist(), strict=True)
    kept = [[(d, r) for d, r in zip(*row, strict=True) if r >= 0] for row in rows]
    # What nothing fills stands at the end.
    assert all((row[len(pair) :] == -1).all() for row, pair in zip(found.ranks, kept, strict=True))
    return kept


@pytest.fixture(params=native.instruction_sets())
def instruction_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FIREBIT_ISA", request.param)
    return str(request.param)


def drawn(length: int, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    """Few different bytes, so that distances tie; ranks in no order, some of them −1."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, (count, length), np.uint8)
    ranks = random.permutation(count) * 7
    ranks[random.random(count) < 0.2] = -1
    return random.integers(0, 3, (5, length), np.uint8), codes, ranks


@pytest.mark.parametrize("length", LENGTHS)
def test_what_comes_first_by_distance_and_rank(length: int, instruction_set: str) -> None:
    queries, codes, ranks = drawn(length, 301, length)
    for k in (1, 3, 10, 400):
        assert pairs(nearest(queries, codes, ranks, k)) == expected(queries, codes, ranks, k)


@pytest.mark.parametrize("limit", [0, 1, 5, 8 * 32, NO_LIMIT])
def test_nothing_farther_than_the_limit(limit: int, instruction_set: str) -> None:
    queries, codes, ranks = drawn(32, 200, 1)
    queries[0] = codes[np.flatnonzero(ranks >= 0)[0]]
    assert pairs(nearest(queries, codes, ranks, 20, limit)) == expected(queries, codes, ranks, 20, limit)


@pytest.mark.parametrize("length", [6, 32])
def test_in_lists_only_their_codes_count(length: int, instruction_set: str) -> None:
    queries, codes, ranks = drawn(length, 203, 2)
    offsets = np.array([0, 50, 50, 120, 203])
    lists = np.array([[3, 1], [0, 2], [1, 0], [2, 3], [0, 3]])
    found = pairs(nearest_in_lists(queries, codes, ranks, offsets, lists, 10))
    for query, seen, row in zip(queries, lists, found, strict=True):
        at = np.concatenate([np.arange(offsets[each], offsets[each + 1]) for each in seen])
        assert row == expected(query[None], codes[at], ranks[at], 10)[0]


@given(st.integers(1, 70), st.integers(0, 60), st.integers(1, 20), st.integers(0, 100))
def test_any_sizes(length: int, count: int, k: int, seed: int) -> None:
    queries, codes, ranks = drawn(length, count, seed)
    assert pairs(nearest(queries, codes, ranks, k)) == expected(queries, codes, ranks, k)


def test_no_codes_and_no_queries(instruction_set: str) -> None:
    none, ranks = np.empty((0, 4), np.uint8), np.empty(0, np.int64)
    assert nearest(np.ones((2, 4), np.uint8), none, ranks, 3).ranks.tolist() == [[-1] * 3] * 2
    assert nearest(none, np.ones((2, 4), np.uint8), np.arange(2), 3).ranks.shape == (0, 3)


def test_the_largest_rank_and_the_longest_code(instruction_set: str) -> None:
    codes = np.zeros((2, LONGEST_CODE), np.uint8)
    codes[1] = 255
    found = nearest(codes[:1], codes, np.array([2**43 - 1, 2**43 - 2]), 2)
    assert pairs(found) == [[(0, 2**43 - 1), (8 * LONGEST_CODE, 2**43 - 2)]]


@pytest.mark.parametrize(
    ("queries", "codes", "ranks", "k"),
    [((1, 4), (3, 5), 3, 1), ((1, 4), (3, 4), 2, 1), ((4,), (3, 4), 3, 1), ((1, 4), (3, 4), 3, 0)],
)
def test_what_does_not_go_together(queries: tuple[int, ...], codes: tuple[int, ...], ranks: int, k: int) -> None:
    with pytest.raises(UsageError):
        nearest(np.zeros(queries, np.uint8), np.zeros(codes, np.uint8), np.zeros(ranks, np.int64), k)


def test_codes_that_are_too_long() -> None:
    codes = np.zeros((1, LONGEST_CODE + 1), np.uint8)
    with pytest.raises(UsageError, match="too long"):
        nearest(codes, codes, np.zeros(1, np.int64), 1)


@pytest.mark.skipif(native.instruction_sets() == ("numpy",), reason="no native code is built")
@pytest.mark.parametrize(
    ("offsets", "lists"), [([0, 9], [[0]]), ([0, 2, 1], [[0]]), ([-1, 2], [[0]]), ([0, 2], [[1]]), ([0, 2], [[-1]])]
)
def test_native_code_reads_no_list_that_is_not_there(offsets: list[int], lists: list[list[int]]) -> None:
    codes = np.zeros((2, 4), np.uint8)
    with pytest.raises(ValueError, match=r"offsets|list"):
        nearest_in_lists(codes[:1], codes, np.arange(2), np.array(offsets), np.array(lists), 1)
