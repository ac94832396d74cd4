"""Inverted lists: what they hold, and what their self-check says."""

import numpy as np
import pytest
from numpy.typing import NDArray

from firebit.engine.nearest import nearest
from firebit.search.store import lists
from firebit.search.store.distinct import group


def clustered(count: int, clusters: int = 40, flips: float = 0.02) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (clusters, 128))[random.integers(0, clusters, count)]
    return np.packbits(bits ^ (random.random(bits.shape) < flips), axis=1, bitorder="little")


def recall(codes: NDArray[np.uint8], queries: NDArray[np.uint8], target: float, k: int = 10) -> tuple[float, int]:
    items, made = lists.build(group(codes), target)
    probes = made.probes_for(k)
    exact = nearest(queries, items.codes, items.ranks, k)
    found = made.search(items, queries, probes or len(made.centres), k)
    return float((found.distances <= exact.distances[:, -1:]).mean()), probes


def test_every_code_is_in_one_list_that_of_its_nearest_centre() -> None:
    items, made = lists.build(group(clustered(3000)), 0.9)
    assert made.offsets[0] == 0 and made.offsets[-1] == len(items.codes)
    own = np.repeat(np.arange(len(made.centres)), np.diff(made.offsets))
    away = np.unpackbits(items.codes[:, None] ^ made.centres, axis=2).sum(axis=2)
    assert (away[np.arange(len(own)), own] == away.min(axis=1)).all()
    assert sorted(items.members.tolist()) == list(range(3000))


def test_queries_that_were_not_seen_reach_the_target() -> None:
    codes = clustered(21_000)
    measured, probes = recall(codes[:20_000], codes[-1000:], 0.95)
    assert 0 < probes < 50
    assert measured >= 0.95


def test_a_higher_target_takes_more_lists() -> None:
    codes = clustered(8000, 40, 0.1)
    assert recall(codes[:7800], codes[7800:], 0.5)[1] < recall(codes[:7800], codes[7800:], 0.999)[1]


def test_random_codes_have_no_lists_worth_it() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (4000, 32), np.uint8)
    _, made = lists.build(group(codes), 0.99)
    assert made.probes == (0, 0)
    assert made.probes_for(10) == 0


def test_the_majority_of_every_bit() -> None:
    codes = np.array([[0b011], [0b001], [0b111], [0b100], [0b010]], np.uint8)
    assert lists._majorities(codes, np.array([3, 0, 2])).tolist() == [[0b011], [0], [0]]


@pytest.mark.parametrize("count", [1, 2, 5, 100])
def test_few_codes(count: int) -> None:
    codes = clustered(count)
    items, made = lists.build(group(codes), 0.99)
    found = made.search(items, codes, len(made.centres), 1)
    assert (found.distances == 0).all()


def test_more_hits_than_were_checked_for_are_not_sought_in_lists() -> None:
    _, made = lists.build(group(clustered(3000)), 0.5)
    assert made.probes_for(100) > 0
    assert made.probes_for(101) == 0
