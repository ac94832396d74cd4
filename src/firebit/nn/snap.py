"""Weights of 16 bits: on grids that a compiled network takes over without loss."""

import copy
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import is_parametrized

from firebit.nn.graph import Example, module_at, operand, torch_name
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.trace import trace

LARGEST = 2**15 - 1
"""Weights are whole multiples, −32767 … 32767, of a power of two."""

LARGEST_OF_PIXELS = (2**31 - 2) // 255
"""Of a layer that reads pixels, 0 … 255, the multiples of a channel add up to no more: its sums have 31 bits."""

_FINEST = 1023
"""float64 has no larger power of two."""


@torch.no_grad()
def snap(model: nn.Module, example: Example) -> nn.Module:
    """A copy of the model whose weights are 16-bit integers times a power of two.

    Each output channel of a convolution or linear layer has its own power of two, the smallest that its largest weight
    allows; layers whose outputs are added up (a projection beside a convolution) share it, channel by channel; layers
    with no rectifier or step behind them (the logits) have one for all channels, so that logits stay comparable as
    integers. Every weight goes to the nearest grid point, and changes by half a step at most: about 2⁻¹⁵
    of the largest weight on its grid. Where a first layer adds up more than 257 pixels, steps may be wider, so that its
    sums stay within 31 bits. Biases, batch norms, slopes and weights that are parametrised stay as they are.

    :func:`firebit.compile` keeps such weights exactly, unless they meet others in one sum: a batch norm or a factor on
    one of several branches that are added up, a linear layer right behind another, an input whose standard deviation
    differs between channels.
    Weights that are not kept are rounded then, and a few units whose sums are close to their thresholds decide
    otherwise. Snapping twice is snapping once.

    Args:
        model: a network before or after :func:`firebit.nn.harden`; untouched.
        example: one batch as the model receives it.

    Raises:
        UsageError: the model cannot be traced (:func:`firebit.nn.rectify` says when).

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([[1.0, 1 / 3]])
        >>> (snap(layer, torch.zeros(1, 2)).weight * 2**14).tolist()
        [[16384.0, 5461.0]]
    """
    graph = trace(model, example)
    first, last = _first_layers(graph), _last_layers(graph)
    beside = _summands(graph)
    snapped = copy.deepcopy(model)
    for name, module in snapped.named_modules():
        # A parametrised weight is computed, and has its own grid, such as ±1.
        if isinstance(module, nn.Conv2d | nn.Linear) and not is_parametrized(module, "weight"):
            most = LARGEST_OF_PIXELS if name in first else None
            others = _largest_of(model, beside.get(name, []))
            module.weight.copy_(on_grid(module.weight, shared=name in last, most=most, others=others))
    return snapped


def on_grid(weights: Tensor, *, shared: bool, most: int | None = None, others: Tensor | None = None) -> Tensor:
    """Weights (O, …) at the nearest 16-bit multiple of a power of two per channel, or of one for all if `shared`.

    Computed in float64; the dtype stays. Channels of nothing but zeros stay as they are, and so do those with a weight
    that is not finite.

    Args:
        weights: of a layer, output channels first.
        shared: one power of two for all channels.
        most: the multiples of a channel add up to no more than this, signs apart; None: to any sum.
        others: sizes (O,) that the grid of each channel must reach too, float64.
    """
    rows = weights.detach().double().flatten(1)
    largest = rows.abs().amax(1)
    if others is not None:
        largest = torch.maximum(largest, others)
    if shared:
        largest = largest.amax().expand_as(largest)
    # The mantissa is ½ … 1: up to (2¹⁵ − 1) / 2¹⁵ of it, 15 bits reach the largest weight; beyond, only 14.
    mantissa, exponent = torch.frexp(largest)
    power = torch.where(torch.round(mantissa * 2**15) > LARGEST, 14, 15) - exponent
    power = power.clamp(max=_FINEST)
    while most is not None and bool((over := _multiples(rows, power, weights.dtype).abs().sum(1) > most).any()):
        power = power - (over.any() if shared else over).int()
    found = _multiples(rows, power, weights.dtype) / _density(power)
    good = largest.isfinite() & (largest > 0)
    return torch.where(good[:, None], found, rows).reshape(weights.shape).to(weights.dtype)


def _largest_of(model: nn.Module, names: list[str]) -> Tensor | None:
    """The largest size of a weight per output channel over several layers, float64 (O,); None without layers."""
    found = [
        cast(Tensor, model.get_submodule(name).weight).detach().double().flatten(1).abs().amax(1) for name in names
    ]
    return torch.stack(found).amax(0) if found else None


def _summands(graph: fx.GraphModule) -> dict[str, list[str]]:
    """Layers that are added up as they are: the paths of the others by that of each."""
    found: dict[str, list[str]] = {}
    for node in graph.graph.nodes:
        if not _is_sum(node) or any(_is_sum(user) for user in node.users):
            continue
        names = list(dict.fromkeys(_layers_below(graph, node)))
        for name in names:
            found[name] = found.get(name, []) + [other for other in names if other != name]
    return found


def _layers_below(graph: fx.GraphModule, node: fx.Node) -> Iterator[str]:
    """Paths of the layers whose outputs a sum adds up, sums within sums included."""
    for source in node.all_input_nodes:
        if _is_sum(source):
            yield from _layers_below(graph, source)
        elif isinstance(module_at(graph, source), nn.Conv2d | nn.Linear):
            yield str(source.target)


def _is_sum(node: fx.Node) -> bool:
    return torch_name(node) in ("add", "add_", "iadd", "sub", "sub_", "isub")


def _multiples(rows: Tensor, power: Tensor, dtype: torch.dtype) -> Tensor:
    """Whole numbers (O, n): the nearest multiples of 2^−power that `dtype` holds."""
    density = _density(power)
    limit = torch.floor(torch.finfo(dtype).max * density)
    return torch.round(rows * density).clamp(-limit, limit)


def _density(power: Tensor) -> Tensor:
    """Steps per 1, float64 (O, 1)."""
    return torch.ldexp(torch.ones_like(power, dtype=torch.float64), power)[:, None]


def _first_layers(graph: fx.GraphModule) -> set[str]:
    """Module paths of the layers that read the input, with no rectifier or step before them."""
    bits: set[fx.Node] = set()
    for node in graph.graph.nodes:
        if isinstance(module_at(graph, node), BoundedRectifier | Step) or any(n in bits for n in node.all_input_nodes):
            bits.add(node)
    return {str(node.target) for node in graph.graph.nodes if node.op == "call_module" and operand(node) not in bits}


def _last_layers(graph: fx.GraphModule) -> set[str]:
    """Module paths of the layers behind which there is no rectifier or step."""
    hidden: set[fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        if isinstance(module_at(graph, node), BoundedRectifier | Step) or any(user in hidden for user in node.users):
            hidden.add(node)
    return {str(node.target) for node in graph.graph.nodes if node.op == "call_module" and node not in hidden}
