"""When growth waits, by hand, and that a resumed hold says the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.train.hold import WINDOW, Hold


def test_by_hand() -> None:
    # Means of the last two: 2, 1, 1.25, 2, 1.25, 0.5, 1; the lowest is 1 and then 0.5, the bound 1.5 and then 0.75.
    hold = Hold(0.5, window=2)
    losses = [2.0, 2.0, 0.0, 2.5, 1.5, 1.0, 0.0, 2.0]
    assert [hold.grows_after(loss) for loss in losses] == [True, True, True, True, False, True, True, False]
    assert (hold.held, hold.lowest) == (2, 0.5)


def test_there_is_no_hold_before_there_is_a_mean() -> None:
    hold = Hold(0.1)
    assert all(hold.grows_after(10.0**step) for step in range(WINDOW - 1))
    assert hold.held == 0


def test_the_mean_is_over_a_hundred_steps() -> None:
    hold = Hold(0.1)
    for _ in range(WINDOW):
        hold.grows_after(1.0)
    # 100 losses of 1 and so many of 2: the mean passes 1.1 with the eleventh.
    assert [hold.grows_after(2.0) for _ in range(11)] == [True] * 10 + [False]


def test_a_mean_at_the_bound_does_not_hold() -> None:
    hold = Hold(0.5, window=1)
    assert [hold.grows_after(loss) for loss in (1.0, 1.5, 1.5000001)] == [True, True, False]


@pytest.mark.parametrize("limit", [0.01, 0.2])
@given(losses=st.lists(st.floats(0, 10), min_size=1, max_size=30), at=st.integers(0, 30))
def test_the_state_survives_json_and_goes_on(limit: float, losses: list[float], at: int) -> None:
    whole, first, second = (Hold(limit, window=3) for _ in range(3))
    expected = [whole.grows_after(loss) for loss in losses]
    found = [first.grows_after(loss) for loss in losses[:at]]
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    assert found + [second.grows_after(loss) for loss in losses[at:]] == expected
    assert second.state_dict() == whole.state_dict()
