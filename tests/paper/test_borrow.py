"""A run that goes on from another gives what it gives when it is run whole."""

from pathlib import Path

import pytest

from firebit.paper.borrow import borrow
from firebit.paper.experiment import Experiment
from firebit.train import RunFolder, fit
from firebit.train.recipe import Recipe

LEARNED = ("weights.kind=learned", "weights.epochs=2")


@pytest.fixture(scope="module")
def recipe(experiment: Experiment) -> Recipe:
    return experiment.trials[1].recipe_for(0, 0.5)


@pytest.fixture(scope="module")
def learned(experiment: Experiment) -> Recipe:
    return experiment.trials[1].recipe_for(0, 0.5, LEARNED)


@pytest.fixture(scope="module")
def donor(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "real")
    fit(recipe, folder)
    return folder


def test_the_numbers_are_those_of_the_whole_run(donor: RunFolder, learned: Recipe, tmp_path: Path) -> None:
    whole = fit(learned, RunFolder(tmp_path / "whole"))
    folder = RunFolder(donor.path.with_name("learned"))
    assert borrow(learned, folder) == donor.path
    assert not folder.results_file.exists()
    resumed = fit(learned, folder, resume=True)
    assert resumed["rows"] == whole["rows"]
    assert {row["name"] for row in resumed["rows"]} >= {"phase2 steps", "weights", "weights steps"}
    assert folder.journal.records()[-1]["soft"] == RunFolder(tmp_path / "whole").journal.records()[-1]["soft"]
    assert folder.recipe() == learned
    assert donor.results() is not None


def test_nothing_is_borrowed_for_real_weights(donor: RunFolder, recipe: Recipe) -> None:
    folder = RunFolder(donor.path.with_name("again"))
    assert borrow(recipe, folder) is None
    assert not folder.path.exists()


def test_nothing_is_borrowed_from_another_recipe(donor: RunFolder, experiment: Experiment) -> None:
    other = experiment.trials[1].recipe_for(1, 0.5, LEARNED)
    folder = RunFolder(donor.path.with_name("other"))
    assert borrow(other, folder) is None
    assert not folder.path.exists()


def test_nothing_is_borrowed_from_what_cannot_be_read(learned: Recipe, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "results.json").write_text("{}")
    (damaged / "recipe.toml").write_text("data = [")
    assert borrow(learned, RunFolder(tmp_path / "new")) is None
    assert not (tmp_path / "new").exists()


def test_a_run_that_has_begun_is_left_alone(donor: RunFolder, learned: Recipe) -> None:
    before = sorted(donor.path.iterdir())
    assert borrow(learned, donor) is None
    assert sorted(donor.path.iterdir()) == before
