"""Why a recipe is refused: which key or value, and what was meant perhaps."""

from difflib import get_close_matches
from types import UnionType
from typing import get_args

from pydantic import BaseModel, ValidationError

from firebit.errors import UsageError

Table = type[BaseModel]


def refusal(error: ValidationError, where: str, recipe: Table) -> UsageError:
    """What to raise for values that pydantic has refused, in the words of the recipe's reader.

    Args:
        error: what pydantic says.
        where: what the recipe is called.
        recipe: the model that was to be validated.
    """
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return _unknown_key([str(part) for part in first["loc"]], where, recipe)
    # A place inside a union ends in the name of a type, which says nothing to a reader.
    name = ".".join(str(part) for part in first["loc"] if str(part) in _all_keys(recipe))
    message = first["msg"][0].lower() + first["msg"][1:]
    if first["type"] in ("model_type", "model_attributes_type"):
        message = f"this is a table with the keys {', '.join(_keys_of(recipe, [name]))}"
    if not name:
        return UsageError(
            f"{where}: {message.removeprefix('value error, ')}.", "Change one of these fields, for example with --set."
        )
    return UsageError(
        f"{where}: {name} = {first['input']!r} is not valid: {message}.",
        f"Set it right, for example with --set {name}=…",
    )


def _unknown_key(path: list[str], where: str, recipe: Table) -> UsageError:
    keys = _keys_of(recipe, path[:-1])
    near = get_close_matches(path[-1], keys, 1) or _elsewhere(recipe, path[-1])
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return UsageError(f"{where} has an unknown key {'.'.join(path)!r}.", f"{hint}Known here: {', '.join(keys)}.")


def _elsewhere(recipe: Table, key: str) -> list[str]:
    """Keys of any table that are like this one, with the table before them."""
    near = get_close_matches(key, _all_keys(recipe), 1)
    tables = [[], *([name] for name in recipe.model_fields)]
    return [".".join([*table, found]) for table in tables for found in _keys_of(recipe, table) if found in near]


def _keys_of(recipe: Table, path: list[str]) -> list[str]:
    table = recipe
    for key in path:
        annotation = table.model_fields[key].annotation
        if isinstance(annotation, UnionType):
            annotation = get_args(annotation)[0]
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        table = annotation
    return list(table.model_fields)


def _all_keys(recipe: Table) -> list[str]:
    keys = list(recipe.model_fields)
    for key in recipe.model_fields:
        keys += _keys_of(recipe, [key])
    return keys
