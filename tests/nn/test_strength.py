"""Tables of patterns and schedules, by hand."""

import math

import pytest

from firebit.errors import UsageError
from firebit.nn.strength import check_patterns, plain, scheduled, strengths

NAMES = ("act1", "act2", "out")


def test_the_last_pattern_that_matches_counts() -> None:
    assert strengths(NAMES, 0.5, "layer") == dict.fromkeys(NAMES, 0.5)
    assert strengths(NAMES, {"*": 1, "act*": 2, "act1": 3}, "layer") == {"act1": 3.0, "act2": 2.0, "out": 1.0}
    assert strengths(NAMES, {"out": 1}, "layer") == {"out": 1.0}


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "much"])
def test_what_is_no_strength(value: float) -> None:
    with pytest.raises(UsageError, match="Growth strength"):
        strengths(NAMES, {"out": value}, "layer")


def test_patterns_without_a_match_say_what_there_is() -> None:
    for check in (
        lambda: strengths(NAMES, {"conv*": 1.0}, "red thing"),
        lambda: scheduled(NAMES, {"conv*": [(0, 1.0)]}, "red thing"),
        lambda: check_patterns(["conv*"], NAMES, "red thing"),
    ):
        with pytest.raises(UsageError, match=r"'conv\*' matches no red thing") as caught:
            check()
        assert caught.value.remedy == "The layers are: act1, act2, out."


def test_schedules_for_all_or_by_layer() -> None:
    points = [(0, 0.0), (10, 1.0)]
    assert scheduled(NAMES, points, "layer") == points
    assert scheduled(NAMES, None, "layer") == []
    found = scheduled(NAMES, {"act*": points}, "layer")
    assert found == {"act1": points, "act2": points}
    assert plain(found) == {"act1": [[0, 0.0], [10, 1.0]], "act2": [[0, 0.0], [10, 1.0]]}


@pytest.mark.parametrize("points", [[(1, 1.0), (1, 2.0)], [(0, -1.0)], [(0, math.nan)], [(3, 1.0), (2, 1.0)]])
def test_what_is_no_schedule(points: list[tuple[float, float]]) -> None:
    with pytest.raises(UsageError, match="growth schedule"):
        scheduled(NAMES, points, "layer")
