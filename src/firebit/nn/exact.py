"""The exact construction: bounded rectifiers that compute what a ReLU network computes (§3.1, corrected).

For a channel whose pre-activation z never exceeds M > 0, f(z − M/2) with slope k = 1/M is min(max(z/M, 0), 1), so that
M·f = max(z, 0). The shift −M/2 goes into the bias before, the factor M into the weights behind; what no layer can
take in becomes a visible Scale.
"""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from firebit.errors import UsageError
from firebit.nn.absorb import add_shift, multiply_input, takes_factor, takes_shift
from firebit.nn.factor import Factor, shift_gain, through
from firebit.nn.graph import free_name, operand, reads_metadata, shape_of, torch_name, undisturbed
from firebit.nn.measure import clipped_units
from firebit.nn.scale import Scale

Put = Callable[[str, Tensor], fx.Node]


def construct(
    graph: fx.GraphModule,
    inputs: tuple[Tensor, ...],
    sites: Mapping[str, fx.Node],
    largest: Mapping[str, Tensor],
    dim: int,
    put: Put,
) -> None:
    """Replace activations by rectifiers without changing what `graph` computes.

    Args:
        graph: a traced model, changed in place.
        inputs: the example.
        sites: the activations by name.
        largest: M per channel, (C,) in float64 and above 0, for every site.
        dim: the dimension that holds the channels.
        put: replaces a named activation by a rectifier of slopes 1/M and returns its node.

    Raises:
        UsageError: the result does not compute the same on the example.
    """
    before = _outputs(graph, inputs)
    pending: dict[fx.Node, Factor] = {}
    for name, node in sites.items():
        _shift(graph, name, node, -largest[name] / 2, dim)
        pending[put(name, largest[name])] = Factor(largest[name], dim, name)
    _settle(graph, pending)
    graph.recompile()
    _verify(graph, inputs, before)


def _shift(graph: fx.GraphModule, name: str, node: fx.Node, shift: Tensor, dim: int) -> None:
    """Shift the input of the activation `node`: in the biases before it, or by a visible Scale."""
    source = operand(node)
    assert source is not None
    plan = _plan_shift(graph, source, node, shift, dim)
    if plan is None:
        visible = Scale(torch.ones_like(shift), shift, dim=dim)
        node.replace_input_with(source, _insert_after(graph, source, visible, f"{name}_shift"))
        return
    for layer, amount in plan:
        add_shift(graph, layer, amount)


def _plan_shift(
    graph: fx.GraphModule, node: fx.Node, user: fx.Node, shift: Tensor, dim: int
) -> list[tuple[fx.Node, Tensor]] | None:
    """Layers and what their outputs must be shifted by, so that `node` is shifted by `shift`; or None."""
    if any(other is not user and not reads_metadata(other) for other in node.users):
        return None
    if takes_shift(graph, node, dim):
        return [(node, shift)]
    if torch_name(node) in ("add", "iadd"):
        return _plan_shift_of_sum(graph, node, shift, dim)
    source, gain = operand(node), shift_gain(graph, node, dim)
    if source is None or not gain:
        return None
    return _plan_shift(graph, source, node, shift / gain, dim)


def _plan_shift_of_sum(
    graph: fx.GraphModule, node: fx.Node, shift: Tensor, dim: int
) -> list[tuple[fx.Node, Tensor]] | None:
    if node.kwargs or len(node.args) != 2 or node.args[0] is node.args[1]:
        return None
    for term in node.args:
        if isinstance(term, fx.Node) and shape_of(term) == shape_of(node):
            plan = _plan_shift(graph, term, node, shift, dim)
            if plan is not None:
                return plan
    return None


def _settle(graph: fx.GraphModule, pending: dict[fx.Node, Factor]) -> None:
    """Carry every factor forward to layers that absorb it; where none can, undo it by a visible Scale."""
    scales: dict[fx.Node, fx.Node] = {}
    for node in list(graph.graph.nodes):
        carried = [n for n in node.all_input_nodes if n in pending]
        if not carried or reads_metadata(node):
            continue
        source = carried[0]
        if node not in pending and len(carried) == 1:
            factor = pending[source]
            if takes_factor(graph, node, source, factor.dim):
                multiply_input(graph, node, factor.values)
                continue
        moved = None if node in pending else through(graph, node, pending)
        if moved is not None:
            pending[node] = moved
            continue
        for n in carried:
            if n not in scales:
                scales[n] = _visible(graph, n, pending[n])
            node.replace_input_with(n, scales[n])


def _visible(graph: fx.GraphModule, node: fx.Node, factor: Factor) -> fx.Node:
    return _insert_after(graph, node, Scale(factor.values, dim=factor.dim), f"{factor.origin}_scale")


def _insert_after(graph: fx.GraphModule, node: fx.Node, module: Scale, name: str) -> fx.Node:
    name = free_name(graph, name)
    graph.add_submodule(name, module.to(node.meta["device"], node.meta["tensor_meta"].dtype))
    module.train(graph.training)
    with graph.graph.inserting_after(node):
        call = graph.graph.call_module(name, (node,))
    call.meta.update(node.meta)
    return call


def _outputs(graph: fx.GraphModule, inputs: tuple[Tensor, ...]) -> list[Tensor] | None:
    """All outputs on the example, computed in float64; None where the model insists on its own dtype."""
    double = copy.deepcopy(graph).double()
    try:
        with undisturbed(double, inputs[0].device):
            found = double(*(x.double() if x.is_floating_point() else x for x in inputs))
    except RuntimeError:
        return None
    return [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]


def _verify(graph: fx.GraphModule, inputs: tuple[Tensor, ...], before: list[Tensor] | None) -> None:
    """Guard against operations that are not what their name says."""
    after = None if before is None else _outputs(graph, inputs)
    if before is None or after is None or any(clipped_units(graph, [inputs]).values()):
        return
    exact = all(p.dtype == torch.float64 for p in graph.parameters())
    tolerance = 1e-6 if exact else 1e-2
    for old, new in zip(before, after, strict=True):
        difference = (old.double() - new.double()).abs().nan_to_num().max().item() if old.numel() else 0.0
        if difference > tolerance * (1 + old.double().abs().nan_to_num().max().item()):
            raise UsageError(
                f"The exact construction changes the outputs on the example by {difference:.3g}.",
                "Use exact=None, or name the part that is not a plain ReLU network in leaves= or exclude=.",
            )
