"""Filters on payload as Milvus says them."""

import json

from firebit.search.store.where import COMPARISONS, Condition, Filter, Value

ALWAYS = 'id != ""'
NEVER = 'id == ""'


def expression(found: Filter) -> str:
    """A filter as a boolean expression over the JSON field `payload`."""
    if isinstance(found, Condition):
        return _condition(found)
    parts = [f"({expression(part)})" for part in found.parts]
    if found.kind == "not":
        return f"not {parts[0]}"
    if not parts:
        return ALWAYS if found.kind == "and" else NEVER
    return f" {found.kind} ".join(parts)


def among(ids: list[str]) -> str:
    """That the id is one of some."""
    return f"id in [{', '.join(map(literal, ids))}]"


def literal(value: Value) -> str:
    """A value as it stands in an expression."""
    return json.dumps(value, ensure_ascii=False)


def _condition(found: Condition) -> str:
    name = f"payload[{literal(found.field)}]"
    if found.operator == "in":
        return _any(name, found.values)
    value = found.values[0]
    if found.operator == "contains":
        return f"json_contains({name}, {literal(value)})"
    if found.operator == "eq":
        return _equal(name, value)
    if found.operator == "ne":
        return f"not ({_equal(name, value)})"
    return f"{name} {COMPARISONS[found.operator]} {literal(value)}"


def _equal(name: str, value: Value) -> str:
    # A field that is null is stored as one that is not there.
    return f"not (exists {name})" if value is None else f"{name} == {literal(value)}"


def _any(name: str, values: tuple[Value, ...]) -> str:
    parts = [f"({_equal(name, value)})" for value in values]
    return " or ".join(parts) if parts else NEVER
