"""What all ranks share: recipe, training set, code; a rank that has something else is named."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from firebit.errors import UsageError
from firebit.train.distributed import ALONE, Ranks
from firebit.train.fingerprint import check_alike, code_digest
from firebit.train.recipe import Recipe, make_recipe


class Two(Ranks):
    """Two ranks, of which the other says what it is told to."""

    other: dict[str, Any]

    def texts(self, text: str) -> list[str]:
        return [text, json.dumps({**json.loads(text), **self.other})]


def refusal(**other: str) -> UsageError:
    ranks = Two(0, 2)
    object.__setattr__(ranks, "other", {key.replace("_", " "): value for key, value in other.items()})
    with pytest.raises(UsageError) as caught:
        check_alike(ranks, Recipe(), "abc")
    assert caught.value.exit_code == 2
    return caught.value


def test_alone_nobody_differs() -> None:
    check_alike(ALONE, Recipe(), "abc")


def test_the_field_in_which_a_recipe_differs_is_named() -> None:
    error = refusal(recipe=make_recipe({"phase1": {"lr": 0.5}, "phase2": {"lr": 0.5}}).to_toml())
    assert error.problem.startswith("Rank 1 has another recipe than rank 0: phase1.")
    error = refusal(recipe=make_recipe({"seed": 4}).to_toml())
    assert error.problem == "Rank 1 has another recipe than rank 0: seed = 4, not 0."


@pytest.mark.parametrize("what", ["training set", "version of Firebit", "version of torch"])
def test_what_else_a_rank_may_have_of_its_own(what: str) -> None:
    assert refusal(**{what.replace(" ", "_"): "x"}).problem == f"Rank 1 has another {what} than rank 0."


def test_the_digest_of_the_code_is_that_of_its_files() -> None:
    assert code_digest() == code_digest()
    assert len(code_digest()) == 64


@pytest.mark.slow
@pytest.mark.parametrize("what", ["recipe", "data"])
def test_every_rank_refuses_and_says_why(start_ranks: Callable[..., list[dict[str, Any]]], what: str) -> None:
    found = start_ranks(2, "alike", what)
    assert found[0] == found[1]
    assert found[0]["exit"] == 2
    assert found[0]["problem"].startswith(f"Rank 1 has another {'recipe' if what == 'recipe' else 'training set'}")
