"""Which units figure 5 shows."""

from dataclasses import replace

import numpy as np

from firebit.explain import Explanation, Firing, Name, selectivity
from firebit.paper.matrix import shown


def explanation(named: set[int]) -> Explanation:
    """Six units, the first telling most; those named have a name. Unit 5 repeats unit 0."""
    counts = np.array([[90, 85, 80, 75, 70, 90], [10] * 6])
    signatures = np.array([1, 2, 3, 4, 5, 1], np.uint64)
    firing = Firing(
        counts, np.array([100, 100]), signatures, np.array([99], np.uint64), ("a", "b"), "fc", (6,), "unit", ""
    )
    name = Name("thing", "positive", 1, 1, 0.01)
    names = tuple((name,) if unit in named else () for unit in range(6))
    return Explanation(selectivity(firing, 0.7), None, (), "here", names)


def test_two_with_a_name_then_two_without() -> None:
    assert shown(explanation({1, 3, 4})) == [1, 3, 0, 2]


def test_without_enough_of_one_kind_there_are_more_of_the_other() -> None:
    assert shown(explanation(set())) == [0, 1, 2, 3]
    assert shown(explanation({0, 1, 2, 3, 4})) == [0, 1, 2, 3]
    assert shown(explanation({4})) == [4, 0, 1, 2]


def test_a_unit_that_repeats_another_is_not_shown() -> None:
    found = explanation({5})
    assert found.found.flags[5] == "same as 0"
    assert 5 not in shown(replace(found))
