"""Slopes are redundant: the layer before can take them in (§3.1)."""

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from firebit.errors import UsageError
from firebit.nn.absorb import add_shift, own_module, takes_shift
from firebit.nn.graph import Example, location, module_at, operand, torch_name
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.trace import trace

_AVERAGES = ("avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool2d")
_MAXIMA = ("max_pool1d", "max_pool2d", "max_pool3d")


def absorb_slopes(model: nn.Module, example: Example) -> fx.GraphModule:
    """A copy of the model with W ← k·W, b ← k·b and every slope 1: the same function (§3.1).

    The layer before a rectifier (convolution, linear, or batch norm: its scale and shift) takes in the slope, through
    average pooling of any slope and through max pooling of positive ones, with which it commutes.

    Args:
        model: a network with :class:`BoundedRectifier` layers; untouched.
        example: one batch as the model receives it.

    Raises:
        UsageError: a rectifier whose input comes from elsewhere, is read by others too, or from max pooling with a
            slope ≤ 0; the place is named. Or the model cannot be traced.
    """
    graph = trace(model, example)
    for node in graph.graph.nodes:
        rectifier = module_at(graph, node)
        if isinstance(rectifier, BoundedRectifier):
            _absorb(graph, node, rectifier)
    graph.recompile()
    return graph


@torch.no_grad()
def _absorb(graph: fx.GraphModule, node: fx.Node, rectifier: BoundedRectifier) -> None:
    slope = rectifier.slope.detach().double()
    layer = _layer_before(graph, node, slope, rectifier.dim)
    own = own_module(graph, node)
    assert isinstance(own, BoundedRectifier)
    _multiply_output(graph, layer, slope)
    own.slope.fill_(1)


def _layer_before(graph: fx.GraphModule, rectifier: fx.Node, slope: Tensor, dim: int) -> fx.Node:
    node = operand(rectifier)
    while node is not None and len(node.users) == 1:
        if takes_shift(graph, node, dim):
            return node
        if not _commutes(graph, node, slope):
            break
        node = operand(node)
    raise UsageError(
        f"No layer before the rectifier {rectifier.target} ({location(rectifier)}) can take in its slopes.",
        "Keep the slopes, or let a convolution, linear layer or batch norm feed that rectifier alone.",
    )


def _commutes(graph: fx.GraphModule, node: fx.Node, slope: Tensor) -> bool:
    module = module_at(graph, node)
    name = torch_name(node)
    if isinstance(module, nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d | nn.AdaptiveAvgPool2d) or name in _AVERAGES:
        return True
    return (isinstance(module, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d) or name in _MAXIMA) and bool(
        (slope > 0).all()
    )


def _multiply_output(graph: fx.GraphModule, node: fx.Node, factor: Tensor) -> None:
    """Multiply every channel of what the layer `node` gives by `factor` (C,)."""
    add_shift(graph, node, torch.zeros_like(factor))  # gives an affine batch norm, and a bias to any layer
    module = own_module(graph, node)
    weight, bias = module.weight, module.bias
    assert isinstance(weight, nn.Parameter) and isinstance(bias, nn.Parameter)
    transposed = isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    if transposed and getattr(module, "groups", 1) != 1:
        raise UsageError(
            f"The grouped transposed convolution {node.target} cannot take in slopes.", "Keep the slopes there."
        )
    rows = [1] * weight.dim()
    rows[1 if transposed else 0] = -1
    weight.copy_(weight.double() * factor.view(rows))
    bias.copy_(bias.double() * factor)
    if isinstance(module, _BatchNorm):
        weight.requires_grad_(True)
