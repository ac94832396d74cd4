"""ReLU networks made binary by force, the paper's baseline: thresholds of 0, and training of what lies behind."""

import copy

import torch
from torch import nn

from firebit.data import ImageSet
from firebit.metrics import Metrics
from firebit.nn.census import evaluating
from firebit.nn.harden import replace
from firebit.nn.rectifier import Step
from firebit.train.checkpoint import Progress
from firebit.train.evaluate import evaluate
from firebit.train.loop import Loop
from firebit.train.pictures import Pictures
from firebit.train.precision import precision_of
from firebit.train.recipe import Recipe
from firebit.train.stage import Stage, example_of, make_optimizer

EPOCHS = 1


def thresholded(model: nn.Module, recipe: Recipe, pictures: Pictures, how: str) -> tuple[Metrics, Metrics]:
    """Accuracy of a trained ReLU network with thresholds in place of ReLUs: put in directly, and trained again.

    A unit fires where its pre-activation is at least 0, so that it says what ReLU says but for its size.

    Args:
        model: a ReLU network of the zoo; untouched.
        recipe: how it was trained; the optimizer, batch and learning rate of the baseline hold here too.
        pictures: what to train and to measure on.
        how: "last" (only the last hidden layer, then the classifier), or "front to back" (one more layer from the
            front, then everything behind it, until all are binary).

    Returns:
        Metrics before and after training; before, with all thresholds at once.
    """
    names = [name for name, module in model.named_modules() if isinstance(module, nn.ReLU)]
    chosen = names[-1:] if how == "last" else names
    direct = with_steps(model, chosen, pictures.train)
    trained = copy.deepcopy(model)
    for name in chosen:
        trained = with_steps(trained, [name], pictures.train)
        _train_behind(trained, recipe, pictures.train)
    return evaluate(direct, pictures.held_out)[0], evaluate(trained, pictures.held_out)[0]


def with_steps(model: nn.Module, names: list[str], data: ImageSet) -> nn.Module:
    """A copy of a ReLU network whose activations of these names are steps at 0, one channel each."""
    binary = copy.deepcopy(model)
    channels = _channels(binary, names, data)
    for name in names:
        zeros = torch.zeros(channels[name])
        replace(binary, name, Step(zeros, torch.ones(channels[name], dtype=torch.int8)))
    return binary


def _channels(model: nn.Module, names: list[str], data: ImageSet) -> dict[str, int]:
    found: dict[str, int] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda _m, _i, output, name=name: found.update({name: output.shape[1]})
        )
        for name in names
    ]
    with evaluating(model):
        model(example_of(data))
    for hook in hooks:
        hook.remove()
    return found


def _train_behind(model: nn.Module, recipe: Recipe, data: ImageSet) -> None:
    """Train what lies behind the last step for an epoch, everything before it frozen."""
    stage = Stage("classifier", "hardened", EPOCHS, recipe.baseline.lr / 2, "linear")
    optimizer = make_optimizer(stage, model, recipe.baseline_optimizer)
    loop = Loop(recipe, stage, data, model, optimizer, None, Progress(), precision=precision_of(recipe))
    loop.run_epoch(lambda loss: None)
