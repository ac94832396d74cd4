"""Grids and thresholds: worked examples, and exactness against fractions."""

from fractions import Fraction
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.compiler.grid import LARGEST_WEIGHT, floor_log2, snap, threshold
from firebit.engine.check import LARGEST_SUM


def snapped(rows: list[list[float]], reach: int = 1) -> tuple[list[list[int]], Fraction, float]:
    weights = np.array(rows)
    columns = weights.shape[1]
    found = snap(weights, np.full(columns, LARGEST_WEIGHT), np.full(columns, reach))
    return found.integers.tolist(), found.density, found.change


def test_weights_of_one_size_become_signs() -> None:
    third = 1 / 3
    assert snapped([[third, -third, 0.0, third]]) == ([[1, -1, 0, 1]], 1 / Fraction(third), 0.0)


def test_multiples_of_a_power_of_two_stay_what_they_are() -> None:
    assert snapped([[0.75, -0.25, 0.5]]) == ([[3, -1, 2]], Fraction(4), 0.0)
    assert snapped([[6.0, 12.0, -24.0]]) == ([[1, 2, -4]], Fraction(1, 6), 0.0)
    # 32767 / 2¹⁵ uses the whole range; one step more does not fit a power of two any more.
    assert snapped([[32767 / 32768, 1 / 32768]]) == ([[32767, 1]], Fraction(32768), 0.0)


def test_nothing_but_zeros() -> None:
    assert snapped([[0.0, 0.0]]) == ([[0, 0]], Fraction(1), 0.0)


def test_other_weights_go_to_the_nearest_point_of_the_finest_grid() -> None:
    integers, density, change = snapped([[1.0, -1 / 3]])
    assert (integers, density) == ([[32767, -10922]], Fraction(32767))
    # −1/3 · 32767 = −10922.33
    assert change == pytest.approx((32767 / 3 - 10922) / 32767)


def test_rows_that_share_a_grid() -> None:
    integers, density, _ = snapped([[0.5, 0.25], [0.125, 0.0]])
    assert (integers, density) == ([[4, 2], [1, 0]], Fraction(8))


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=20),
    st.sampled_from([1, 255, 10_000, 2**24]),
)
def test_every_grid_keeps_its_promises(row: list[float], reach: int) -> None:
    weights = np.array([row])
    found = snap(weights, np.full(len(row), LARGEST_WEIGHT), np.full(len(row), reach))
    assert np.abs(found.integers).max() <= LARGEST_WEIGHT
    assert int(np.abs(found.integers).sum()) * reach <= LARGEST_SUM
    exact = [Fraction(int(i)) / found.density - Fraction(w) for i, w in zip(found.integers[0], row, strict=True)]
    largest = max(abs(w) for w in row)
    assert float(max(map(abs, exact))) == pytest.approx(found.change * largest, rel=1e-6, abs=largest * 1e-12)
    # No weight is further from its grid point than half a step, but for the rounding of the density itself.
    assert all(abs(e) * found.density <= Fraction(1, 2) + Fraction(1, 10**6) for e in exact)


@given(st.lists(st.integers(-32767, 32767), min_size=1, max_size=30), st.integers(-60, 60))
def test_sixteen_bit_multiples_of_powers_of_two_are_exact(row: list[int], power: int) -> None:
    weights = np.ldexp(np.array([row], np.float64), power)
    found = snap(weights, np.full(len(row), LARGEST_WEIGHT), np.ones(len(row), np.int64))
    assert found.change == 0
    assert [Fraction(int(i)) / found.density for i in found.integers[0]] == [Fraction(float(w)) for w in weights[0]]


def test_sums_that_would_overflow_get_a_coarser_grid() -> None:
    weights = np.random.default_rng(0).normal(size=(1, 1000))
    reach = np.full(1000, 1000)
    found = snap(weights, np.full(1000, LARGEST_WEIGHT), reach)
    total = int((np.abs(found.integers) * reach).sum())
    assert 0.99 * LARGEST_SUM < total <= LARGEST_SUM


def test_sums_that_overflow_on_every_grid() -> None:
    with pytest.raises(OverflowError):
        snap(np.ones((1, 4)), np.full(4, LARGEST_WEIGHT), np.full(4, 2**30))


@given(st.floats(1e-300, 1e300))
def test_floor_log2(value: float) -> None:
    power = floor_log2(value)
    assert Fraction(2) ** power <= Fraction(value) < Fraction(2) ** (power + 1)


@pytest.mark.parametrize(
    ("wanted", "direction", "scale", "bias", "expected"),
    [
        # ½·s + 1 ≥ 3 from s = 4 on; ≥ 3.1 from 4.2, so from 5 on.
        (3.0, 1, Fraction(1, 2), 1.0, (4, 1)),
        (3.1, 1, Fraction(1, 2), 1.0, (5, 1)),
        # −½·s + 1 ≥ 3 up to s = −4.
        (3.0, 1, Fraction(-1, 2), 1.0, (-4, -1)),
        (3.1, 1, Fraction(-1, 2), 1.0, (-5, -1)),
        (3.0, -1, Fraction(1, 2), 1.0, (4, -1)),
        (3.1, -1, Fraction(1, 2), 1.0, (4, -1)),
        (3.0, -1, Fraction(-1, 2), 1.0, (-4, 1)),
        # Without a sum the bias decides: 1 ≥ 1 always, 1 ≥ 2 never.
        (1.0, 1, Fraction(0), 1.0, (-10, 1)),
        (2.0, 1, Fraction(0), 1.0, (11, 1)),
        (1.0, -1, Fraction(0), 1.0, (10, -1)),
        (0.5, -1, Fraction(0), 1.0, (-11, -1)),
        (inf, 1, Fraction(1), 0.0, (11, 1)),
        (-inf, 1, Fraction(1), 0.0, (-10, 1)),
        (inf, 1, Fraction(-1), 0.0, (-11, -1)),
        (inf, -1, Fraction(1), 0.0, (10, -1)),
        (5.0, 0, Fraction(1), 0.0, (0, 0)),
        # Out of reach of −10 … 10.
        (100.0, 1, Fraction(1), 0.0, (11, 1)),
        (-100.0, 1, Fraction(1), 0.0, (-10, 1)),
        (100.0, -1, Fraction(1), 0.0, (10, -1)),
        (-100.0, -1, Fraction(1), 0.0, (-11, -1)),
    ],
)
def test_thresholds_by_hand(
    wanted: float, direction: int, scale: Fraction, bias: float, expected: tuple[int, int]
) -> None:
    assert threshold(wanted, direction, scale, bias, 10) == expected


@given(
    st.floats(-20, 20),
    st.sampled_from([-1, 0, 1]),
    st.fractions(-3, 3, max_denominator=7),
    st.floats(-20, 20),
    st.integers(0, 12),
)
def test_integers_fire_where_real_numbers_do(
    wanted: float, direction: int, scale: Fraction, bias: float, bound: int
) -> None:
    place, turned = threshold(wanted, direction, scale, bias, bound)
    assert abs(place) <= bound + 1
    for s in range(-bound, bound + 1):
        value = scale * s + Fraction(bias)
        real = value >= Fraction(wanted) if direction > 0 else value <= Fraction(wanted) if direction < 0 else True
        assert (s >= place if turned > 0 else s <= place if turned < 0 else True) == real
