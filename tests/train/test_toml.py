"""Plain values as TOML that reads back as the same."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from firebit.train.toml import quoted, to_toml

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
