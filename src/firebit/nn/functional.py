"""Functional calls of layers as modules of a traced network.

Dropouts and batch norms that are told the mode of their module, and convolutions and linear layers that a subclass of
torch's computes itself (with padding of its own, say), so that whatever looks for layers finds them.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from firebit.nn.graph import free_name, operand

_DROPOUTS: dict[Callable[..., Tensor], type[nn.Module]] = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.dropout3d: nn.Dropout3d,
    F.alpha_dropout: nn.AlphaDropout,
    F.feature_alpha_dropout: nn.FeatureAlphaDropout,
}
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_WEIGHTED: dict[Any, tuple[type[nn.Module], str]] = {F.conv2d: (nn.Conv2d, "conv2d"), F.linear: (nn.Linear, "linear")}
_PARAMETERS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_MODE = "training"
_STATE = ("running_mean", "running_var", "weight", "bias")


def follows_mode(model: nn.Module, training: fx.Node, evaluating: fx.Node) -> bool:
    """Whether a call, traced in either mode, is told the mode and differs by it alone.

    Such are dropouts, and F.batch_norm in the forward of a subclass of torch's batch norms (one with an activation, as
    many collections of models have it).
    """
    in_norm = training.target is F.batch_norm and isinstance(model.get_submodule(training.meta["owner"]), _NORMS)
    if not (training.target in _DROPOUTS or in_norm) or training.target != evaluating.target:
        return False
    return _named(training).get(_MODE) is True and _named(evaluating).get(_MODE) is False


def apart_from_mode(node: fx.Node) -> dict[str, Any]:
    """The arguments by name of a call that follows the mode, but for the mode, and a momentum, of training alone."""
    return {name: value for name, value in _named(node).items() if name not in (_MODE, "momentum")}


def own_modules(graph: fx.GraphModule, model: nn.Module) -> None:
    """Replace functional calls of layers by modules below the module whose forward made the call.

    Dropouts and batch norms where `meta["follows_mode"]` says so, convolutions and linear layers in the forward of such
    a layer. They are called `dropout`, `batch_norm`, `conv2d` and `linear`, and take over parameters and statistics.

    Args:
        graph: traced from `model`, changed in place.
        model: what was traced.
    """
    for node in list(graph.graph.nodes):
        if node.meta.get("follows_mode") and node.target is F.batch_norm:
            _replace(graph, node, "batch_norm", _own_batch_norm(graph, node, model))
        elif node.meta.get("follows_mode"):
            kwargs = {key: value for key, value in apart_from_mode(node).items() if key in ("p", "inplace")}
            _replace(graph, node, "dropout", _DROPOUTS[node.target](**kwargs))
        elif _is_own_layer(node, model):
            _replace(graph, node, _WEIGHTED[node.target][1], _own_layer(graph, node))


def _is_own_layer(node: fx.Node, model: nn.Module) -> bool:
    if node.op != "call_function" or node.target not in _WEIGHTED:
        return False
    kind, _ = _WEIGHTED[node.target]
    given = _named(node)
    tensors = [given["weight"], *([] if given["bias"] is None else [given["bias"]])]
    known = all(isinstance(tensor, fx.Node) and tensor.op == "get_attr" for tensor in tensors)
    return known and isinstance(model.get_submodule(node.meta["owner"]), kind)


def _own_layer(graph: fx.GraphModule, node: fx.Node) -> nn.Module:
    given = _named(node)
    weight, bias = _tensor(graph, given["weight"]), _tensor(graph, given["bias"])
    assert weight is not None
    layer: nn.Module
    if node.target is F.linear:
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    else:
        sizes = {name: given[name] for name in ("stride", "padding", "dilation", "groups")}
        channels = weight.shape[1] * given["groups"], weight.shape[0]
        layer = nn.Conv2d(*channels, tuple(weight.shape[2:]), bias=bias is not None, device="meta", **sizes)  # type: ignore[arg-type]
    layer.weight, layer.bias = weight, bias
    return layer


def _named(node: fx.Node) -> dict[str, Any]:
    assert callable(node.target)
    if node.target in _WEIGHTED:
        # Built in: they have no signature to look up.
        defaults = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        return defaults | dict(zip(_PARAMETERS, node.args, strict=False)) | node.kwargs
    bound = inspect.signature(node.target).bind(*node.args, **node.kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _replace(graph: fx.GraphModule, node: fx.Node, name: str, module: nn.Module) -> None:
    owner = node.meta["owner"]
    path = free_name(graph, f"{owner}.{name}" if owner else name)
    graph.add_submodule(path, module)
    with graph.graph.inserting_before(node):
        call = graph.graph.call_module(path, (operand(node),))
    call.meta.update(node.meta)
    node.replace_all_uses_with(call)
    sources = [source for source in node.all_input_nodes if source.op == "get_attr"]
    graph.graph.erase_node(node)
    for source in sources:
        _forget(graph, source)


def _forget(graph: fx.GraphModule, node: fx.Node) -> None:
    """Erase a node that reads a parameter or buffer, and the tensor where nothing else reads it."""
    if node.users:
        return
    path = str(node.target)
    graph.graph.erase_node(node)
    if not any(other.op == "get_attr" and other.target == path for other in graph.graph.nodes):
        owner, _, name = path.rpartition(".")
        delattr(graph.get_submodule(owner), name)


def _own_batch_norm(graph: fx.GraphModule, node: fx.Node, model: nn.Module) -> nn.Module:
    given = apart_from_mode(node)
    tensors = {name: _tensor(graph, given[name]) for name in _STATE}
    owner, mean = model.get_submodule(node.meta["owner"]), tensors["running_mean"]
    assert isinstance(owner, _NORMS) and mean is not None
    kind = next(norm for norm in _NORMS if isinstance(owner, norm))
    # The call itself is given a number also where the owner's momentum is None, a plain mean.
    norm = kind(len(mean), given["eps"], owner.momentum, affine=tensors["weight"] is not None, device=mean.device)
    for name, tensor in tensors.items():
        setattr(norm, name, tensor)
    norm.num_batches_tracked = owner.num_batches_tracked
    return norm


def _tensor(graph: fx.GraphModule, node: Any) -> Tensor | None:
    if not isinstance(node, fx.Node):
        return None
    owner, _, name = str(node.target).rpartition(".")
    found = getattr(graph.get_submodule(owner), name)
    assert isinstance(found, Tensor)
    return found
