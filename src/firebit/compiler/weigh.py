"""Layers with weights: convolutions and linear layers, on stored values and on joined ones."""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from torch import fx

from firebit.compiler.geometry import conv_padding, pair
from firebit.compiler.value import NO_PADDING, Joined, Part, Reals, Stored, Sum, Unsupported, reals
from firebit.compiler.work import Value, Work, name_of
from firebit.engine.plan import INPUT
from firebit.nn.graph import shape_of


def conv(
    work: Work,
    node: fx.Node,
    input: Value,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Value:
    """conv2d of bits, counts or pixels."""
    weights = reals(weight)
    if padding_mode != "zeros":
        raise Unsupported(f"pads with {padding_mode}", "Use zero padding.")
    if isinstance(input, Joined):
        weights = _ungrouped(weights, groups)
        return _over_members(
            work,
            node,
            input,
            lambda member, channels, add: conv(
                *(work, node, member, weights[:, channels], bias if add else None, stride, padding, dilation)
            ),
        )
    spread = pair(dilation)
    sides = conv_padding(padding, weights.shape[2:], spread)
    if not isinstance(input, Stored):
        raise _real_valued()
    top, bottom, left, right = (a + b for a, b in zip(input.padding, sides, strict=True))
    whole = replace(input, padding=(top, bottom, left, right))
    _check_padding(work, whole)
    factor, weights, moved = whole.read(weights, groups)
    part = Part(
        *(input.source, weights, pair(stride), whole.padding, spread, groups),
        factor=factor,
        scale=np.ones(len(weights)),
    )
    return Sum(name_of(node), (shape_of(node) or ())[1:], (part,), (moved + _bias(bias, weights))[None])


def _check_padding(work: Work, value: Stored) -> None:
    """A cell of padding is 0 to the network: a bit 0 of a layer, or the pixel that stands for it."""
    if value.padding == NO_PADDING:
        return
    if value.source != INPUT:
        if value.shift.any():
            raise Unsupported("pads bits that were shifted", "Shift (or normalise) before the step, not behind it.")
        return
    if value.shift.any() and not value.scale.all():
        raise Unsupported("pads an input that was scaled by 0", "Leave that channel out.")
    safe = np.where(value.scale == 0, 1, value.scale)
    pads = np.abs(-value.shift / (safe * float(value.factor)))
    exact = np.rint(pads)
    signs_agree = (value.shift * value.scale <= 0).all()
    if not signs_agree or (np.abs(pads - exact) > 1e-6).any() or (exact > 255).any():
        raise Unsupported(
            "pads an input whose 0 is no pixel: its mean is no whole number of 255ths",
            "Use means of whole 255ths (round(255 · mean) / 255), or no padding in the first layer.",
        )
    if work.pads is not None and (work.pads != exact).any():
        raise Unsupported("pads the input with another value than an earlier layer", "Normalise the input once.")
    work.pads = exact


def linear(work: Work, node: fx.Node, input: Value, weight: Any, bias: Any = None) -> Value:
    """linear, of a vector of bits or counts, or right behind another linear layer."""
    weights = reals(weight)
    name = name_of(node)
    if isinstance(input, Joined):
        return _over_members(
            work,
            node,
            input,
            lambda member, part, add: linear(work, node, member, weights[:, part], bias if add else None),
        )
    if isinstance(input, Sum):
        return input.linear(weights, _bias(bias, weights), name)
    if not isinstance(input, Stored):
        raise _real_valued()
    if len(input.shape) != 1:
        raise Unsupported(f"reads values of shape {input.shape}", "Flatten them first: torch.flatten(x, 1).")
    factor, whole, moved = input.read(weights)
    part = Part(input.source, whole, factor=factor, scale=np.ones(len(whole)))
    return Sum(name, (len(whole),), (part,), (moved + _bias(bias, weights))[None])


def _over_members(work: Work, node: fx.Node, input: Joined, read: Callable[[Stored, slice, bool], Value]) -> Value:
    """A layer that reads joined maps: the sum of what it makes of each."""
    found: list[Sum] = []

    def one(member: Stored, channels: slice) -> Stored:
        made = read(member, channels, not found)
        assert isinstance(made, Sum)
        found.append(made)
        return member

    input.each(one)
    return reduce(lambda a, b: a.plus(b, name_of(node)), found)


def _real_valued() -> Unsupported:
    return Unsupported(
        "reads real values: there is no step between it and the layer before it",
        "Put an activation between both, or make them one layer.",
    )


def _ungrouped(weights: Reals, groups: int) -> Reals:
    """Weights (O, I / groups, kh, kw) of a grouped convolution as those of a full one, (O, I, kh, kw)."""
    outputs, inputs, *kernel = weights.shape
    whole = np.zeros((groups, outputs // groups, groups, inputs, *kernel))
    own = np.arange(groups)
    whole[own, :, own] = weights.reshape(groups, outputs // groups, inputs, *kernel)
    return whole.reshape(outputs, groups * inputs, *kernel)


def _bias(bias: Any, weights: Reals) -> Reals:
    return np.zeros(len(weights)) if bias is None else reals(bias)
