"""A network of real values in the form that runs fastest: fewer layers, the same function."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from firebit.compiler.geometry import pair
from firebit.nn.graph import Example, module_at, operand, shape_of
from firebit.nn.trace import trace

_NORMS = nn.BatchNorm1d | nn.BatchNorm2d


@torch.no_grad()
def fuse(model: nn.Module, example: Example) -> fx.GraphModule:
    """A copy of a network, in eval mode, with batch norms inside the layers before them; the same function.

    A batch norm goes into the convolution or linear layer whose only reader it is, also through a max pooling in
    between where all its scales are positive, since the largest stays the largest. A ReLU behind a max pooling goes
    before it, where libraries run it together with the convolution. An average over windows that reach past the border,
    divided by all cells of a window (`divisor_override`), becomes one over a map with zeros around it: other formats do
    not know such divisors.

    Args:
        model: any network that :func:`firebit.nn.trace.trace` can follow; untouched.
        example: one batch as the model receives it.

    Raises:
        UsageError: the model cannot be traced.
    """
    graph = trace(copy.deepcopy(model).eval(), example)
    _pad_averages(graph)
    _lift(graph, _grows)
    _fold(graph)
    _lift(graph, lambda module: isinstance(module, nn.ReLU))
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()
    return graph.eval()


def _pad_averages(graph: fx.GraphModule) -> None:
    for node in graph.graph.nodes:
        pool, before = module_at(graph, node), shape_of(operand(node) or node)
        if not isinstance(pool, nn.AvgPool2d) or before is None:
            continue
        kernel, stride, padding = pair(pool.kernel_size), pair(pool.stride), pair(pool.padding)
        if pool.divisor_override != kernel[0] * kernel[1]:
            continue
        places = (shape_of(node) or ())[-2:]
        (top, bottom), (left, right) = (
            (pad, max(0, (count - 1) * step + size - side - pad))
            for pad, count, step, size, side in zip(padding, places, stride, kernel, before[-2:], strict=True)
        )
        whole = nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), nn.AvgPool2d(kernel, stride))
        graph.set_submodule(str(node.target), whole)


def _lift(graph: fx.GraphModule, moves: Callable[[nn.Module | None], bool]) -> None:
    """Put layers that never change which value is the largest in front of the max pooling before them."""
    for node in list(graph.graph.nodes):
        pool = operand(node)
        if not moves(module_at(graph, node)) or pool is None or len(pool.users) != 1:
            continue
        before = operand(pool)
        if not isinstance(module_at(graph, pool), nn.MaxPool2d) or before is None or len(before.users) != 1:
            continue
        node.replace_all_uses_with(pool)
        pool.args, node.args = (node,), (before,)
        pool.prepend(node)


def _grows(module: nn.Module | None) -> bool:
    """Whether a module is a batch norm that is an increasing function of each channel."""
    if not _is_fixed(module):
        return False
    scale = getattr(module, "weight", None)
    return not isinstance(scale, Tensor) or bool((scale > 0).all())


def _is_fixed(module: nn.Module | None) -> bool:
    return isinstance(module, _NORMS) and module.running_var is not None


def _fold(graph: fx.GraphModule) -> None:
    """Put batch norms into the layers that they alone read."""
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    for node in list(graph.graph.nodes):
        before, norm = operand(node), module_at(graph, node)
        if not _is_fixed(norm) or before is None or len(before.users) != 1 or calls.count(str(before.target)) != 1:
            continue
        layer = module_at(graph, before)
        if type(layer) is nn.Conv2d and isinstance(norm, nn.BatchNorm2d):
            fused: nn.Module = fuse_conv_bn_eval(layer, norm)
        elif type(layer) is nn.Linear and isinstance(norm, nn.BatchNorm1d):
            fused = fuse_linear_bn_eval(layer, norm)
        else:
            continue
        graph.set_submodule(str(before.target), fused)
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
