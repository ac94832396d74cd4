"""Layers that become bits one after the other, and then learn no more.

The gradient of a rectifier of slope k is k wherever it is not 0, and the steeper it is the fewer units have any: behind
batch norm its second moment grows by about 1.6·k from layer to layer. Through several steep layers it is noise. Where
layers go their course of slopes one after the other, from the input on, and settle at its end, every gradient passes
through one steep layer at most: those before it learn no more, and those behind it are still soft, and learn from bits.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn


class Settling:
    """The layers of a stage that settle.

    A layer is a rectifier with all that is defined between the one before it and itself. Settled, it is in evaluation
    mode, so that statistics of batch norm stay as they are and nothing is dropped, and its parameters need no gradient.

    Args:
        model: the network that trains.
        arrivals: the step behind which each rectifier is settled, from the input on; its slope grows up to there.
        frozen: whether parameters of settled layers stop asking for gradients, which saves the backward pass through
            them. Their learning rate is 0 in any case (:func:`by_arrival`).
    """

    def __init__(self, model: nn.Module, arrivals: Mapping[str, float], *, frozen: bool = True) -> None:
        parts = _parts(model, list(arrivals))
        self.parts = [(arrivals[name], part) for name, part in parts.items()]
        self.frozen = frozen

    def at(self, step: int) -> None:
        """Settle what is settled by this step of the stage."""
        for module in (module for arrival, part in self.parts if step > arrival for module in part):
            module.training = False
            if self.frozen:
                for parameter in module.parameters(recurse=False):
                    parameter.requires_grad_(False)


def by_arrival(
    groups: Sequence[Mapping[str, Any]], model: nn.Module, arrivals: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Parameter groups, divided by the step at which their layers settle.

    Args:
        groups: as :func:`firebit.nn.param_groups` makes them.
        model: the network.
        arrivals: as in :class:`Settling`.

    Returns:
        Groups with a further key "arrival", in steps; those behind the last rectifier that settles are without it.
    """
    settling = {
        id(parameter): arrivals[name]
        for name, part in _parts(model, list(arrivals)).items()
        for module in part
        for parameter in module.parameters(recurse=False)
    }
    divided = []
    for group in groups:
        parts: dict[float, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            parts.setdefault(settling.get(id(parameter), math.inf), []).append(parameter)
        for arrival, own in sorted(parts.items()):
            divided.append({**group, "params": own} | ({"arrival": arrival} if arrival < math.inf else {}))
    return divided


def _parts(model: nn.Module, layers: Sequence[str]) -> dict[str, list[nn.Module]]:
    """The modules without children that belong to each layer, in the order of definition."""
    found: dict[str, list[nn.Module]] = {}
    part: list[nn.Module] = []
    for name, module in model.named_modules():
        if next(module.children(), None) is None:
            part.append(module)
        if name in layers:
            found[name], part = part, []
    return found
