"""Items grouped by code, against sorting all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from firebit.engine.nearest import nearest
from firebit.search.store import distinct
from firebit.search.store.distinct import Distinct, group


def drawn(count: int, length: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 3, (count, length), np.uint8)


def items_of(found: Distinct) -> dict[int, list[int]]:
    """Each item's code, as a number, by position."""
    by_code = {}
    for at, code in enumerate(found.codes):
        members = found.members[found.starts[at] : found.starts[at + 1]].tolist()
        assert members == sorted(members)
        assert found.ranks[at] == (members[0] if members else -1)
        assert all(found.code_of[member] == at for member in members)
        by_code[int.from_bytes(code.tobytes())] = members
    return {code: members for code, members in sorted(by_code.items()) if members}


def by_hand(codes: NDArray[np.uint8], positions: range | list[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for at in positions:
        found.setdefault(int.from_bytes(codes[at].tobytes()), []).append(at)
    return dict(sorted(found.items()))


@given(st.integers(0, 60), st.integers(1, 11), st.integers(0, 99))
def test_every_item_is_with_its_code(count: int, length: int, seed: int) -> None:
    codes = drawn(count, length, seed)
    assert items_of(group(codes)) == by_hand(codes, range(count))


def test_two_codes_of_one_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "_hashes", lambda words: np.zeros(len(words), np.uint64))
    codes = drawn(50, 9, 0)
    assert items_of(group(codes)) == by_hand(codes, range(50))


@given(st.integers(1, 60), st.integers(0, 99))
def test_without_some_with_some_and_rearranged(count: int, seed: int) -> None:
    codes, random = drawn(count, 2, seed), np.random.default_rng(seed)
    whole = group(codes)
    gone = np.flatnonzero(random.random(count) < 0.4)
    kept = np.setdiff1d(np.arange(count), gone)
    assert items_of(whole.without(gone)) == by_hand(codes, kept.tolist())
    assert items_of(whole.chosen(kept)) == by_hand(codes, kept.tolist())
    mixed = whole.arranged(random.permutation(len(whole.codes)))
    assert items_of(mixed) == by_hand(codes, range(count))
    assert items_of(mixed.without(gone).chosen(kept)) == by_hand(codes, kept.tolist())
    again = distinct.distinct(mixed.codes, mixed.members, mixed.starts, count)
    assert items_of(again) == by_hand(codes, range(count))


@given(st.integers(1, 80), st.integers(1, 3), st.integers(1, 12), st.integers(0, 99))
def test_items_of_the_nearest_codes_are_the_nearest_items(count: int, length: int, k: int, seed: int) -> None:
    codes = drawn(count, length, seed)
    items, queries = group(codes), drawn(3, length, seed + 1)
    found = items.expanded(nearest(queries, items.codes, items.ranks, k), k)
    for query, distances, positions in zip(queries, *found, strict=True):
        away = np.unpackbits(codes ^ query, axis=1).sum(axis=1)
        wanted = np.lexsort((np.arange(count), away))[:k]
        assert positions[positions >= 0].tolist() == wanted.tolist()
        assert distances[positions >= 0].tolist() == away[wanted].tolist()


@pytest.mark.parametrize(
    ("members", "starts"),
    [([0, 1], [0, 1]), ([0, 1], [0, 2, 1]), ([0, 1], [1, 1, 2]), ([0, 2], [0, 1, 2]), ([-1, 0], [0, 1, 2])],
)
def test_what_does_not_go_together(members: list[int], starts: list[int]) -> None:
    with pytest.raises(ValueError, match="together"):
        distinct.distinct(np.zeros((2, 1), np.uint8), np.array(members), np.array(starts), 2)
