"""Figures of rankings against hand-computed values and the mean over every order of ties."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from firebit.errors import UsageError
from firebit.search.evaluate.counts import Counts
from firebit.search.evaluate.ranking import (
    average_precision,
    empty_within,
    precision_at,
    precision_recall,
    precision_within,
)


def counts(distances: list[int], relevant: list[int], bits: int = 4) -> Counts:
    """Counts of one query, from the distance of each code and whether it is relevant."""
    away, right = np.array(distances), np.array(relevant, bool)
    total = np.bincount(away, minlength=bits + 1)[None]
    return Counts(total, np.bincount(away[right], minlength=bits + 1)[None], len(away))


def ranked_precision(right: list[int], cutoff: int | None) -> float:
    """AP@K of a ranking without ties, as its definition says."""
    first = right[:cutoff]
    precisions = [sum(first[: at + 1]) / (at + 1) for at, each in enumerate(first) if each]
    return sum(precisions) / len(precisions) if precisions else 0.0


def orders(distances: list[int], relevant: list[int]) -> list[list[int]]:
    """Every ranking that sorts by distance, as lists of 0 and 1."""
    every = permutations(range(len(distances)))
    return [[relevant[i] for i in order] for order in every if sorted(distances) == [distances[i] for i in order]]


small = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=6)


@given(small, st.none() | st.integers(1, 7))
def test_average_precision_is_the_mean_over_all_orders_of_ties(
    codes: list[tuple[int, int]], cutoff: int | None
) -> None:
    distances, relevant = [d for d, _ in codes], [r for _, r in codes]
    expected = np.mean([ranked_precision(order, cutoff) for order in orders(distances, relevant)])
    assert average_precision(counts(distances, relevant), cutoff)[0] == pytest.approx(expected, abs=1e-12)


@given(small, st.integers(1, 6))
def test_precision_at_n_is_the_mean_over_all_orders_of_ties(codes: list[tuple[int, int]], place: int) -> None:
    distances, relevant = [d for d, _ in codes], [r for _, r in codes]
    place = min(place, len(codes))
    expected = np.mean([np.mean(order[:place]) for order in orders(distances, relevant)])
    assert precision_at(counts(distances, relevant), np.array([place]))[0, 0] == pytest.approx(expected, abs=1e-12)


def test_average_precision_by_hand() -> None:
    # Right at places 1 and 3: (1 + 2/3) / 2.
    assert average_precision(counts([0, 1, 2, 3], [1, 0, 1, 0]))[0] == pytest.approx(5 / 6)
    # One tie of two, one of them right: first or second, (1 + 1/2) / 2.
    assert average_precision(counts([1, 1], [1, 0]))[0] == pytest.approx(3 / 4)
    # The first of that tie alone: right in half of the orders, and then AP@1 = 1.
    assert average_precision(counts([1, 1], [1, 0]), 1)[0] == pytest.approx(1 / 2)


def test_average_precision_is_0_without_anything_relevant_and_1_with_nothing_else() -> None:
    assert average_precision(counts([0, 1, 1], [0, 0, 0]))[0] == 0
    assert average_precision(counts([0, 1, 1, 1], [1, 1, 1, 1]), 3)[0] == pytest.approx(1)


def test_average_precision_of_large_ties_agrees_with_shuffled_rankings() -> None:
    random = np.random.default_rng(0)
    away, right = random.integers(0, 3, 3000), random.integers(0, 2, 3000)
    shuffled = []
    for _ in range(200):
        order = random.permutation(3000)
        order = order[np.argsort(away[order], kind="stable")]
        shuffled.append(_quick(right[order][:1500]))
    found = average_precision(counts(away.tolist(), right.tolist()), 1500)[0]
    error = np.std(shuffled) / np.sqrt(len(shuffled))
    assert abs(found - np.mean(shuffled)) < 4 * error


def _quick(right: NDArray[np.int64]) -> float:
    return float((np.cumsum(right) / np.arange(1, len(right) + 1))[right == 1].mean())


def test_precision_within_a_radius_is_0_where_the_ball_is_empty() -> None:
    near, far = counts([1, 2, 2, 4], [1, 0, 1, 1]), counts([3, 4], [1, 1])
    assert precision_within(near, 2)[0] == pytest.approx(2 / 3)
    assert precision_within(far, 2)[0] == 0
    assert (empty_within(near, 2), empty_within(far, 2)) == (0.0, 1.0)


def test_precision_and_recall_by_radius() -> None:
    precision, recall = precision_recall(counts([1, 2, 2, 4], [1, 0, 1, 1]))
    np.testing.assert_allclose(precision, [0, 1, 2 / 3, 2 / 3, 3 / 4])
    np.testing.assert_allclose(recall, [0, 1 / 3, 2 / 3, 2 / 3, 1])


def test_recall_is_that_of_queries_with_anything_to_find() -> None:
    both = Counts(np.array([[1, 1], [2, 0]]), np.array([[0, 1], [0, 0]]), 2)
    precision, recall = precision_recall(both)
    np.testing.assert_allclose(recall, [0, 1])
    np.testing.assert_allclose(precision, [0, 1 / 4])


def test_more_hits_than_there_are_count_as_all() -> None:
    found = counts([0, 1], [1, 0])
    assert precision_at(found, np.array([9]))[0, 0] == pytest.approx(1 / 2)
    assert average_precision(found, 9)[0] == average_precision(found)[0]


def test_cutoffs_and_radii_out_of_range_are_refused() -> None:
    found = counts([0], [1])
    with pytest.raises(UsageError, match="Cutoff 0"):
        average_precision(found, 0)
    with pytest.raises(UsageError, match="Cutoff 0"):
        precision_at(found, np.array([0]))
    with pytest.raises(UsageError, match="radius=-1"):
        precision_within(found, -1)
