"""Plain values as TOML that reads back as the same, and values set in a tree."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.errors import UsageError
from firebit.train.toml import quoted, set_value, to_toml

text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.booleans() | st.integers(-(2**63), 2**63 - 1) | text | st.floats(allow_nan=False, allow_infinity=False)
keys = st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True)


@given(text)
def test_quoted_text_and_back(value: str) -> None:
    assert tomllib.loads(f"x = {quoted(value)}") == {"x": value}


def test_plain_values_come_before_tables() -> None:
    tree = {"net": {"name": "lenet", "width": 0.5}, "seed": 3, "layers": ("a", "b"), "deep": True}
    assert to_toml(tree) == 'seed = 3\nlayers = ["a", "b"]\ndeep = true\n\n[net]\nname = "lenet"\nwidth = 0.5\n'


@given(st.dictionaries(keys, values | st.lists(values) | st.dictionaries(keys, values)))
def test_a_tree_returns(tree: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(tree)) == tree


def test_values_are_set_in_tables_that_are_there_or_not() -> None:
    tree: dict[str, object] = {"seed": 1, "net": {"name": "lenet", "width": 2}}
    for override in ("seed=3", "net.width = 0.5", "a.b.c=[1, 'x']", "data=./with space"):
        set_value(tree, override)
    net = {"name": "lenet", "width": 0.5}
    assert tree == {"seed": 3, "net": net, "a": {"b": {"c": [1, "x"]}}, "data": "./with space"}


@pytest.mark.parametrize("override", ["seed", "=3", "phase1.=3", ".epochs=3", "", "phase1..epochs=1"])
def test_what_is_no_override(override: str) -> None:
    with pytest.raises(UsageError, match="is not key=value") as caught:
        set_value({}, override)
    assert "--set phase1.epochs=5" in caught.value.remedy
