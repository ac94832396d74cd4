"""How large a pre-activation can become on any input of a range: interval arithmetic through a network."""

import copy
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from firebit.errors import UsageError
from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.factor import (
    FUNCTIONS_THAT_KEEP_FACTORS,
    MODULES_THAT_KEEP_FACTORS,
    MOVES_CELLS,
    PADS,
    REDUCES,
)
from firebit.nn.graph import location, module_at, operand, reads_metadata, torch_name, undisturbed
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.scale import Scale

# Intervals are computed in float64; the network itself may round in float32.
_SLACK = 1e-5

_WEIGHTED = {
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, CentredConv2d, CentredLinear),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
}
_WEIGHTED_FUNCTIONS = {"linear", "conv1d", "conv2d", "conv3d"}
_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_MONOTONE = (BoundedRectifier, Step, Scale, nn.ReLU6, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.ELU, nn.Softplus)
_RISING = (*MODULES_THAT_KEEP_FACTORS, *PADS, nn.Flatten, nn.Unflatten)
_RISING_FUNCTIONS = (
    {"add", "cat", "concat", "concatenate", "relu6", "sigmoid", "tanh", "clamp", "softplus", "pad"}
    | FUNCTIONS_THAT_KEEP_FACTORS
    | MOVES_CELLS
    | REDUCES
)


@dataclass(frozen=True)
class Interval:
    """Every cell lies between the same cells of `low` and `high`."""

    low: Tensor
    high: Tensor


def bound_activations(
    graph: fx.GraphModule,
    inputs: tuple[Tensor, ...],
    sites: Mapping[str, fx.Node],
    dim: int,
    input_range: tuple[float | Tensor, float | Tensor],
) -> dict[str, Tensor]:
    """An upper bound per channel, (C,) in float64, of every site's pre-activation on inputs like the example.

    Args:
        graph: a traced model, taken in evaluation mode.
        inputs: the example, for its shape.
        sites: activations by name.
        dim: the dimension that holds the channels.
        input_range: smallest and largest input, numbers or tensors that broadcast to the example.

    Raises:
        UsageError: an empty range, or an operation before a site that interval arithmetic cannot follow (its place is
            named).
    """
    with undisturbed(graph, inputs[0].device):
        runner = _Bounds(graph, copy.deepcopy(graph).double().eval())
        runner.run(*(_input_interval(x, input_range) for x in inputs))
    return {name: _upper(runner, name, node, dim) for name, node in sites.items()}


def _input_interval(x: Tensor, input_range: tuple[float | Tensor, float | Tensor]) -> Interval:
    zeros = torch.zeros(x.shape, dtype=torch.float64, device=x.device)
    try:
        low, high = (zeros + torch.as_tensor(end, device=x.device) for end in input_range)
    except (RuntimeError, ValueError, TypeError):
        low, high = zeros + 1, zeros
    if low.shape != x.shape or not bool((low <= high).all()) or not bool((high - low).isfinite().all()):
        raise UsageError(
            f"input_range={input_range} is no range for inputs of shape {tuple(x.shape)}.",
            "Give the smallest and the largest input, e.g. input_range=(0.0, 1.0).",
        )
    return Interval(low, high)


def _upper(runner: "_Bounds", name: str, node: fx.Node, dim: int) -> Tensor:
    interval = runner.found.get(operand(node) or node)
    if interval is None:
        place = f" at {location(runner.blocked)}" if runner.blocked else ""
        raise UsageError(
            f"The input of activation {name} cannot be bounded by interval arithmetic{place}.",
            "Measure it instead: exact=loader.",
        )
    reach = interval.high + _SLACK * torch.maximum(interval.low.abs(), interval.high.abs())
    top = reach.movedim(dim, 0).flatten(1).amax(1)
    if not top.isfinite().all():
        raise UsageError(
            f"The input of activation {name} ({location(node)}) has no finite bound.",
            "Check the model's weights for NaN and infinity, or measure it instead: exact=loader.",
        )
    return top


class _Bounds(fx.Interpreter):
    """Computes with intervals; a value it cannot bound is None."""

    def __init__(self, graph: fx.GraphModule, double: fx.GraphModule) -> None:
        super().__init__(graph)
        self.found: dict[fx.Node, Interval] = {}
        self.blocked: fx.Node | None = None
        self._double = double

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "output":
            return None
        if reads_metadata(n):
            return n.meta.get("value")
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        intervals = [self.env[i] for i in n.all_input_nodes]
        if n.op == "get_attr":
            return _attribute(self._double, str(n.target))
        if n.op != "placeholder" and not any(isinstance(i, Interval) for i in intervals):
            return None if any(i is None for i in intervals) else getattr(self, n.op)(n.target, args, kwargs)
        known = all(i is not None for i in intervals)
        result = args[0] if n.op == "placeholder" and args else None
        if n.op == "placeholder":
            result = next(self.args_iter)
        elif known:
            result = self._apply(n, args, kwargs)
        if result is None and self.blocked is None:
            self.blocked = n
        if isinstance(result, Interval):
            self.found[n] = result
        return result

    def _apply(self, n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Interval | None:
        module = module_at(self._double, n)
        if module is not None:
            return _through_module(module, args[0]) if len(args) == 1 and not kwargs else None
        name, call = torch_name(n), _callable(n)
        if name in _WEIGHTED_FUNCTIONS and isinstance(args[0], Interval):
            return _through_weights(call, args, kwargs)
        if name in ("mul", "truediv", "div", "sub", "neg"):
            return _through_arithmetic(name, args, kwargs)
        random = name is not None and "dropout" in name and kwargs.get("training", True)
        if name not in _RISING_FUNCTIONS or random or kwargs.get("alpha", 1) != 1:
            return None
        return Interval(
            call(*_ends(args, "low"), **_ends(kwargs, "low")), call(*_ends(args, "high"), **_ends(kwargs, "high"))
        )


def _through_module(module: nn.Module, x: Interval) -> Interval | None:
    if type(module) in _WEIGHTED:
        return _through_layer(module, x)
    if isinstance(module, nn.LocalResponseNorm):
        # The denominator is at least k to the power beta.
        most = module.k**-module.beta
        return Interval(x.low.clamp(max=0) * most, x.high.clamp(min=0) * most) if module.k > 0 else None
    statistics = isinstance(module, _BATCH_NORM) and module.running_var is not None
    if statistics or isinstance(module, _MONOTONE):
        one, other = module(x.low), module(x.high)
        return Interval(torch.minimum(one, other), torch.maximum(one, other))
    if type(module) in _RISING:
        return Interval(module(x.low), module(x.high))
    return None


def _through_layer(module: nn.Module, x: Interval) -> Interval:
    plain = module.plain() if isinstance(module, CentredConv2d | CentredLinear) else module
    spread = copy.deepcopy(plain)
    spread.weight = nn.Parameter(plain.weight.abs())  # type: ignore[operator]
    spread.bias = None  # type: ignore[assignment]
    centre, radius = plain((x.low + x.high) / 2), spread((x.high - x.low) / 2)
    return Interval(centre - radius, centre + radius)


def _through_weights(call: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Interval | None:
    weight = args[1] if len(args) > 1 else kwargs.get("weight")
    bias = args[2] if len(args) > 2 else kwargs.get("bias")
    if not isinstance(weight, Tensor) or isinstance(bias, Interval):
        return None
    rest = {key: value for key, value in kwargs.items() if key not in ("weight", "bias")}
    x = args[0]
    centre = call((x.low + x.high) / 2, weight, bias, *args[3:], **rest)
    radius = call((x.high - x.low) / 2, weight.abs(), None, *args[3:], **rest)
    return Interval(centre - radius, centre + radius)


def _through_arithmetic(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Interval | None:
    if kwargs or len(args) != (1 if name == "neg" else 2):
        return None
    a, b = args[0], (-1.0 if name == "neg" else args[1])
    a_ends = (a.low, a.high) if isinstance(a, Interval) else (a, a)
    b_ends = (b.low, b.high) if isinstance(b, Interval) else (b, b)
    if name == "sub":
        return Interval(a_ends[0] - b_ends[1], a_ends[1] - b_ends[0])
    if name in ("truediv", "div"):
        if not isinstance(b, int | float) or b == 0:
            return None
        b_ends = (1 / b, 1 / b)
    corners = torch.stack([p * q for p in a_ends for q in b_ends])
    return Interval(corners.amin(0), corners.amax(0))


def _ends(value: Any, end: str) -> Any:
    if isinstance(value, Interval):
        return getattr(value, end)
    if isinstance(value, dict):
        return {key: _ends(item, end) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_ends(item, end) for item in value)
    return [_ends(item, end) for item in value] if isinstance(value, list) else value


def _callable(n: fx.Node) -> Callable[..., Tensor]:
    if n.op == "call_method":
        return lambda first, *rest, **named: getattr(first, str(n.target))(*rest, **named)
    return n.target  # type: ignore[return-value]


def _attribute(module: nn.Module, path: str) -> Any:
    return operator.attrgetter(path)(module)
