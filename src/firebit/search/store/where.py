"""Filters on payload: what may be said, checked once, and as SQL.

``{"label": 3}`` and ``{"label": {"in": [3, 5]}}`` speak of a field of the payload, ``{"and": […]}``, ``{"or": […]}``
and ``{"not": …}`` of other filters; fields side by side must all hold. A field that an item lacks is null.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firebit.errors import UsageError

COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
OPERATORS = ("eq", "ne", "in", *COMPARISONS, "contains")
_GIVE = 'Give such as {"label": 3}, {"label": {"in": [3, 5]}}, {"or": [{"year": {"ge": 2020}}, {"not": {"label": 1}}]}.'
_DEEPEST = 50

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Condition:
    """One thing said of one field.

    Attributes:
        field: of the payload.
        operator: one of :data:`OPERATORS`.
        values: of "in" any number, of all others one.
    """

    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Group:
    """Filters put together.

    Attributes:
        kind: "and", "or" or "not"; "not" has one part.
        parts: what is put together; "and" of nothing always holds, "or" of nothing never.
    """

    kind: str
    parts: "tuple[Filter, ...]"


Filter = Condition | Group


@dataclass(frozen=True)
class Sql:
    """A condition for SQLite over a table with the column `payload`, and its parameters."""

    text: str
    parameters: tuple[str | int | float, ...]


def parse(where: object) -> Filter:
    """Read a filter.

    Raises:
        UsageError: it is none; the message names the part that is wrong.
    """
    return _parse(where, 0)


def check_field(name: object) -> str:
    """The name of a field that filters may speak of.

    Raises:
        UsageError: it is no text, is empty, or has quotes, backslashes or signs that cannot be printed.
    """
    if not isinstance(name, str) or not name or not name.isprintable() or '"' in name or "\\" in name:
        raise UsageError(f"A filter cannot speak of the field {name!r}.", "Name fields by printable text, no quotes.")
    return name


def column(field: str) -> str:
    """A field of the payload in SQL. The text is always the same, so that an index on it is found."""
    path = f'$."{field}"'.replace("'", "''")
    return f"json_extract(payload, '{path}')"


def sql(found: Filter) -> Sql:
    """A filter as SQL."""
    if isinstance(found, Condition):
        return _condition(found)
    parts = [sql(part) for part in found.parts]
    parameters = tuple(value for part in parts for value in part.parameters)
    if found.kind == "not":
        # What is null is not true, so its opposite is.
        return Sql(f"NOT coalesce({parts[0].text}, 0)", parameters)
    if not parts:
        return Sql("1" if found.kind == "and" else "0", ())
    return Sql("(" + f" {found.kind.upper()} ".join(part.text for part in parts) + ")", parameters)


def _parse(where: object, depth: int) -> Filter:
    if depth > _DEEPEST:
        raise UsageError(f"The filter is nested more than {_DEEPEST} deep.", "Say it with fewer levels.")
    if not isinstance(where, Mapping):
        raise UsageError(f"where={_short(where)} is no filter.", _GIVE)
    parts = [_entry(key, value, depth) for key, value in where.items()]
    return parts[0] if len(parts) == 1 else Group("and", tuple(parts))


def _entry(key: object, value: object, depth: int) -> Filter:
    if key == "not":
        return Group("not", (_parse(value, depth + 1),))
    if key in ("and", "or"):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise UsageError(f"{key!r} is followed by {_short(value)}, no list of filters.", _GIVE)
        return Group(str(key), tuple(_parse(part, depth + 1) for part in value))
    field = check_field(key)
    if not isinstance(value, Mapping):
        return Condition(field, "eq", (_value(field, value),))
    said = [_said(field, operator, operand) for operator, operand in value.items()]
    return said[0] if len(said) == 1 else Group("and", tuple(said))


def _said(field: str, operator: object, operand: object) -> Condition:
    if operator not in OPERATORS:
        raise UsageError(f"{field!r}: there is no operator {operator!r}.", f"Use one of: {', '.join(OPERATORS)}.")
    if operator == "in":
        if not isinstance(operand, Sequence) or isinstance(operand, str):
            raise UsageError(f"{field!r}: 'in' is followed by {_short(operand)}, no list.", _GIVE)
        return Condition(field, "in", tuple(_value(field, each) for each in operand))
    value = _value(field, operand)
    if operator in COMPARISONS and (value is None or isinstance(value, bool)):
        raise UsageError(f"{field!r}: {operator!r} does not compare with {value!r}.", "Give a number or text.")
    if operator == "contains" and value is None:
        raise UsageError(f"{field!r}: 'contains' does not look for null.", "Give a number, text, true or false.")
    return Condition(field, str(operator), (value,))


def _value(field: str, value: object) -> Value:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise UsageError(
        f"{field!r}: {_short(value)} cannot be compared with.", "Give text, a finite number of 64 bits, a bool or None."
    )


def _condition(found: Condition) -> Sql:
    name, value = column(found.field), found.values[0] if found.values else None
    if found.operator == "in":
        return _is_one_of(name, found.values)
    if found.operator == "eq":
        return Sql(f"{name} IS NULL", ()) if value is None else Sql(f"{name} = ?", (value,))
    if found.operator == "ne":
        return Sql(f"{name} IS NOT NULL", ()) if value is None else Sql(f"{name} IS NOT ?", (value,))
    assert value is not None
    if found.operator == "contains":
        path = f'$."{found.field}"'.replace("'", "''")
        each = f"json_each(payload, '{path}')"
        # An object's members are no list's.
        kind = f"json_type(payload, '{path}') = 'array'"
        return Sql(f"({kind} AND EXISTS (SELECT 1 FROM {each} AS each WHERE each.value = ?))", (value,))
    # SQLite puts every number before every text.
    kinds = "('text')" if isinstance(value, str) else "('integer', 'real')"
    return Sql(f"({name} {COMPARISONS[found.operator]} ? AND typeof({name}) IN {kinds})", (value,))


def _is_one_of(name: str, values: tuple[Value, ...]) -> Sql:
    given = json.dumps([value for value in values if value is not None])
    text = f"{name} IN (SELECT value FROM json_each(?))"
    return Sql(f"({text} OR {name} IS NULL)" if None in values else text, (given,))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
