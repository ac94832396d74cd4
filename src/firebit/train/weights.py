"""The stage in which weights become ±1 times a scale: thresholded (§4.4), or learned by bounds whose slopes grow."""

import torch
from torch import Tensor, nn

from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.nn.growth import rectifiers
from firebit.nn.weights import WeightGrowth, binarize, bound_weights, bounded_weights, harden_weights
from firebit.train.recipe import Recipe, Weights
from firebit.train.stage import Stage, build_network, example_of


def check_weights(recipe: Recipe, data: ImageSet) -> None:
    """See that a recipe's weights can become ±1, before anything is trained.

    Raises:
        UsageError: no layer reads bits, a pattern of `exclude` matches none, or weights are to be learned without
            a scale.
    """
    options = recipe.weights
    if options.kind == "real":
        return
    if options.kind == "learned" and not options.scaled:
        raise UsageError(
            "Weights that are learned have a scale: weights.scaled = false does not go with weights.kind = learned.",
            "Set weights.kind=thresholded, or leave weights.scaled out.",
        )
    with_weights(build_network(recipe, data, "rectifier"), example_of(data), options)


def with_weights(model: nn.Module, example: Tensor, options: Weights) -> nn.Module:
    """A copy of the model as the stage trains it: ±1 and fixed, or bounded and learned on; its slopes softened.

    Args:
        model: the network after phase 2; untouched.
        example: one batch.
        options: the recipe's table, of a kind other than "real".
    """
    first, last, exclude = options.first, options.last, options.exclude
    if options.kind == "learned":
        found = bound_weights(model, example, first=first, last=last, exclude=exclude)
    else:
        found = binarize(model, example, first=first, last=last, exclude=exclude, scaled=options.scaled)
    if options.soften is not None:
        _soften(found, options.soften)
    if options.others == "fixed":
        learned = {id(each) for name in bounded_weights(found) for each in found.get_submodule(name).parameters()}
        for parameter in found.parameters():
            if parameter.dim() > 1 and id(parameter) not in learned:
                parameter.requires_grad_(False)
    return found


@torch.no_grad()
def _soften(model: nn.Module, most: float) -> None:
    """Cut slopes to a size: units that are as good as steps have no gradient to learn new weights by."""
    for layer in rectifiers(model).values():
        layer.slope.clamp_(-most, most)


def decided(model: nn.Module) -> nn.Module:
    """A copy in which bounded weights are ±s, in plain layers; the model itself where it has none."""
    return harden_weights(model) if bounded_weights(model) else model


def make_weight_growth(stage: Stage, model: nn.Module, options: Weights, steps: int) -> WeightGrowth | None:
    """The growth of bounded weights, whose slopes κ end near the recipe's; None where nothing is bounded.

    With n steps of strengths in a straight line from 0 to κ²/n slopes grow in a straight line, too:
    √(κ₀² + 2·κ²/n · Σ t/n) ≈ κ·t/n.
    """
    if stage.name != "weights" or options.kind != "learned":
        return None
    return WeightGrowth(model, options.slope**2 / max(1, steps), schedule=[(0, 0.0), (max(1, steps), 1.0)])
