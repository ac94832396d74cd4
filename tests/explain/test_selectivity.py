"""Statistics against SciPy, against figures computed by hand, and on data where there is nothing to find."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, chi2_contingency, false_discovery_control, hypergeom

from firebit.errors import DataError, UsageError
from firebit.explain import Firing, selectivity
from firebit.explain.selectivity import bounds, mutual_information

Matrix = Callable[..., Firing]


def test_bounds_of_all_and_of_none() -> None:
    lower, upper = bounds(np.array([50, 0, 1300]), np.array([50, 50, 1300]), 0.95)
    # Of all, 0.05 = p^n.
    assert lower == pytest.approx([0.05 ** (1 / 50), 0, 0.05 ** (1 / 1300)])
    assert lower[0] == pytest.approx(0.9418, abs=1e-4)
    assert upper == pytest.approx([1, 1 - 0.05 ** (1 / 50), 1])


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.5, 0.999))
def test_bounds_are_clopper_and_pearsons(one: int, other: int, confidence: float) -> None:
    fired, pictures = min(one, other), max(one, other)
    lower, upper = bounds(np.array(fired), np.array(pictures), confidence)
    expected = beta.ppf(1 - confidence, fired, pictures - fired + 1) if fired else 0
    assert float(lower) == pytest.approx(expected, rel=1e-6)
    expected = beta.ppf(confidence, fired + 1, pictures - fired) if fired < pictures else 1
    assert float(upper) == pytest.approx(expected, rel=1e-6)


def test_q_values_are_benjamini_and_hochbergs_over_the_whole_matrix(matrix: Matrix) -> None:
    counts, sizes = [[20, 3], [9, 5], [2, 4]], [20, 20, 10]
    found = selectivity(matrix(counts, sizes))
    k, n, fired = np.array(counts), np.array(sizes)[:, None], np.array([31, 12])
    p = np.stack([hypergeom.sf(k - 1, 50, fired, n), hypergeom.cdf(k, 50, fired, n)])
    expected = false_discovery_control(p.reshape(-1)).reshape(2, 3, 2)
    np.testing.assert_allclose(found.q_more, expected[0], rtol=1e-9)
    np.testing.assert_allclose(found.q_less, expected[1], rtol=1e-9)


def test_a_class_that_always_fires_a_unit_that_nearly_always_does_is_not_positive(matrix: Matrix) -> None:
    # 10 pictures that all fire prove little where 95 % of all do; they prove much where 30 % do.
    found = selectivity(matrix([[10, 10], [940, 290]], [10, 990]))
    assert found.positive.tolist() == [[False, True], [False, False]]


def test_positive_and_negative_classes_with_what_they_prove(matrix: Matrix) -> None:
    found = selectivity(matrix([[40], [0], [21], [0]], [40, 40, 40, 0], ("all", "none", "half", "empty")))
    (positive,), (negative,) = found.positives(0), found.negatives(0)
    assert (positive.name, positive.index, positive.fired, positive.pictures) == ("all", 0, 40, 40)
    assert positive.bound == pytest.approx(0.05 ** (1 / 40))
    assert (negative.name, negative.fired, negative.pictures) == ("none", 0, 40)
    assert negative.bound == pytest.approx(1 - 0.05 ** (1 / 40))
    assert positive.q < 1e-6
    assert found.q_more[3, 0] == found.q_less[3, 0] == 1


def test_a_share_below_one_takes_more_classes(matrix: Matrix) -> None:
    firing = matrix([[36], [35], [4], [5]], [40, 40, 40, 40])
    assert not selectivity(firing).positive.any()
    found = selectivity(firing, share=0.9)
    assert found.positive[:, 0].tolist() == [True, False, False, False]
    assert found.negative[:, 0].tolist() == [False, False, True, False]


def test_mutual_information_is_the_g_statistic_without_its_bias() -> None:
    counts, sizes = np.array([[30, 5], [10, 6], [2, 7]]), np.array([40, 20, 15])
    found = mutual_information(counts, sizes)
    for unit in range(2):
        table = np.stack([counts[:, unit], sizes - counts[:, unit]])
        statistic = chi2_contingency(table, correction=False, lambda_="log-likelihood").statistic
        assert found[unit] == pytest.approx((statistic - 2) / (2 * 75 * np.log(2)))


def test_mutual_information_by_hand() -> None:
    # A bit that is the class: one bit of information, less the bias 1 / (2 · 200 · ln 2).
    found = mutual_information(np.array([[100, 50], [0, 50]]), np.array([100, 100]))
    bias = 1 / (400 * np.log(2))
    assert found == pytest.approx([1 - bias, -bias])


def test_information_of_independent_bits_averages_to_nothing_and_stays_in_its_band(matrix: Matrix) -> None:
    rng = np.random.default_rng(1)
    counts = rng.hypergeometric(3000, 7000, 500, (20, 2000))
    # Each class by itself: the sum over classes is not fixed, the expectation is the same.
    found = selectivity(matrix(counts, [500] * 20))
    assert abs(found.information.mean()) < 1e-4
    assert np.mean(found.information > found.information_null) == pytest.approx(0.05, abs=0.02)


def shuffled(rate: float, classes: int, each: int, units: int, seed: int) -> np.ndarray:
    """Counts (C, U) of units that fire for that share of pictures, whatever the class."""
    rng = np.random.default_rng(seed)
    bits = rng.random((classes * each, units)) < rate
    return bits.reshape(classes, each, units).sum(1)


@pytest.mark.parametrize("rate", [0.05, 0.42, 0.9, 0.95])
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_shuffled_labels_give_at_most_one_unit_in_twenty_a_class(matrix: Matrix, rate: float, share: float) -> None:
    counts = shuffled(rate, classes=100, each=20, units=300, seed=5)
    found = selectivity(matrix(counts, [20] * 100), share)
    assert found.positive.any(0).mean() <= 0.05
    assert found.negative.any(0).mean() <= 0.05
    if rate == 0.95:
        # What the bare rule would call positive: the test is no empty one.
        assert (counts == 20).any(0).mean() > 0.99


def test_flags(matrix: Matrix) -> None:
    from dataclasses import replace

    firing = matrix([[0, 5, 3, 3, 2, 1], [0, 5, 1, 1, 4, 1]], [5, 5])
    signatures = np.array([0, 99, 40, 40, 59, 7], np.uint64)
    found = selectivity(replace(firing, signatures=signatures, signature=np.array([99], np.uint64)))
    assert found.flags == ("never fires", "always fires", "", "same as 2", "opposite of 2", "")
    assert found.information[:2].tolist() == [0, 0]
    assert not found.positive[:, :2].any()


def test_units_are_ranked_by_what_they_tell(matrix: Matrix) -> None:
    found = selectivity(matrix([[10, 20, 5], [10, 0, 15]], [20, 20]))
    assert found.ranked().tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    "more", [{"share": 0.5}, {"share": 1.1}, {"level": 0}, {"level": 1}, {"confidence": 0}, {"confidence": 1.0}]
)
def test_numbers_out_of_range(matrix: Matrix, more: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"share|level|confidence"):
        selectivity(matrix([[1], [0]], [2, 2]), **more)


@pytest.mark.parametrize(("sizes", "problem"), [([2, 0], "1 class has"), ([0, 0], "No class has")])
def test_one_class_is_not_enough(matrix: Matrix, sizes: list[int], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        selectivity(matrix([[0], [0]], sizes))
