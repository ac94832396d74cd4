"""Hardening: bounded rectifiers become steps, slopes and batch norms become thresholds."""

import copy
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from firebit.errors import UsageError
from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.growth import rectifiers
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.trace import Example, as_inputs, module_at, sole_batch_norm_before, trace, undisturbed


def harden(
    model: nn.Module,
    example: Example,
    *,
    layers: str | Sequence[str] = "all",
    recalibrate: Iterable[Any] | None = None,
) -> nn.Module:
    """A copy of the model, in eval mode, whose rectifiers are steps: at inference the slope is its sign (§3.3).

    A rectifier's step fires where k·y ≥ 0. A batch norm that feeds nothing but a hardened rectifier is folded into
    the step's threshold, computed in float64; a scale of zero gives a constant unit. Centred layers become ordinary
    ones. A model that torch.fx cannot trace keeps its batch norms, which then normalise before a threshold of 0.

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
        replace(hardened, name, Step.from_rectifier(_rectifier(hardened, name)))
    if recalibrate is not None:
        estimate_statistics(hardened, recalibrate)
    for step_name, norm_name in _foldable(model, example, chosen):
        step, norm = hardened.get_submodule(step_name), hardened.get_submodule(norm_name)
        assert isinstance(step, Step) and isinstance(norm, _BatchNorm)
        replace(hardened, step_name, fold(norm, step))
        replace(hardened, norm_name, nn.Identity())
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
        for name, layer in rectifiers(model).items()
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
def fold(norm: _BatchNorm, step: Step) -> Step:
    """The step on the batch norm's input that fires exactly where `step` fires on its output (in real numbers).

    With scale g = γ/√(σ² + ε): g·(x − μ) + β ≥ t becomes x ≥ μ + (t − β)/g for g > 0, x ≤ … for g < 0, and a
    constant for g = 0. Computed in float64.
    """
    assert norm.running_mean is not None and norm.running_var is not None
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight.double()
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias.double()
    scale = gamma / (variance + norm.eps).sqrt()
    constant = scale == 0
    threshold = mean + (step.threshold - beta) / torch.where(constant, 1, scale)
    direction = step.direction * scale.sign().to(torch.int8)
    fires = torch.where(step.direction > 0, beta >= step.threshold, beta <= step.threshold)
    never = constant & (step.direction != 0) & ~fires
    direction = torch.where(step.direction == 0, 0, torch.where(never, 1, direction)).to(torch.int8)
    threshold = torch.where(never, torch.inf, torch.where(direction == 0, 0.0, threshold))
    return Step(threshold, direction, dim=step.dim)


def estimate_statistics(model: nn.Module, loader: Iterable[Any]) -> None:
    """Estimate the running statistics of every batch norm again, in place, as means over all batches of `loader`.

    Everything else stays in eval mode, dropout included.

    Raises:
        UsageError: the loader gives no batch.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    training, momenta = model.training, [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
        norm.train()
    batches = 0
    with torch.no_grad():
        for batch in loader:
            model(batch if isinstance(batch, Tensor) else batch[0])
            batches += 1
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)
    if not batches:
        raise UsageError("The loader to recalibrate with gave no batch.", "Give a loader that can be read again.")


def replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put `module` at the path `name` of `model`."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _rectifier(model: nn.Module, name: str) -> BoundedRectifier:
    layer = model.get_submodule(name)
    assert isinstance(layer, BoundedRectifier)
    return layer


def _foldable(model: nn.Module, example: Example, chosen: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of rectifier and batch norm, where each is called once, in eval, and the one feeds the other alone."""
    try:
        graph = trace(model, example)
    except UsageError:
        return []
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    pairs = []
    for node in graph.graph.nodes:
        if not isinstance(module_at(graph, node), BoundedRectifier) or str(node.target) not in chosen:
            continue
        norm_node = sole_batch_norm_before(graph, node)
        if norm_node is None or calls.count(str(norm_node.target)) > 1 or calls.count(str(node.target)) > 1:
            continue
        norm = module_at(graph, norm_node)
        if (
            isinstance(norm, _BatchNorm)
            and norm.running_mean is not None
            and _rectifier(model, str(node.target)).dim == 1
        ):
            pairs.append((str(node.target), str(norm_node.target)))
    return pairs
