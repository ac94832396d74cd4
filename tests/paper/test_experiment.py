"""Trials and the recipes of their runs."""

from itertools import pairwise

import pytest
import torch

from firebit.data import names
from firebit.nn.growth import grow, rectifiers
from firebit.paper.catalogue import EXPERIMENTS
from firebit.paper.experiment import Experiment, Trial
from firebit.zoo import build


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


def test_epochs_of_a_stage_of_weights_are_scaled_where_there_is_one() -> None:
    signs = Trial("quick", "Quick", "cifar10", ("weights.kind=learned", "weights.epochs=8"))
    assert signs.recipe_for(0, 0.25).weights.epochs == 2
    assert Trial("quick", "Quick", "cifar10").recipe_for(0, 0.25).weights.epochs == 4


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
    found = {trial.name: trial.printed.get("phase2 steps") for trial in (*two, one[0])}
    assert found == {
        **{"mnist": 99.22, "cifar10": 72.14, "mnist-straight": None, "cifar10-straight": None, "cifar10-wide": 75.71},
        **{"cifar10-paper": 72.14, "cifar10-best": None, "cifar10-settled": None, "mnist-best": None},
        **{"mnist-best-straight": None},
        **{"imagenet": (43.33, 68.39), "imagenet-wide": (49.51, 73.61)},
    }
    assert one[1].printed["phase2 steps"] == 75.76
    assert two[2].printed["steps, classifier tuned"] == 73.08
    assert [trial.printed.get("weights steps") for trial in EXPERIMENTS["weights"].trials[:3]] == [63.55, 69.68, 75.07]
    assert EXPERIMENTS["figure3"].trials[0].printed == {"relu": 75.40, "phase1": 80.48}


def test_what_has_no_data_of_its_own_is_optional() -> None:
    for experiment in EXPERIMENTS.values():
        for trial in experiment.trials:
            assert trial.optional is (trial.recipe_for(0).data not in names())


def test_the_layers_of_figure_4_come_one_by_one_from_the_back() -> None:
    sets = [trial.recipe_for(0).layers for trial in EXPERIMENTS["figure4"].trials]
    assert [len(layers) for layers in sets] == [1, 2, 3, 4]
    assert all(set(less) < set(more) for less, more in pairwise(sets))
    net = build("cifar10_quick")
    assert list(rectifiers(net)) == list(sets[-1])


def test_the_laws_of_the_ablation_end_at_the_same_slopes() -> None:
    """2·500 steps, then 4·500, from a slope of ½."""
    ends = []
    for trial in EXPERIMENTS["ablation"].trials[:3]:
        recipe, slope = trial.recipe_for(0), torch.tensor([0.5], dtype=torch.float64)
        for phase in (recipe.phase1, recipe.phase2):
            for _ in range(500 * phase.epochs):
                slope = grow(slope, phase.growth, phase.law)
            ends.append(slope.item())
    assert ends[::2] == pytest.approx([0.922] * 3, rel=0.01)
    assert ends[1::2] == pytest.approx([3.585] * 3, rel=0.01)
