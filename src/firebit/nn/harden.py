"""Hardening: bounded rectifiers become steps, slopes and batch norms become thresholds."""

import copy
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from firebit.errors import UsageError
from firebit.nn.census import device_of, evaluating, pictures_of
from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.graph import Example, as_inputs, module_at, operand, undisturbed
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.scale import Scale
from firebit.nn.straight import StraightThroughStep
from firebit.nn.trace import trace

_SOFT = BoundedRectifier | StraightThroughStep


def harden(
    model: nn.Module,
    example: Example,
    *,
    layers: str | Sequence[str] = "all",
    recalibrate: Iterable[Any] | None = None,
) -> nn.Module:
    """A copy of the model, in eval mode, whose rectifiers are steps: at inference the slope is its sign (§3.3).

    A rectifier's step fires where k·y ≥ 0. A :class:`StraightThroughStep` counts as a rectifier here; its step fires
    where y ≥ 0. A batch norm (or :class:`Scale`) that feeds nothing but a hardened rectifier is folded into the step's
    threshold, computed in float64; a scale of zero gives a constant unit. Centred layers become ordinary ones. A model
    that torch.fx cannot trace keeps its batch norms, which then normalise before a threshold of 0.

    Args:
        model: a network with :class:`BoundedRectifier` layers; untouched.
        example: one batch as the model receives it.
        layers: "all", "last" (in execution order), or names or patterns (fnmatch) of rectifiers.
        recalibrate: batches of x or (x, y, …) over which batch-norm statistics are estimated again with the steps in
            place; None keeps the statistics of training.

    Raises:
        UsageError: no rectifier, a pattern without a match, an empty loader, or an example that does not run.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 2), BoundedRectifier(2))
        >>> harden(net, torch.zeros(1, 3))[1]
        Step(2)
    """
    chosen = select(model, example, layers)
    hardened = copy.deepcopy(model).eval()
    for parameter in hardened.parameters():
        parameter.grad = None
    for name in chosen:
        replace(hardened, name, _step(hardened.get_submodule(name)))
    if recalibrate is not None:
        estimate_statistics(hardened, recalibrate)
    for step_name, before in _foldable(model, example, chosen):
        for name in before:
            step, module = hardened.get_submodule(step_name), hardened.get_submodule(name)
            assert isinstance(step, Step)
            replace(hardened, step_name, fold(module, step))
            replace(hardened, name, nn.Identity())
    for name, module in list(hardened.named_modules()):
        if isinstance(module, CentredConv2d | CentredLinear):
            replace(hardened, name, module.plain())
    return hardened


def select(model: nn.Module, example: Example, layers: str | Sequence[str] = "all") -> list[str]:
    """Names of the chosen rectifiers in execution order; see :func:`harden` for `layers`."""
    names = execution_order(model, example)
    if layers == "all":
        return names
    if layers == "last":
        return names[-1:]
    patterns = [layers] if isinstance(layers, str) else list(layers)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(
                f"layers={pattern!r} matches no bounded rectifier.",
                f'Use "all", "last", or names of: {", ".join(names)}.',
            )
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def execution_order(model: nn.Module, example: Example) -> list[str]:
    """Names of the bounded rectifiers in the order in which the model first calls them.

    Raises:
        UsageError: the model has none, or calls none on this example.
    """
    order: list[str] = []
    hooks = [
        layer.register_forward_hook(lambda _m, _i, _o, name=name: order.append(name))
        for name, layer in model.named_modules()
        if isinstance(layer, _SOFT)
    ]
    inputs = as_inputs(example)
    try:
        with undisturbed(model, inputs[0].device):
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    if not order:
        raise UsageError(
            "The model has no bounded rectifier to harden.",
            "Convert it first: model = fb.nn.rectify(model, example); a model is hardened once.",
        )
    return list(dict.fromkeys(order))


@torch.no_grad()
def fold(module: nn.Module, step: Step) -> Step:
    """The step on a module's input that fires exactly where `step` fires on its output (in real numbers).

    With an affine map g·x + b per channel, g·x + b ≥ t becomes x ≥ (t − b)/g for g > 0, x ≤ … for g < 0, and a
    constant for g = 0. Computed in float64.

    Args:
        module: a batch norm with running statistics (g = γ/√(σ² + ε), b = β − g·μ) or a :class:`Scale`.
        step: the step behind it.
    """
    centre, scale, shift = _affine(module)
    constant = scale == 0
    threshold = centre + (step.threshold - shift) / torch.where(constant, 1, scale)
    direction = step.direction * scale.sign().to(torch.int8)
    fires = torch.where(step.direction > 0, shift >= step.threshold, shift <= step.threshold)
    never = constant & (step.direction != 0) & ~fires
    direction = torch.where(never, 1, direction).to(torch.int8)
    threshold = torch.where(never, torch.inf, torch.where(direction == 0, 0.0, threshold))
    return Step(threshold, direction, dim=step.dim)


def _affine(module: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """Centre, scale and shift (C,) in float64 of a module that computes scale·(x − centre) + shift in eval mode."""
    if isinstance(module, Scale):
        scale = module.scale.double()
        return (
            torch.zeros_like(scale),
            scale,
            torch.zeros_like(scale) if module.shift is None else module.shift.double(),
        )
    assert isinstance(module, _BatchNorm) and module.running_mean is not None and module.running_var is not None
    centre, variance = module.running_mean.double(), module.running_var.double()
    gamma = torch.ones_like(centre) if module.weight is None else module.weight.double()
    beta = torch.zeros_like(centre) if module.bias is None else module.bias.double()
    return centre, gamma / (variance + module.eps).sqrt(), beta


def estimate_statistics(model: nn.Module, loader: Iterable[Any]) -> None:
    """Estimate the running statistics of every batch norm again, in place, as means over all batches of `loader`.

    Everything else stays in eval mode, dropout included.

    Raises:
        UsageError: the loader gives no batch, or a batch that is no tensor.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    momenta, device, batches = [norm.momentum for norm in norms], device_of(model), 0
    try:
        with evaluating(model):
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # a plain mean over batches
                norm.train()
            for batch in loader:
                model(pictures_of(batch).to(device))
                batches += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    if not batches:
        raise UsageError("The loader to recalibrate with gave no batch.", "Give a loader that can be read again.")


def replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put `module` at the path `name` of `model`."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _step(layer: nn.Module) -> Step:
    if isinstance(layer, StraightThroughStep):
        return layer.hardened()
    assert isinstance(layer, BoundedRectifier)
    return Step.from_rectifier(layer)


def _foldable(model: nn.Module, example: Example, chosen: Sequence[str]) -> list[tuple[str, list[str]]]:
    """For every chosen rectifier the batch norms and scales before it that feed nothing else, nearest first."""
    try:
        graph = trace(model, example)
    except UsageError:
        return []
    calls = Counter(str(node.target) for node in graph.graph.nodes if node.op == "call_module")
    found = []
    for node in graph.graph.nodes:
        rectifier = module_at(graph, node)
        if not isinstance(rectifier, _SOFT) or str(node.target) not in chosen or calls[str(node.target)] > 1:
            continue
        before, current = [], operand(node)
        while current is not None and _folds(graph, current, rectifier.dim) and calls[str(current.target)] == 1:
            before.append(str(current.target))
            current = operand(current)
        found.append((str(node.target), before))
    return found


def _folds(graph: fx.GraphModule, node: fx.Node, dim: int) -> bool:
    module = module_at(graph, node)
    if len(node.users) != 1:
        return False
    if isinstance(module, Scale):
        return module.dim == dim
    return isinstance(module, _BatchNorm) and module.running_mean is not None and dim == 1
