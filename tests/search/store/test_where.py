"""Filters, against Python's own comparisons, in SQLite."""

import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.errors import UsageError
from firebit.search.store import where

PAYLOADS: list[dict[str, Any]] = [
    {},
    {"label": 3, "name": "a'b", "tags": ["x", "y"]},
    {"label": 3.0, "name": "é"},
    {"label": 5, "name": "b\n", "tags": []},
    {"label": "3", "name": None, "tags": {"x": "x"}},
    {"label": True, "name": "", "tags": "x"},
    {"label": None, "a b'c": 1, "tags": [1, True, None]},
    {"label": -7, "name": "a", "tags": [2.5]},
]


def ask(filter_: object) -> list[int]:
    """Which payloads SQLite finds."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE items (key INTEGER PRIMARY KEY, payload TEXT)")
    connection.executemany("INSERT INTO items VALUES (?, ?)", enumerate(map(json.dumps, PAYLOADS)))
    condition = where.sql(where.parse(filter_))
    rows = connection.execute(f"SELECT key FROM items WHERE {condition.text} ORDER BY key", condition.parameters)
    return [row[0] for row in rows]


def is_number(value: object) -> bool:
    return isinstance(value, int | float)


def holds(condition: where.Filter, payload: dict[str, Any]) -> bool:
    """The meaning of a filter."""
    if isinstance(condition, where.Group):
        parts = [holds(part, payload) for part in condition.parts]
        return not parts[0] if condition.kind == "not" else all(parts) if condition.kind == "and" else any(parts)
    found, values = payload.get(condition.field), condition.values
    operator = condition.operator
    if operator == "contains":
        return isinstance(found, list) and values[0] in found
    if isinstance(found, list | dict):
        found = json.dumps(found, separators=(",", ":"))
    if operator in ("eq", "in"):
        return found in values
    if operator == "ne":
        return found != values[0]
    alike = (is_number(found) and is_number(values[0])) or (isinstance(found, str) and isinstance(values[0], str))
    value: Any = values[0]
    order = {"lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__"}[operator]
    return alike and found is not None and getattr(type(found + value)(found), order)(type(found + value)(value))


numbers_and_text = st.sampled_from([3, 5, 3.5, -7, 0, "3", "a", "a'b", "é", "x", ""])
values = st.one_of(numbers_and_text, st.booleans(), st.none())
fields = st.sampled_from(["label", "name", "tags", "a b'c", "absent"])
said = st.one_of(
    values,
    st.fixed_dictionaries({"in": st.lists(values, max_size=4)}),
    st.fixed_dictionaries({"ne": values}),
    *(st.fixed_dictionaries({operator: numbers_and_text}) for operator in (*where.COMPARISONS, "contains")),
)
filters = st.recursive(
    st.dictionaries(fields, said, max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"and": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"or": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=6,
)


@given(filters)
def test_sqlite_finds_what_the_filter_means(filter_: dict[str, Any]) -> None:
    meant = where.parse(filter_)
    assert ask(filter_) == [at for at, payload in enumerate(PAYLOADS) if holds(meant, payload)]


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({}, list(range(8))),
        ({"label": 3}, [1, 2]),
        ({"label": "3"}, [4]),
        ({"label": None}, [0, 6]),
        ({"label": {"ne": 3}}, [0, 3, 4, 5, 6, 7]),
        ({"label": {"in": [5, None]}}, [0, 3, 6]),
        ({"label": {"in": []}}, []),
        ({"label": {"ge": 3, "lt": 5}}, [1, 2]),
        ({"label": {"gt": ""}}, [4]),
        ({"name": "a'b"}, [1]),
        ({"a b'c": 1}, [6]),
        ({"tags": {"contains": "x"}}, [1]),
        ({"not": {"label": {"gt": 0}}}, [0, 4, 6, 7]),
        ({"or": [{"label": 5}, {"name": "a"}]}, [3, 7]),
        ({"and": []}, list(range(8))),
        ({"or": []}, []),
    ],
)
def test_filters_by_hand(filter_: dict[str, Any], found: list[int]) -> None:
    assert ask(filter_) == found


@pytest.mark.parametrize(
    ("filter_", "says"),
    [
        (3, "where=3"),
        ([{"label": 3}], "no filter"),
        ({"label": {"above": 3}}, "no operator 'above'"),
        ({"label": {"in": "abc"}}, "no list"),
        ({"label": [3]}, "cannot be compared"),
        ({"label": float("nan")}, "nan"),
        ({"label": 2**63}, "9223372036854775808"),
        ({"label": {"lt": None}}, "'lt'"),
        ({"label": {"lt": True}}, "'lt'"),
        ({"label": {"contains": None}}, "null"),
        ({'la"bel': 3}, "la"),
        ({"": 3}, "''"),
        ({"a\nb": 3}, "field"),
        ({3: 3}, "field 3"),
        ({"and": {"label": 3}}, "no list of filters"),
        ({"not": [{"label": 3}]}, "no filter"),
    ],
)
def test_what_is_no_filter(filter_: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        where.parse(filter_)


def test_a_filter_that_is_nested_too_deep() -> None:
    deep: dict[str, Any] = {"label": 3}
    for _ in range(100):
        deep = {"not": deep}
    with pytest.raises(UsageError, match="deep"):
        where.parse(deep)
