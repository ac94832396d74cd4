"""Thresholds at the middle: networks that were not trained, half of whose units fire."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.census import evaluating
from firebit.nn.graph import Example, as_inputs
from firebit.nn.rectifier import Step


@torch.no_grad()
def balance(model: nn.Module, pictures: Example) -> nn.Module:
    """A copy of a hardened model, each channel of which fires for half of what it sees on some pictures.

    The threshold of every step moves to the median, over pictures and positions, of its channel's sums, layer by layer,
    so that each layer is measured on the bits that the ones before it now give. For networks that were not trained: how
    fast one runs may depend on how many bits are set, and random weights under thresholds of 0 fire always or never.
    A threshold lies halfway between two sums that were seen, so that no rounding decides; where many sums are equal, on
    that side of them that is nearer to a half. A channel whose sums are all equal fires always. A step that is called
    several times is set by its first call, and a channel of direction 0 becomes an ordinary one.

    Args:
        model: a network in which :func:`firebit.nn.harden` has put steps; untouched.
        pictures: a batch as the model receives it, the same kind of pictures as it will see.

    Raises:
        UsageError: the model has no steps, or its sums are not finite.

    Example:
        >>> net = nn.Sequential(Step(torch.zeros(1), torch.ones(1)))
        >>> balance(net, torch.tensor([[1.0], [2.0], [3.0], [4.0]]))[0].threshold.tolist()
        [2.5]
    """
    balanced = copy.deepcopy(model)
    inputs = as_inputs(pictures)
    steps = {name: module for name, module in balanced.named_modules() if isinstance(module, Step)}
    if not steps:
        raise UsageError(
            "The model has no steps to balance.", "Put steps in first: hardened = fb.nn.harden(model, example)."
        )
    done: set[str] = set()

    def watch(name: str, step: Step) -> Any:
        def set_threshold(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            if name not in done:
                _halve(name, step, args[0])
                done.add(name)

        return step.register_forward_pre_hook(set_threshold)

    hooks = [watch(name, step) for name, step in steps.items()]
    try:
        with evaluating(balanced):
            balanced(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return balanced


def _halve(name: str, step: Step, sums: Tensor) -> None:
    """Let each channel of a step fire for half of these sums."""
    rows = sums.movedim(step.dim, 0).flatten(1).double()
    if not rows.isfinite().all():
        raise UsageError(f"The sums of layer {name!r} are not finite.", "Look for weights that are NaN or infinite.")
    median = rows.sort(1).values[:, rows.shape[1] // 2]
    lower = torch.where(rows < median[:, None], rows, -torch.inf).amax(1)
    upper = torch.where(rows > median[:, None], rows, torch.inf).amin(1)
    # Two places for the threshold, below the sums that equal the median and above them.
    below, above = (median + lower) / 2, (median + upper) / 2
    surplus = (rows >= median[:, None]).double().mean(1) - 0.5
    deficit = 0.5 - (rows > median[:, None]).double().mean(1)
    chosen = torch.where((deficit < surplus) & above.isfinite() | ~below.isfinite(), above, below)
    step.direction = torch.where(step.direction == 0, 1, step.direction).to(torch.int8)
    step.threshold = torch.where(chosen.isfinite(), chosen, median)
