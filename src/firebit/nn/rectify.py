"""ReLU networks with bounded rectifiers in place of their activations: fresh, or computing exactly the same."""

import copy
import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from firebit.errors import UsageError
from firebit.nn.absorb import own_module
from firebit.nn.bounds import bound_activations
from firebit.nn.exact import construct
from firebit.nn.graph import (
    Example,
    as_inputs,
    free_name,
    location,
    module_at,
    operand,
    shape_of,
    sole_batch_norm_before,
)
from firebit.nn.measure import largest_activations
from firebit.nn.rectifier import BoundedRectifier, SlopeInit
from firebit.nn.trace import Leaves, trace

_FUNCTIONS: dict[Any, float | None] = {
    F.relu: None,
    F.relu_: None,
    torch.relu: None,
    torch.relu_: None,
    F.relu6: 6.0,
}
_METHODS: dict[str, float | None] = {"relu": None, "relu_": None}
_MODULES: dict[type[nn.Module], float | None] = {nn.ReLU: None, nn.ReLU6: 6.0}


@dataclass(frozen=True)
class Site:
    """One call of an activation: its stable name, its node, and where it is cut off (6 for ReLU6)."""

    name: str
    node: fx.Node
    ceiling: float | None


def rectify(
    model: nn.Module,
    example: Example,
    *,
    include: str | Iterable[str] | None = None,
    exclude: str | Iterable[str] = (),
    dim: int = 1,
    exact: Iterable[Any] | str | None = None,
    slope_init: SlopeInit = 1.0,
    margin: float = 0.25,
    input_range: tuple[float | Tensor, float | Tensor] = (0.0, 1.0),
    leaves: Leaves = (),
) -> fx.GraphModule:
    """A copy of `model` with one bounded rectifier per call of nn.ReLU, nn.ReLU6, F.relu, torch.relu and their kin.

    Rectifiers are named by the module path of the activation where it is a module (`features.1`; its second call is
    `features.1_1`), and otherwise by the module whose forward calls the function (`block.relu`, `block.relu_1`);
    the names are attribute paths of the result. A batch norm that feeds a fresh rectifier alone hands its scale to
    the slopes and keeps 1 for good.

    With `exact` the network keeps its function (the idea of §3.1; its printed recipe, k = 1/(2M), loses ReLU's
    zero). For every channel with largest pre-activation M > 0 (M = 1 for a channel that never fires, M = 6 for
    ReLU6): k = 1/M, the bias before takes −M/2, the weights behind take a factor M, and M·f is ReLU below M. Where
    no layer can take one of these, a visible :class:`firebit.nn.Scale` does. Layers and weights that were shared
    get a copy per call where their calls need different factors. In evaluation mode this is exact to rounding; in
    training mode too, but for the ε of a batch norm *behind* a rectifier.

    Args:
        model: any module torch.fx can trace. It stays as it is.
        example: one batch, or a sequence of tensors for a model of several inputs.
        include: patterns (fnmatch) of names to convert; None converts all.
        exclude: patterns of names to leave alone.
        dim: the dimension that holds the channels.
        exact: None for fresh rectifiers; one batch, or batches `x` or `(x, …)`, on which M is measured; or "bound"
            for an M by interval arithmetic that no input within `input_range`, of the example's shape, can exceed.
        slope_init: where fresh slopes start, as in :class:`firebit.nn.BoundedRectifier`.
        margin: a measured M is enlarged by this share (0.25: by a quarter), so that unseen inputs rarely exceed it;
            :func:`firebit.nn.clipped_units` counts those that do.
        input_range: smallest and largest input for "bound": numbers, or tensors that broadcast to the example.
        leaves: module classes, or patterns of module paths, that are not traced into.

    Returns:
        A graph module in the mode of `model`.

    Raises:
        UsageError: nothing to convert, a pattern that matches nothing, a forward that cannot be traced (file and
            line are named), pre-activations that cannot be bounded or are not finite.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> rectify(net, torch.zeros(1, 4)).get_submodule("1")
        BoundedRectifier(3)
    """
    _check_options(exact, margin)
    inputs = as_inputs(example)
    graph = trace(model, inputs, leaves=leaves)
    sites = _find_sites(graph)
    if not sites:
        raise UsageError(
            f"{type(model).__name__} has no nn.ReLU, nn.ReLU6, F.relu, F.relu6 or torch.relu to convert.",
            "Use one of these as activation, or place firebit.nn.BoundedRectifier by hand.",
        )
    chosen = _select(sites, include, exclude)
    _keep_others(graph, [site for site in sites if site not in chosen])
    if exact is None:
        for site in chosen:
            _insert_fresh(graph, site, dim, slope_init)
    else:
        _insert_exact(graph, chosen, inputs, dim, exact, margin, input_range)
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    return graph


def _check_options(exact: Iterable[Any] | str | None, margin: float) -> None:
    if isinstance(exact, str) and exact != "bound":
        raise UsageError(f"exact={exact!r} is not known.", 'Give a loader of batches, "bound", or None.')
    if not 0 <= margin < float("inf"):
        raise UsageError(f"margin={margin} is not a share.", "Give a number of at least 0, e.g. margin=0.25.")


def _find_sites(graph: fx.GraphModule) -> list[Site]:
    """Every call of a known activation in the order of the graph, with unique names."""
    calls = [node for node in graph.graph.nodes if _is_activation(graph, node)]
    names: dict[fx.Node, str] = {}
    for node in calls:
        if node.op == "call_module" and str(node.target) not in names.values():
            names[node] = str(node.target)
    for node in calls:
        owner = node.meta["owner"]
        functional = f"{owner}.relu" if owner else "relu"
        base = str(node.target) if node.op == "call_module" else functional
        if node not in names:
            names[node] = free_name(graph, base, names.values())
    return [Site(names[node], node, _ceiling(graph, node)) for node in calls]


def _is_activation(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return type(module_at(graph, node)) in _MODULES
    return node.target in (_METHODS if node.op == "call_method" else _FUNCTIONS) and node.op.startswith("call")


def _ceiling(graph: fx.GraphModule, node: fx.Node) -> float | None:
    if node.op == "call_module":
        return _MODULES[type(graph.get_submodule(str(node.target)))]
    return _METHODS[str(node.target)] if node.op == "call_method" else _FUNCTIONS[node.target]


def _select(sites: list[Site], include: str | Iterable[str] | None, exclude: str | Iterable[str]) -> list[Site]:
    names = [site.name for site in sites]
    wanted = set(names) if include is None else _matching(names, include, "include")
    wanted -= _matching(names, exclude, "exclude")
    if not wanted:
        raise UsageError(
            "include= and exclude= leave no activation to convert.", f"The activations are {', '.join(names)}."
        )
    return [site for site in sites if site.name in wanted]


def _matching(names: list[str], patterns: str | Iterable[str], option: str) -> set[str]:
    found: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matches = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matches:
            raise UsageError(f"{option}={pattern!r} matches no activation.", f"The activations are {', '.join(names)}.")
        found.update(matches)
    return found


def _keep_others(graph: fx.GraphModule, others: list[Site]) -> None:
    """An activation left alone that shares its module with a converted one gets a module of its own."""
    for site in others:
        if site.node.op == "call_module" and site.name != site.node.target:
            graph.add_submodule(site.name, copy.deepcopy(graph.get_submodule(str(site.node.target))))
            site.node.target = site.name


def _channels(site: Site, dim: int) -> int:
    source = operand(site.node)
    shape = None if source is None else shape_of(source)
    if shape is None or not -len(shape) <= dim < len(shape):
        raise UsageError(
            f"The activation {site.name} ({location(site.node)}) has input of shape {shape}, which has no "
            f"dimension {dim} for channels.",
            "Give an example with a batch dimension, set dim=, or leave it out with exclude=.",
        )
    return shape[dim]


def _slope_dtype(site: Site) -> torch.dtype:
    return torch.float64 if site.node.meta["tensor_meta"].dtype == torch.float64 else torch.float32


def _put(graph: fx.GraphModule, site: Site, rectifier: BoundedRectifier) -> fx.Node:
    """Replace the activation's call by `rectifier`, under the site's name."""
    node = site.node
    rectifier.to(node.meta["device"], _slope_dtype(site))
    rectifier.train(graph.training)
    graph.add_submodule(site.name, rectifier)
    with graph.graph.inserting_before(node):
        call = graph.graph.call_module(site.name, (operand(node),))
    call.meta.update(node.meta)
    node.replace_all_uses_with(call)
    graph.graph.erase_node(node)
    return call


def _insert_fresh(graph: fx.GraphModule, site: Site, dim: int, slope_init: SlopeInit) -> None:
    rectifier = BoundedRectifier(_channels(site, dim), slope_init, dim=dim)
    norm = sole_batch_norm_before(graph, _put(graph, site, rectifier))
    if norm is not None and dim == 1:
        _fix_scale(own_module(graph, norm), rectifier)


@torch.no_grad()
def _fix_scale(norm: nn.Module, rectifier: BoundedRectifier) -> None:
    """Leave scaling to the slopes: k·(γ·x + β) = kγ·(x + β/γ), so that γ = 1 from now on, where it is not 0."""
    gamma, beta = norm.weight, norm.bias
    if not (isinstance(gamma, nn.Parameter) and isinstance(beta, nn.Parameter)):
        return
    scale = torch.where(gamma == 0, 1, gamma)
    rectifier.slope.mul_(scale)
    beta.div_(scale)
    gamma.fill_(1).requires_grad_(False)


def _insert_exact(
    graph: fx.GraphModule,
    sites: list[Site],
    inputs: tuple[Tensor, ...],
    dim: int,
    exact: Iterable[Any] | str,
    margin: float,
    input_range: tuple[float | Tensor, float | Tensor],
) -> None:
    channels = {site.name: _channels(site, dim) for site in sites}
    open_sites = {site.name: site.node for site in sites if site.ceiling is None}
    measured: dict[str, Tensor] = {}
    if isinstance(exact, str) and open_sites:
        measured = bound_activations(graph, inputs, open_sites, dim, input_range)
    elif not isinstance(exact, str) and open_sites:
        loader = [exact] if isinstance(exact, Tensor) else exact
        found = largest_activations(graph, inputs, open_sites, dim, loader)
        measured = {name: largest * (1 + margin) for name, largest in found.items()}
    largest: dict[str, Tensor] = {}
    for site in sites:
        values = measured.get(site.name)
        if values is None:
            values = torch.full((channels[site.name],), site.ceiling or 1.0, dtype=torch.float64)
        largest[site.name] = torch.where(values > 0, values, 1.0).to(site.node.meta["device"])
    graph.meta["relu6"] = frozenset(site.name for site in sites if site.ceiling is not None)
    by_name = {site.name: site for site in sites}

    def put(name: str, values: Tensor) -> fx.Node:
        rectifier = BoundedRectifier(len(values), dim=dim)
        call = _put(graph, by_name[name], rectifier)
        with torch.no_grad():
            rectifier.slope.copy_(values.reciprocal())
        return call

    construct(graph, inputs, {site.name: site.node for site in sites}, largest, dim, put)
