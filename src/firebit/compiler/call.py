"""What a node of a traced network calls, with its arguments by name: modules, functions and methods alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from firebit.nn.centre import CentredConv2d, CentredDropout, CentredLinear
from firebit.nn.graph import module_at, operand, torch_name
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.scale import Scale

_SIGNATURES: dict[str, tuple[str, ...]] = {
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "linear": ("input", "weight", "bias"),
    "max_pool2d": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "avg_pool2d": (
        *("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    ),
    "adaptive_avg_pool2d": ("input", "output_size"),
    "adaptive_max_pool2d": ("input", "output_size", "return_indices"),
    "batch_norm": ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
    "pad": ("input", "pad", "mode", "value"),
    "mean": ("input", "dim", "keepdim"),
    "add": ("input", "other", "alpha"),
    "sub": ("input", "other", "alpha"),
    "mul": ("input", "other"),
    "div": ("input", "other"),
    "neg": ("input",),
    "cat": ("tensors", "dim"),
    "dropout": ("input", "p", "training", "inplace"),
}
_SYNONYMS = {
    "truediv": "div",
    "true_divide": "div",
    "divide": "div",
    "multiply": "mul",
    "subtract": "sub",
    "concat": "cat",
    "concatenate": "cat",
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze"), "reshape"),
    **dict.fromkeys(("contiguous", "clone", "to", "float", "double", "detach"), "identity"),
    **dict.fromkeys(("dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"), "dropout"),
}
_KEYWORDS = {"train": "training", "axis": "dim"}
_SAME = (nn.Identity, nn.Dropout, _DropoutNd)
_POOLS: dict[type[nn.Module], tuple[str, tuple[str, ...]]] = {
    nn.MaxPool2d: ("max_pool2d", ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")),
    nn.AvgPool2d: (
        "avg_pool2d",
        ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    ),
    nn.AdaptiveAvgPool2d: ("adaptive_avg_pool2d", ("output_size",)),
    nn.AdaptiveMaxPool2d: ("adaptive_max_pool2d", ("output_size", "return_indices")),
}
_CLASSES: tuple[type[nn.Module], ...] = (
    *(CentredConv2d, CentredLinear, nn.Conv2d, nn.Linear, _BatchNorm, nn.SyncBatchNorm, Step, Scale, nn.Identity),
    *(CentredDropout, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.Flatten, nn.Unflatten, nn.ConstantPad2d, *_POOLS),
)
_REAL_VALUED = (nn.ReLU, nn.ReLU6, BoundedRectifier)


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        kind: what it computes, by torch's name for the function ("conv2d"), or "step", "scale", "identity",
            "reshape"; for anything else the name of the module's class, the function or the method.
        arguments: by the names of torch's functions; nodes where they are computed.
    """

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def call_of(graph: fx.GraphModule, node: fx.Node) -> Call:
    """What a node calls, once the network is in eval mode."""
    module = module_at(graph, node)
    if module is not None:
        return _of_module(module, operand(node))
    name = torch_name(node)
    if name is None:
        return Call(str(getattr(node.target, "__name__", node.target)))
    name = name.removesuffix("_") if not name.startswith("__") else name
    in_place = name.startswith("i") and name[1:] in ("add", "sub", "mul", "truediv")
    name = name[1:] if in_place else name
    kind = _SYNONYMS.get(name, name)
    if kind in ("identity", "reshape"):
        # Where to, and in which layout of memory, is told by the result.
        return Call(kind, {"input": operand(node)})
    signature = _SIGNATURES.get(kind, ("input",))
    named = {_KEYWORDS.get(key, key): value for key, value in node.kwargs.items()}
    return Call(kind, {**dict(zip(signature, node.args, strict=False)), **named})


def is_hooked(module: nn.Module) -> bool:
    """Whether a module computes something else than its class does: it has a hook, or a forward of its own.

    Hooks of torch.nn.utils (spectral_norm, prune) are none: they set the weight, which a plan reads.
    """
    hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    foreign = any(not type(hook).__module__.startswith("torch.nn.utils.") for hook in hooks)
    return foreign or "forward" in vars(module)


def _of_module(module: nn.Module, source: fx.Node | None) -> Call:
    given = {"input": source}
    if not _computes_as(module, *_CLASSES):
        return Call(type(module).__name__, given)
    if isinstance(module, CentredConv2d | CentredLinear):
        module = module.plain()
    if isinstance(module, nn.Conv2d):
        return Call("conv2d", given | _attributes(module, (*_SIGNATURES["conv2d"][1:], "padding_mode")))
    if isinstance(module, nn.Linear):
        return Call("linear", given | _attributes(module, ("weight", "bias")))
    if isinstance(module, _BatchNorm):
        return Call("batch_norm", given | _attributes(module, ("running_mean", "running_var", "weight", "bias", "eps")))
    if isinstance(module, Step):
        return Call("step", given | _attributes(module, ("threshold", "direction", "dim")))
    if isinstance(module, Scale):
        return Call("scale", given | _attributes(module, ("scale", "shift", "dim")))
    if isinstance(module, _SAME):
        return Call("identity", given)
    if isinstance(module, nn.Flatten | nn.Unflatten):
        return Call("reshape", given)
    if isinstance(module, nn.ConstantPad2d):
        return Call("pad", given | {"pad": module.padding, "value": module.value})
    name, sizes = next(pool for kind, pool in _POOLS.items() if isinstance(module, kind))
    return Call(name, given | _attributes(module, sizes))


def _computes_as(module: nn.Module, *classes: type[nn.Module]) -> bool:
    """Whether a module has the forward of one of the classes: a class of its own may compute anything."""
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in classes)


def _attributes(module: nn.Module, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(module, name) for name in names}


def is_rectified(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node is an activation of real values that :func:`firebit.nn.harden` has not made a step."""
    relu = torch_name(node) in ("relu", "relu_", "relu6", "relu6_", "bounded_rectify")
    return relu or isinstance(module_at(graph, node), _REAL_VALUED)


def evaluated(graph: fx.GraphModule, node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
    """The result of a node whose arguments are all known. These are left as they are, whatever the node does."""
    args: Any = fx.node.map_arg(node.args, lambda n: _copy(values[n]))
    kwargs: Any = fx.node.map_arg(node.kwargs, lambda n: _copy(values[n]))
    with torch.no_grad():
        if node.op == "get_attr":
            return _attribute(graph, str(node.target))
        if node.op == "call_module":
            return graph.get_submodule(str(node.target))(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        assert callable(node.target)
        return node.target(*args, **kwargs)


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _attribute(graph: fx.GraphModule, path: str) -> Any:
    owner, _, name = path.rpartition(".")
    return getattr(graph.get_submodule(owner), name)
