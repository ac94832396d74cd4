"""What a refusal says of keys: the nearest known one, wherever it is."""

from typing import Any

import pytest
from pydantic import ValidationError

from firebit.errors import UsageError
from firebit.train.recipe import Recipe
from firebit.train.refusal import refusal


def refused(tree: dict[str, Any]) -> UsageError:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(tree)
    error = refusal(caught.value, "The recipe", Recipe)
    assert len(str(error).splitlines()) == 2
    return error


@pytest.mark.parametrize(
    ("tree", "name", "near"),
    [
        ({"bacth": 5}, "bacth", "batch"),
        ({"phase3": {}}, "phase3", "phase2"),
        ({"phase1": {"epohcs": 5}}, "phase1.epohcs", "epochs"),
        ({"phase1": {"growht": 5}}, "phase1.growht", "growth"),
        ({"net": {"centered": True}}, "net.centered", "centred"),
        ({"nte": {"name": "lenet"}}, "nte", "net"),
        ({"epochs": 5}, "epochs", "baseline.epochs' or 'phase1.epochs' or 'phase2.epochs' or 'classifier.epochs"),
        ({"phase1": {"batch": 5}}, "phase1.batch", "batch"),
        ({"phase1": {"momentum": 0.5}}, "phase1.momentum", "optimizer.momentum"),
    ],
)
def test_an_unknown_key_gets_the_nearest(tree: dict[str, Any], name: str, near: str) -> None:
    error = refused(tree)
    assert error.problem == f"The recipe has an unknown key {name!r}."
    assert error.remedy.startswith(f"Did you mean '{near}'")
    assert "Known here: " in error.remedy


def test_a_key_like_none_gets_the_list() -> None:
    error = refused({"baseline": {"xyzzy": 1}})
    assert error.remedy == "Known here: schedule, drops, enabled, epochs, width, dropout, lr, optimizer, weight_decay."
