"""Layers that take in a shift of their output or a factor of their input, per channel."""

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.graph import free_name, module_at, shape_of

_LINEAR = (nn.Linear, CentredLinear)
_CONVOLUTION = (nn.Conv1d, nn.Conv2d, nn.Conv3d, CentredConv2d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_ABSORBING = (*_LINEAR, *_CONVOLUTION, *_TRANSPOSED, *_BATCH_NORM)


def takes_shift(graph: fx.GraphModule, node: fx.Node, dim: int) -> bool:
    """Whether `node` is a layer whose bias can add a constant to each channel of its output, exactly."""
    module, shape = _layer(graph, node), shape_of(node)
    return module is not None and shape is not None and _channel_dim(module, len(shape)) == dim % len(shape)


def takes_factor(graph: fx.GraphModule, node: fx.Node, source: fx.Node, dim: int) -> bool:
    """Whether `node` is a layer whose weights can multiply each channel of its input `source`, exactly."""
    module, shape = _layer(graph, node), shape_of(source)
    if module is None or shape is None or node.args != (source,) or node.kwargs:
        return False
    # Statistics of the batch itself undo any factor, up to ε.
    statistics = not isinstance(module, _BATCH_NORM) or module.running_var is not None
    return statistics and _channel_dim(module, len(shape)) == dim % len(shape)


@torch.no_grad()
def add_shift(graph: fx.GraphModule, node: fx.Node, shift: Tensor) -> None:
    """Add `shift` (C,) to the output of the layer `node` calls, through its bias."""
    module = own_module(graph, node)
    _make_affine(module)
    bias = module.bias
    old = bias.double() if isinstance(bias, Tensor) else torch.zeros_like(shift)
    _set(module, "bias", old + shift)


@torch.no_grad()
def multiply_input(graph: fx.GraphModule, node: fx.Node, factor: Tensor) -> None:
    """Change the layer `node` calls so that it computes on factor · x what it computed on x; `factor` is (C,) > 0.

    A batch norm keeps its function in evaluation mode exactly (mean and scale absorb the factor), and in training
    mode but for its ε.
    """
    module = own_module(graph, node)
    if isinstance(module, _BATCH_NORM):
        _multiply_batch_norm(module, factor)
        return
    assert isinstance(module.weight, Tensor)
    weight = module.weight.double()
    scaled = _scaled_weight(module, weight, factor)
    if isinstance(module, (CentredConv2d, CentredLinear)):
        # The centre ½·ΣW must stay that of the old weights.
        add_shift(graph, node, 0.5 * (scaled - weight).flatten(1).sum(1))
    _set(module, "weight", scaled)


def own_module(graph: fx.GraphModule, node: fx.Node) -> nn.Module:
    """The module `node` calls, copied under a new name first where anything else also uses it."""
    name = str(node.target)
    module = graph.get_submodule(name)
    inside = f"{name}."
    calls = [n for n in graph.graph.nodes if n.op == "call_module" and module_at(graph, n) is module]
    reads = [n for n in graph.graph.nodes if n.op == "get_attr" and str(n.target).startswith(inside)]
    if len(calls) == 1 and not reads:
        return module
    own = copy.deepcopy(module)
    node.target = free_name(graph, name)
    graph.add_submodule(node.target, own)
    return own


def _layer(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    module = module_at(graph, node)
    plain = type(module) in _ABSORBING and module is not None and not parametrize.is_parametrized(module)
    hooked = module is not None and bool(module._forward_hooks or module._forward_pre_hooks)
    return module if plain and not hooked else None


def _channel_dim(module: nn.Module, dims: int) -> int:
    if isinstance(module, _LINEAR):
        return dims - 1
    if isinstance(module, _BATCH_NORM):
        return 1
    return dims - 1 - len(module.kernel_size)  # type: ignore[arg-type]


def _scaled_weight(module: nn.Module, weight: Tensor, factor: Tensor) -> Tensor:
    ones = [1] * (weight.dim() - 2)
    if isinstance(module, _TRANSPOSED):
        return weight * factor.view(-1, 1, *ones)
    groups = int(getattr(module, "groups", 1))
    grouped = weight.view(groups, -1, *weight.shape[1:]) * factor.view(groups, 1, -1, *ones)
    return grouped.reshape(weight.shape)


def _multiply_batch_norm(module: nn.Module, factor: Tensor) -> None:
    _make_affine(module)
    mean, variance, eps = module.running_mean, module.running_var, module.eps
    assert isinstance(mean, Tensor) and isinstance(variance, Tensor) and isinstance(eps, float)
    old = variance.double()
    new = (old / factor.square()).to(variance.dtype)
    gain = factor * ((new.double() + eps) / (old + eps)).sqrt()
    _set(module, "weight", module.weight.double() * gain)  # type: ignore[operator]
    mean.copy_(mean.double() / factor)
    variance.copy_(new)


def _make_affine(module: nn.Module) -> None:
    """Give a batch norm without scale and shift the scale 1 and the shift 0."""
    if isinstance(module, _BATCH_NORM) and not module.affine:
        like = module.running_mean
        assert like is not None
        module.affine = True
        module.weight = nn.Parameter(torch.ones_like(like))
        module.bias = nn.Parameter(torch.zeros_like(like))


def _set(module: nn.Module, name: str, value: Tensor) -> None:
    """A new parameter, so that a weight tied to another module's is not changed there."""
    old = getattr(module, name)
    like = module.weight if old is None else old
    assert isinstance(like, Tensor)
    setattr(module, name, nn.Parameter(value.to(like.dtype), requires_grad=like.requires_grad))
