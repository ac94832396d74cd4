"""Axes: places and round numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.web.axis import Axis, decades, spanning, written


def test_places_lie_between_the_ends() -> None:
    axis = Axis(0, 10, 100, 200)
    assert [axis.place(n) for n in (0, 2.5, 10)] == [100, 125, 200]
    down = Axis(0, 10, 200, 100)
    assert down.place(2.5) == 175


def test_a_logarithmic_axis_has_equal_room_for_equal_factors() -> None:
    axis = Axis(1, 100, 0, 10, logarithmic=True)
    assert axis.place(10) == pytest.approx(5)
    assert axis.ticks(9) == [1, 2, 5, 10, 20, 50, 100]
    assert axis.ticks(5) == [1, 3, 10, 30, 100]
    assert axis.ticks(3) == [1, 10, 100]


@pytest.mark.parametrize(
    ("values", "ends", "ticks"),
    [
        ((38, 81.5), (30, 90), [30, 40, 50, 60, 70, 80, 90]),
        ((0, 1), (0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ((5, 5), (2, 8), [2, 3, 4, 5, 6, 7, 8]),
        ((0, 0), (-0.6, 0.6), [-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6]),
    ],
)
def test_round_ends(values: tuple[float, float], ends: tuple[float, float], ticks: list[float]) -> None:
    axis = spanning(values, 0, 1)
    assert (axis.low, axis.high) == pytest.approx(ends)
    assert axis.ticks() == pytest.approx(ticks)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5))
def test_every_number_lies_within(values: list[float]) -> None:
    axis = spanning(values, 10, 20)
    assert all(10 - 1e-6 <= axis.place(value) <= 20 + 1e-6 for value in values)
    assert 1 <= len(axis.ticks()) <= 9


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=5))
def test_every_number_lies_within_a_logarithmic_axis(values: list[float]) -> None:
    axis = decades(values, 0, 1)
    assert all(0 < axis.place(value) < 1 for value in values)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2 + 0.1, "0.3"), (1000, "1,000"), (-5, "−5"), (2_500_000, "2.5e+06"), (0, "0")],
)
def test_numbers_as_they_are_written(value: float, text: str) -> None:
    assert written(value) == text
