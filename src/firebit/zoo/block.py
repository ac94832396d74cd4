"""What the layers of all networks of the zoo have in common."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import nn

from firebit.errors import UsageError
from firebit.nn.centre import CentredConv2d, CentredDropout, CentredLinear
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.straight import StraightThroughStep

ACTIVATIONS = ("rectifier", "relu", "straight-through")
ORDERS = ("pool-first", "act-first")
RECTIFIED = ("all", "last")
DROPPED = ("all", "first")
CODE_BITS = (12, 4096)
CODE = "code"
"""The name of the activation whose bits are the code."""


@dataclass(frozen=True)
class NetOptions:
    """How to build a network of the zoo.

    Attributes:
        classes: number of classes, ≥ 2.
        channels: channels of the input pictures.
        activation: "rectifier" (bounded, adjustable), "relu" (the baseline of real values) or "straight-through" (steps
            whose gradient is the straight-through estimator: the baseline of bits).
        rectified: which hidden activations are as `activation` says: "all", or only the "last" one, the others being
            ReLUs (the setting of table 1).
        batch_norm: batch norm before every hidden activation. Before a rectifier its scale is fixed to 1, since the
            slope is the scale; its shift is learned and becomes the threshold.
        centred: layers that read codes compute conv(f − ½, W) (see :mod:`firebit.nn.centre`); not in ReLU nets.
        centred_pixels: so does the layer that reads pixels, x − ½, whatever the activations are.
        order: "pool-first" (convolution → pooling → batch norm → activation, so that bits leave every layer) or
            "act-first" (the activation before the pooling, as Caffe has it; average pooling then gives counts).
        max_pooling: max pooling in place of the average poolings between the layers of cifar10_quick. It gives bits on
            either side of the activation: whether any place of the window fires.
        width: multiplier on the channels of every hidden layer.
        slope_init: where slopes start: a number (§3.3 of the paper uses 1) or "normal" (standard normal).
        shift_init: where the shifts of batch norms before rectifiers and straight-through steps start, in standard
            deviations: 0 lets half of all units fire; −1/(2k) puts the lower corner of a rectifier of slope k where
            ReLU has its corner.
        dropout: share of the inputs of the last two linear layers (of the last one, where there is but one) that
            nn.Dropout zeroes while training, 0 ≤ share < 1; 0 adds no module. What a classifier reads behind a code is
            left alone.
        dropped: which of these layers' inputs are dropped from: "all", or only those of the "first" of two.
        code: bits of a layer of codes before the classifier, 12 … 4096, whose activation is named `code`: a bottleneck
            for search. 0: none. With rectified="last" it is the one activation that is as `activation` says.
    """

    classes: int = 10
    channels: int = 1
    activation: str = "rectifier"
    rectified: str = "all"
    batch_norm: bool = False
    centred: bool = False
    centred_pixels: bool = False
    order: str = "pool-first"
    max_pooling: bool = False
    width: float = 1.0
    slope_init: float | str = 1.0
    shift_init: float = 0.0
    dropout: float = 0.0
    dropped: str = "all"
    code: int = 0

    def __post_init__(self) -> None:
        _choice("activation", self.activation, ACTIVATIONS)
        _choice("rectified", self.rectified, RECTIFIED)
        _choice("order", self.order, ORDERS)
        _choice("dropped", self.dropped, DROPPED)
        if self.classes < 2:
            raise UsageError(f"classes={self.classes} is too few.", "Give at least 2.")
        if self.channels < 1:
            raise UsageError(f"channels={self.channels} is not a number of channels.", "Give 1 or 3.")
        if not (math.isfinite(self.width) and self.width > 0):
            raise UsageError(f"width={self.width} is not a multiplier.", "Give a positive number, such as 2.")
        number = isinstance(self.slope_init, int | float) and math.isfinite(self.slope_init)
        if self.slope_init != "normal" and not number:
            raise UsageError(f"slope_init={self.slope_init} is not a slope.", 'Give a finite number, or "normal".')
        if not math.isfinite(self.shift_init):
            raise UsageError(f"shift_init={self.shift_init} is not a shift.", "Give a finite number, such as -1.")
        if self.shift_init and not self.batch_norm:
            raise UsageError(
                f"shift_init={self.shift_init} is the shift of a batch norm, and there is none.",
                "Set batch_norm to true, or leave it out.",
            )
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout={self.dropout} is not a share.", "Give a number from 0 to below 1, such as 0.5.")
        shortest, longest = CODE_BITS
        if self.code and not shortest <= self.code <= longest:
            raise UsageError(
                f"code={self.code} is no length of a code.",
                f"Give {shortest} to {longest} bits, or 0 for no layer of codes.",
            )

    def inner(self) -> "NetOptions":
        """The options of every hidden layer but the last."""
        return replace(self, activation="relu") if self.rectified == "last" else self

    def before_head(self) -> "NetOptions":
        """The options of the last hidden layer that is no layer of codes."""
        return self.inner() if self.code else self

    def behind_dropout(self) -> "NetOptions":
        """The options of what comes behind the first of two layers that drop."""
        return replace(self, dropout=0.0) if self.dropped == "first" else self

    def scaled(self, units: int, groups: int = 1) -> int:
        """`units` times the width, rounded to a multiple of `groups`, at least one of each group."""
        return groups * max(1, round(units * self.width / groups))


@dataclass(frozen=True)
class NormedOptions(NetOptions):
    """The same options, with batch norm unless it is turned off: of deep networks, which do not train without."""

    batch_norm: bool = True


@dataclass(frozen=True)
class ImageNetOptions(NetOptions):
    """The same options, with ImageNet's 1000 classes."""

    classes: int = 1000


@dataclass(frozen=True)
class NormedImageNetOptions(NormedOptions):
    """The same options, with ImageNet's 1000 classes, and batch norm unless it is turned off."""

    classes: int = 1000


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{name}={value!r} is not known.", f"Choose one of: {', '.join(allowed)}.")


def conv(
    inputs: int,
    outputs: int,
    kernel: int,
    padding: int,
    options: NetOptions,
    *,
    first: bool,
    bias: bool = True,
    stride: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """A convolution, centred where the options say so: the first for pixels, others for codes, which no ReLU gives."""
    centred = options.centred_pixels if first else options.centred and options.activation != "relu"
    kind = CentredConv2d if centred else nn.Conv2d
    return kind(inputs, outputs, kernel, stride, padding, groups=groups, bias=bias)


def linear(inputs: int, outputs: int, options: NetOptions) -> nn.Linear:
    """A linear layer; centred where it reads codes, of layers with these options, and they say so."""
    centred = options.centred and options.activation != "relu"
    return CentredLinear(inputs, outputs) if centred else nn.Linear(inputs, outputs)


def activation(units: int, options: NetOptions) -> nn.Module:
    """A bounded rectifier, a ReLU or a straight-through step."""
    if options.activation == "rectifier":
        return BoundedRectifier(units, options.slope_init)
    return nn.ReLU() if options.activation == "relu" else StraightThroughStep(units)


def dropout(options: NetOptions) -> nn.Module | None:
    """Dropout if the options want it, around ½ where centred layers read codes."""
    centred = options.centred and options.activation != "relu"
    kind = CentredDropout if centred else nn.Dropout
    return kind(options.dropout) if options.dropout else None


def batch_norm(units: int, options: NetOptions, *, spatial: bool) -> nn.Module | None:
    """Batch norm if the options want it, its scale fixed to 1 before a rectifier, its shift as they say before bits."""
    if not options.batch_norm:
        return None
    norm = nn.BatchNorm2d(units) if spatial else nn.BatchNorm1d(units)
    norm.weight.requires_grad_(options.activation != "rectifier")
    if options.activation != "relu":
        nn.init.constant_(norm.bias, options.shift_init)
    return norm


def head(index: int | str, inputs: int, options: NetOptions) -> list[tuple[str, nn.Module | None]]:
    """The classifier `fc` with the index behind, reading `inputs` units; behind a layer of codes where asked for."""
    drop = (f"drop{index}", dropout(options))
    if not options.code:
        return [drop, (f"fc{index}", linear(inputs, options.classes, options))]
    return [
        drop,
        ("fc_code", linear(inputs, options.code, options.inner())),
        ("norm_code", batch_norm(options.code, options, spatial=False)),
        (CODE, activation(options.code, options)),
        (f"fc{index}", linear(options.code, options.classes, options)),
    ]


def hidden(
    index: int, weights: nn.Conv2d, units: int, options: NetOptions, *, pool: nn.MaxPool2d | None
) -> list[tuple[str, nn.Module | None]]:
    """A convolution, a max pooling or none, batch norm and activation, in the order of the options.

    Named `conv`, `pool`, `norm` and `act` with the index behind.
    """
    pooled = (f"pool{index}", pool)
    norm = (f"norm{index}", batch_norm(units, options, spatial=True))
    act = (f"act{index}", activation(units, options))
    rest = [pooled, norm, act] if options.order == "pool-first" else [norm, act, pooled]
    return [(f"conv{index}", weights), *rest]


def hidden_linear(
    index: int, weights: nn.Linear, units: int, options: NetOptions
) -> list[tuple[str, nn.Module | None]]:
    """A linear layer, batch norm and activation. Named `fc`, `norm` and `act` with the index behind."""
    return [
        (f"fc{index}", weights),
        (f"norm{index}", batch_norm(units, options, spatial=False)),
        (f"act{index}", activation(units, options)),
    ]


def plain(wanted: Sequence[int], pooled: Container[int], options: NetOptions) -> nn.Sequential:
    """A chain of 3×3 convolutions with padding 1 for 32×32 pictures, and a linear layer that gives the classes.

    The convolutions have no bias where batch norm follows, whose shift is one.

    Args:
        wanted: units of each convolution at width 1.
        pooled: which of them, from 1 on, are max-pooled by 2.
        options: of the network.
    """
    inner, side = options.inner(), 32
    units = [options.scaled(each) for each in wanted]
    layers: list[tuple[str, nn.Module | None]] = []
    for index, (before, after) in enumerate(pairwise([options.channels, *units]), 1):
        weights = conv(before, after, 3, 1, inner, first=index == 1, bias=not options.batch_norm)
        own = options.before_head() if index == len(units) else inner
        layers += hidden(index, weights, after, own, pool=nn.MaxPool2d(2, 2) if index in pooled else None)
        side = side // 2 if index in pooled else side
    return stack(*layers, ("flatten", nn.Flatten()), *head(len(units) + 1, units[-1] * side**2, options))


def stack(*layers: tuple[str, nn.Module | None]) -> nn.Sequential:
    """A Sequential of named layers, absent ones left out."""
    net = nn.Sequential()
    for name, layer in layers:
        if layer is not None:
            net.add_module(name, layer)
    return net
