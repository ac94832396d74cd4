"""The page on recipes names every field, with its default and its limits."""

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from firebit.train.recipe import Recipe, make_recipe, recipe_names

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "recipes.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| (`[\w.]+`) \| (.*) \|$", PAGE, re.MULTILINE))


def fields() -> dict[str, tuple[FieldInfo, Any]]:
    """Every field by its dotted name, with the value it has when a recipe is empty."""
    found: dict[str, tuple[FieldInfo, Any]] = {}
    for name, field in Recipe.model_fields.items():
        value = getattr(Recipe(), name)
        if isinstance(value, BaseModel):
            inner = type(value).model_fields
            found |= {f"{name}.{key}": (inner[key], getattr(value, key)) for key in inner}
        else:
            found[name] = (field, value)
    return found


def written(value: Any) -> str:
    """A default as the page has it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    value = list(value) if isinstance(value, tuple) else value
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def choices(annotation: Any) -> set[str]:
    """The words a field may be set to."""
    parts = [annotation] if get_origin(annotation) is Literal else get_args(annotation)
    return {word for part in parts if get_origin(part) is Literal for word in get_args(part)}


@pytest.mark.parametrize("name", fields())
def test_a_field_stands_there_with_default_and_range(name: str) -> None:
    field, value = fields()[name]
    default, limits, *_ = (cell.strip() for cell in re.split(r"(?<!\\)\|", ROWS[f"`{name}`"]))
    assert default in (written(value), f"`{value:.4f}`" if isinstance(value, float) else None)
    assert all(f'`"{word}"`' in limits for word in choices(field.annotation))
    for limit in field.metadata:
        if isinstance(limit, annotated_types.Ge) and limit.ge:
            assert f"≥ {limit.ge}" in limits
        if isinstance(limit, annotated_types.Gt):
            assert f"> {limit.gt}" in limits


def test_nothing_stands_there_that_is_no_field() -> None:
    assert {name.strip("`") for name in ROWS} == set(fields())


def test_it_names_the_recipes_that_come_with_firebit() -> None:
    assert all(f"`{name}`" in PAGE for name in recipe_names())


def test_its_example_is_a_recipe() -> None:
    import tomllib

    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert make_recipe(tomllib.loads(text)).phase2.growth == 2.5e-3
