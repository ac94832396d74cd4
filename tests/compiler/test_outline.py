"""Names of layers."""

import pytest

from firebit.compiler.outline import layer_names


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([], []),
        (["a", "b.act"], ["a", "b.act"]),
        (["act", "act", "other", "act"], ["act", "act_1", "other", "act_2"]),
        # "act_1" is a step of its own, called before or after.
        (["act", "act", "act_1"], ["act", "act_2", "act_1"]),
        (["act_1", "act", "act", "act_1"], ["act_1", "act", "act_2", "act_1_1"]),
        # The pixels have this name.
        (["input", "input"], ["input_1", "input_2"]),
    ],
)
def test_names_of_calls(calls: list[str], expected: list[str]) -> None:
    assert layer_names(calls) == expected
