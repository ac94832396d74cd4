"""How a shift or a factor per channel moves through operations that have no weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from firebit.nn.graph import module_at, operand, shape_of, torch_name

MODULES_THAT_KEEP_FACTORS: tuple[type[nn.Module], ...] = (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.ReLU, nn.LeakyReLU),
)
_POOLS = {f"{kind}_pool{n}d" for kind in ("max", "avg", "adaptive_max", "adaptive_avg") for n in (1, 2, 3)}
_DROPOUTS = {"dropout", "dropout1d", "dropout2d", "dropout3d"}
FUNCTIONS_THAT_KEEP_FACTORS = _POOLS | _DROPOUTS | {"relu", "relu_", "leaky_relu"}
PADS: tuple[type[nn.Module], ...] = (
    *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d),
    *(nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
    *(nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
)
MOVES_CELLS = {
    *("flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "contiguous", "clone"),
    *("detach", "getitem", "movedim", "unflatten", "ravel"),
}
REDUCES = {"mean", "sum", "amax", "amin"}

_MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_ADAPTIVE_POOLS = (
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
)


@dataclass(frozen=True)
class Factor:
    """A value that is too small by a factor per channel: truth = values · value. `origin` names its rectifier."""

    values: Tensor
    dim: int
    origin: str


def through(graph: fx.GraphModule, node: fx.Node, pending: Mapping[fx.Node, Factor]) -> Factor | None:
    """The factor of `node`'s output when its inputs carry `pending` factors, or None where it cannot carry one."""
    name = torch_name(node)
    if name in ("cat", "concat", "concatenate"):
        return _through_cat(node, pending)
    if name in ("mul", "imul") and all(isinstance(term, fx.Node) for term in node.args):
        return _through_gate(node, pending)
    source = operand(node)
    if source is None or source not in pending or sum(other in pending for other in node.all_input_nodes) > 1:
        return None
    factor = pending[source]
    module = module_at(graph, node)
    if isinstance(module, nn.Flatten | nn.Unflatten) or name in MOVES_CELLS:
        return _through_cells(graph, node, source, factor)
    if name in REDUCES:
        return _through_reduction(node, source, factor)
    if name == "pad" or isinstance(module, PADS):
        return factor if _pads_with_zeros(node, module) and _keeps_size(node, source, factor.dim) else None
    if name in ("mul", "truediv", "div"):
        number = node.args[1] if len(node.args) == 2 and not node.kwargs else None
        return factor if isinstance(number, int | float) else None
    keeps = type(module) in MODULES_THAT_KEEP_FACTORS or name in FUNCTIONS_THAT_KEEP_FACTORS
    return factor if keeps and _keeps_channels(graph, node, source, factor.dim) else None


def _pads_with_zeros(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether what is put around is 0, or cells of the value itself, all of which a factor leaves right."""
    if module is not None:
        return getattr(module, "value", 0) == 0
    given = dict(zip(("input", "pad", "mode", "value"), node.args, strict=False)) | node.kwargs
    return given.get("mode", "constant") != "constant" or given.get("value") in (None, 0)


def _keeps_size(node: fx.Node, source: fx.Node, dim: int) -> bool:
    before, after = shape_of(source), shape_of(node)
    return before is not None and after is not None and before[dim % len(before)] == after[dim % len(after)]


def shift_gain(graph: fx.GraphModule, node: fx.Node, dim: int) -> float | None:
    """g such that `node` turns a shift s of its operand into g·s of its output, channel by channel, or None.

    Dropout has none: in training it sets values to 0, which a shift would move.
    """
    source = operand(node)
    if source is None or not _keeps_channels(graph, node, source, dim):
        return None
    module, name = module_at(graph, node), torch_name(node) or ""
    if isinstance(module, (nn.Identity, *_MAX_POOLS, *_ADAPTIVE_POOLS)):
        return 1.0
    if name in _POOLS and not name.startswith("avg"):
        return 1.0
    averages = isinstance(module, _AVERAGE_POOLS) or name in _POOLS
    return _average_gain(graph, node, source) if averages else None


def _average_gain(graph: fx.GraphModule, node: fx.Node, source: fx.Node) -> float | None:
    """What an average pool makes of a constant picture, if that is the same in every window.

    Windows that count padding, and windows of other sizes under `divisor_override`, differ at the border.
    """
    means = _replay(graph, node, source, torch.ones(shape_of(source) or (), dtype=torch.float64))
    if means is None or float(means.max() - means.min()) > 1e-12:
        return None
    return float(means.flatten()[0])


def _keeps_channels(graph: fx.GraphModule, node: fx.Node, source: fx.Node, dim: int) -> bool:
    """Whether the operation, a pool perhaps, leaves the channel dimension alone."""
    before, after = shape_of(source), shape_of(node)
    if before is None or after is None or len(before) != len(after):
        return False
    name = type(module_at(graph, node)).__name__ if node.op == "call_module" else torch_name(node) or ""
    pooled = int(name[-2]) if "pool" in name.lower() else 0
    return dim % len(before) < len(before) - pooled


def _through_cells(graph: fx.GraphModule, node: fx.Node, source: fx.Node, factor: Factor) -> Factor | None:
    """Follow each channel's number through an operation that only moves cells."""
    before, after = shape_of(source), shape_of(node)
    if before is None or after is None or math.prod(after) == 0:
        return None
    dim = factor.dim % len(before)
    ones = [1] * len(before)
    ones[dim] = before[dim]
    moved = _replay(graph, node, source, torch.arange(before[dim]).view(ones).expand(before).contiguous())
    if moved is None or tuple(moved.shape) != after:
        return None
    batch = 0 if dim != 0 else None
    for d in (d for d in range(len(after)) if d != batch):
        line = moved.movedim(d, 0).flatten(1) if len(after) > 1 else moved.unsqueeze(1)
        if bool((line == line[:, :1]).all()):
            return Factor(factor.values[line[:, 0].to(factor.values.device)], d, factor.origin)
    return None


def _replay(graph: fx.GraphModule, node: fx.Node, source: fx.Node, value: Tensor) -> Tensor | None:
    """What `node` makes of `value` in place of `source`, or None where that cannot be told."""

    def load(n: fx.Node) -> Any:
        return value if n is source else n.meta["value"]

    try:
        args: Any = fx.node.map_arg(node.args, load)
        kwargs: Any = fx.node.map_arg(node.kwargs, load)
        call: Any = module_at(graph, node) or node.target
        moved = getattr(args[0], call)(*args[1:], **kwargs) if isinstance(call, str) else call(*args, **kwargs)
    except (KeyError, RuntimeError, IndexError, TypeError):
        return None
    return moved if isinstance(moved, Tensor) else None


def _through_reduction(node: fx.Node, source: fx.Node, factor: Factor) -> Factor | None:
    before = shape_of(source)
    dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    keep = bool(node.kwargs.get("keepdim", node.args[2] if len(node.args) > 2 else False))
    listed = [dims] if isinstance(dims, int) else dims
    if before is None or not isinstance(listed, list | tuple):
        return None
    reduced = {d % len(before) for d in listed if isinstance(d, int)}
    dim = factor.dim % len(before)
    if dim in reduced or not reduced or len(reduced) != len(listed):
        return None
    return Factor(factor.values, dim if keep else dim - sum(d < dim for d in reduced), factor.origin)


def _through_gate(node: fx.Node, pending: Mapping[fx.Node, Factor]) -> Factor | None:
    """A value times another that carries no factor, which broadcasts to it: the gates of squeeze and excitation."""
    if len(node.args) != 2 or node.kwargs:
        return None
    one, other = node.args
    if isinstance(other, fx.Node) and other in pending:
        one, other = other, one
    if not isinstance(one, fx.Node) or not isinstance(other, fx.Node) or other in pending:
        return None
    return pending[one] if shape_of(one) == shape_of(node) else None


def _through_cat(node: fx.Node, pending: Mapping[fx.Node, Factor]) -> Factor | None:
    """Concatenated channels carry their parts' factors; parts without one carry 1."""
    parts = node.args[0] if node.args else node.kwargs.get("tensors")
    at = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    if not isinstance(parts, list | tuple) or not isinstance(at, int):
        return None
    known = next(factor for n, factor in pending.items() if n in parts)
    values: list[Tensor] = []
    for part in parts:
        shape = shape_of(part) if isinstance(part, fx.Node) else None
        factor = pending.get(part) if isinstance(part, fx.Node) else None
        if shape is None or (factor is not None and factor.dim % len(shape) != at % len(shape)):
            return None
        values.append(known.values.new_ones(shape[at]) if factor is None else factor.values)
    return Factor(torch.cat(values), at, known.origin)
