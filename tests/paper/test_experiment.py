"""Trials and the recipes of their runs."""

import pytest

from firebit.paper.experiment import Experiment, Trial
from firebit.paper.tables import EXPERIMENTS


def test_the_seed_and_the_overrides_are_in_the_recipe() -> None:
    recipe = Trial("wide", "Wide", "cifar10", ("net.width=2",)).recipe_for(7)
    assert (recipe.seed, recipe.net.width, recipe.net.name) == (7, 2.0, "cifar10_quick")
    assert (recipe.phase1.epochs, recipe.phase2.epochs, recipe.baseline_epochs) == (3, 8, 11)


@pytest.mark.parametrize(
    ("scale", "expected"), [(1.0, (3, 8, 11, 1)), (0.5, (2, 4, 6, 1)), (0.01, (1, 1, 1, 1)), (2.0, (6, 16, 22, 2))]
)
def test_scaled_epochs(scale: float, expected: tuple[int, ...]) -> None:
    recipe = Trial("quick", "Quick", "cifar10").recipe_for(0, scale)
    found = (recipe.phase1.epochs, recipe.phase2.epochs, recipe.baseline_epochs, recipe.classifier.epochs)
    assert found == expected


def test_nothing_is_made_of_no_epochs() -> None:
    assert Trial("mnist", "MNIST", "mnist").recipe_for(0, 0.1).classifier.epochs == 0


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=list(EXPERIMENTS))
def test_what_is_declared_can_be_run(experiment: Experiment) -> None:
    assert len({trial.name for trial in experiment.trials}) == len(experiment.trials)
    for trial in experiment.trials:
        recipe = trial.recipe_for(0)
        assert set(trial.printed) <= set(EXPERIMENTS[experiment.records].rows)
        assert recipe.baseline.enabled or trial.thresholded is None


def test_the_papers_figures() -> None:
    """As printed in tables 1 and 2."""
    one, two = EXPERIMENTS["table1"].trials, EXPERIMENTS["table2"].trials
    found = {trial.name: trial.printed.get("phase2 steps") for trial in (*one, *two[1:])}
    assert found == {
        "mnist": 99.22,
        "cifar10": 72.14,
        "mnist-straight": None,
        "cifar10-straight": None,
        "cifar10-wide": 75.71,
    }
    assert one[1].printed["phase2 steps"] == 75.76
    assert two[1].printed["steps, classifier tuned"] == 73.08
