"""A layer of codes on a network that is trained already: a head on the bits of one of its layers, as one network."""

import torch
from torch import nn

from firebit.errors import UsageError
from firebit.nn.rectifier import Step
from firebit.train.head import Head
from firebit.train.standardised import Standardised
from firebit.zoo.block import CODE


def graft(network: nn.Sequential, layer: str, head: Head) -> nn.Sequential:
    """The hardened network cut behind a layer, and a head on that layer's bits: it compiles, with the layer `code`.

    The head is learned on the layer's bits as features, float32 (N, units), counted channel by channel; the network
    itself is not trained again. Standardisation is folded into weights and thresholds.

    Args:
        network: a hardened network of the zoo; untouched, its layers are shared.
        layer: the name of one of its steps.
        head: trained on the bits of that layer.

    Returns:
        Pictures to the classes of the head, in eval mode.

    Raises:
        UsageError: the network has no such layer of steps, or the head was trained as a baseline.
    """
    body = nn.Sequential()
    for name, module in network.named_children():
        body.add_module(name, module)
        if name == layer:
            break
    if not isinstance(body[-1], Step) or next(reversed(body._modules)) != layer:
        steps = [name for name, module in network.named_children() if isinstance(module, Step)]
        raise UsageError(f"The network has no step {layer!r}.", f"Choose one of: {', '.join(steps) or 'none'}.")
    body.add_module("flatten_code", nn.Flatten())
    for name, module in _folded(head):
        body.add_module(name, module)
    return body.eval()


def _folded(head: Head) -> list[tuple[str, nn.Module]]:
    """The layers of a head, those of its codes and its classifier, without standardisation."""
    layers = dict(head.encoder().named_children())
    if not isinstance(layers[CODE], Step):
        raise UsageError(
            f"A head with the activation {head.options.activation!r} gives no bits by itself.",
            'Train one with activation="rectifier".',
        )
    standard = layers.pop("standard")
    assert isinstance(standard, Standardised)
    first = next(name for name in layers if name.startswith("fc_"))
    linear = layers[first]
    assert isinstance(linear, nn.Linear)
    layers[first] = _absorbed(linear, standard)
    return [*layers.items(), ("fc_last", head.model.get_submodule("fc"))]


@torch.no_grad()
def _absorbed(linear: nn.Linear, standard: Standardised) -> nn.Linear:
    """W·((x − m)·s) as (W·s)·x − W·(m·s), the constant computed in float64."""
    found = nn.Linear(linear.in_features, linear.out_features)
    found.weight.copy_(linear.weight * standard.scale)
    weight = linear.weight.double() * standard.scale.double()
    bias = 0.0 if linear.bias is None else linear.bias.double()
    found.bias.copy_((bias - weight @ standard.mean.double()).float())
    return found
