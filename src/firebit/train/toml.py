"""Trees of plain values: as TOML, which the standard library reads but does not write, and with values set."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from firebit.errors import UsageError


def to_toml(tree: Mapping[str, Any]) -> str:
    """A tree of plain values, with tables one level deep, as a TOML document; reading it gives the same tree."""
    plain = [f"{key} = {_toml_value(value)}" for key, value in tree.items() if not isinstance(value, Mapping)]
    tables = [
        "\n".join([f"\n[{key}]", *(f"{name} = {_toml_value(item)}" for name, item in value.items())])
        for key, value in tree.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join([*plain, *tables]) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    """A text as a TOML basic string: JSON's escapes, and one for DEL, which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def set_value(tree: dict[str, Any], override: str) -> None:
    """Set one value of a tree, in place.

    Args:
        tree: tables within tables; those on the way that are missing are made.
        override: ``key=value`` or ``table.key=value``; the value is TOML, bare words are text.

    Raises:
        UsageError: it is not of that form, or a key on the way is a value.
    """
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise UsageError(f"{override!r} is not key=value.", "Write for example --set phase1.epochs=5.")
    table = tree
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise UsageError(f"{path!r}: {key!r} is not a table.", "Write table.key=value, as in phase1.epochs=5.")
    table[keys[-1]] = _toml_or_text(text.strip())


def _toml_or_text(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
