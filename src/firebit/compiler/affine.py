"""Affine maps and sums: batch norm, factors and shifts per channel, additions, and the step that compares them."""

from typing import Any

import numpy as np
from torch import Tensor, fx

from firebit.compiler.outline import Step
from firebit.compiler.value import Joined, Stored, Sum, Unsupported, reals
from firebit.compiler.work import Value, Work, name_of
from firebit.nn.graph import shape_of


def batch_norm(
    work: Work,
    node: fx.Node,
    input: Value,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """(value − mean) / √(variance + ε) · weight + bias, in evaluation."""
    if running_mean is None or running_var is None or training:
        raise Unsupported("normalises by the batch it sees", "Use batch norm with track_running_stats=True.")
    scale = 1 / np.sqrt(reals(running_var) + eps)
    scale = scale if weight is None else scale * reals(weight)
    shift = -reals(running_mean) * scale
    return _affine(input, scale, shift if bias is None else shift + reals(bias))


def scale(work: Work, node: fx.Node, input: Value, scale: Any, shift: Any, dim: int) -> Value:
    """firebit.nn.Scale: scale · value + shift."""
    _check_channels(node, dim)
    return _affine(input, reals(scale), 0.0 if shift is None else reals(shift))


def add(work: Work, node: fx.Node, input: Value, other: Any, alpha: float = 1) -> Value:
    """value + alpha · other, a constant or another value."""
    first, second = _per_channel(node, input), _per_channel(node, other)
    if isinstance(first, np.ndarray):
        return _affine(second, float(alpha), first)
    if isinstance(second, np.ndarray):
        return _affine(first, 1.0, alpha * second)
    name = name_of(node)
    return work.summed(first, name).plus(work.summed(_affine(second, float(alpha), 0.0), name), name)


def sub(work: Work, node: fx.Node, input: Value, other: Any, alpha: float = 1) -> Value:
    """value − alpha · other."""
    return add(work, node, input, other, -alpha)


def mul(work: Work, node: fx.Node, input: Value, other: Any) -> Value:
    """value · other, one of them a constant."""
    first, second = _per_channel(node, input), _per_channel(node, other)
    if isinstance(first, np.ndarray):
        first, second = second, first
    if not isinstance(second, np.ndarray):
        raise Unsupported("multiplies two values that depend on the picture", "A plan has no such product.")
    return _affine(first, second, 0.0)


def div(work: Work, node: fx.Node, input: Value, other: Any) -> Value:
    """value / other, a constant."""
    divisor = _per_channel(node, other)
    if not isinstance(divisor, np.ndarray):
        raise Unsupported("divides by what depends on the picture", "A plan has no such quotient.")
    if divisor.ndim == 0 and divisor > 0 and float(divisor).is_integer():
        # A third has no float64; three has.
        return _activation(input).divided(int(divisor))
    return _affine(input, 1 / divisor, 0.0)


def neg(work: Work, node: fx.Node, input: Value) -> Value:
    """−value."""
    return _affine(input, -1.0, 0.0)


def step(work: Work, node: fx.Node, input: Value, threshold: Any, direction: Any, dim: int) -> Value:
    """firebit.nn.Step: a hidden layer."""
    _check_channels(node, dim)
    name = work.names[node]
    summed = work.summed(input, name)
    signs = direction.detach().cpu().numpy().astype(np.int8)
    # One threshold may serve all channels.
    channels = summed.shape[:1]
    wanted = np.broadcast_to(reals(threshold), channels) if len(signs) == 1 else reals(threshold)
    signs = np.broadcast_to(signs, channels) if len(signs) == 1 else signs
    work.steps[name] = Step(name, summed, wanted, signs)
    return Stored.of(name, summed.shape)


def _affine(value: Any, scale: Any, shift: Any) -> Value:
    return _activation(value).affine(np.asarray(scale, np.float64), np.asarray(shift, np.float64))


def _activation(value: Any) -> Stored | Joined | Sum:
    if not isinstance(value, Stored | Joined | Sum):
        raise Unsupported("scales what is no activation", "Compile the network without it.")
    return value


def _check_channels(node: fx.Node, dim: int) -> None:
    rank = len(shape_of(node) or ())
    if not rank or dim % rank != 1:
        raise Unsupported(f"has its channels in dimension {dim}", "Put channels into dimension 1.")


def _per_channel(node: fx.Node, value: Any) -> Any:
    """Numbers and constant tensors as float64 () or (C,); values that depend on the picture as they are."""
    if isinstance(value, Stored | Joined | Sum):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Tensor):
        raise Unsupported(f"has the operand {value!r}", "Use a number, or a tensor of one value per channel.")
    found = reals(value) if isinstance(value, Tensor) else np.asarray(float(value))
    shape = shape_of(node) or ()
    wide = found.reshape((1,) * (len(shape) - found.ndim) + found.shape) if found.ndim <= len(shape) else found
    if wide.size != 1 and (wide.ndim != len(shape) or wide.size != wide.shape[1]):
        raise Unsupported(f"has an operand of shape {found.shape}", "Use one value per channel, (1, C, 1, 1).")
    return wide.reshape(-1) if wide.size > 1 else wide.reshape(())
