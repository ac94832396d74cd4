"""What the layers of all networks of the zoo have in common."""

import math
from dataclasses import dataclass, replace

from torch import nn

from firebit.errors import UsageError
from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.rectifier import BoundedRectifier

ACTIVATIONS = ("rectifier", "relu")
ORDERS = ("pool-first", "act-first")
RECTIFIED = ("all", "last")


@dataclass(frozen=True)
class NetOptions:
    """How to build a network of the zoo.

    Attributes:
        classes: number of classes, ≥ 2.
        channels: channels of the input pictures.
        activation: "rectifier" (bounded, adjustable) or "relu" (the baseline).
        rectified: which hidden activations are rectifiers: "all", or only the "last" one, the others being ReLUs (the
            setting of table 1).
        batch_norm: batch norm before every hidden activation. Before a rectifier its scale is fixed to 1, since the
            slope is the scale; its shift is learned and becomes the threshold.
        centred: layers that read codes compute conv(f − ½, W) (see :mod:`firebit.nn.centre`); rectifier nets only.
        order: "pool-first" (convolution → pooling → batch norm → activation, so that bits leave every layer) or
            "act-first" (the activation before the pooling, as Caffe has it; average pooling then gives counts).
        width: multiplier on the channels of every hidden layer.
        slope_init: where slopes start: a number (§3.3 of the paper uses 1) or "normal" (standard normal).
    """

    classes: int = 10
    channels: int = 1
    activation: str = "rectifier"
    rectified: str = "all"
    batch_norm: bool = False
    centred: bool = False
    order: str = "pool-first"
    width: float = 1.0
    slope_init: float | str = 1.0

    def __post_init__(self) -> None:
        _choice("activation", self.activation, ACTIVATIONS)
        _choice("rectified", self.rectified, RECTIFIED)
        _choice("order", self.order, ORDERS)
        if self.classes < 2:
            raise UsageError(f"classes={self.classes} is too few.", "Give at least 2.")
        if self.channels < 1:
            raise UsageError(f"channels={self.channels} is not a number of channels.", "Give 1 or 3.")
        if not (math.isfinite(self.width) and self.width > 0):
            raise UsageError(f"width={self.width} is not a multiplier.", "Give a positive number, such as 2.")
        number = isinstance(self.slope_init, int | float) and math.isfinite(self.slope_init)
        if self.slope_init != "normal" and not number:
            raise UsageError(f"slope_init={self.slope_init} is not a slope.", 'Give a finite number, or "normal".')

    def inner(self) -> "NetOptions":
        """The options of every hidden layer but the last."""
        return replace(self, activation="relu") if self.rectified == "last" else self

    def scaled(self, units: int) -> int:
        """`units` times the width, rounded, at least 1."""
        return max(1, round(units * self.width))


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{name}={value!r} is not known.", f"Choose one of: {', '.join(allowed)}.")


def conv(inputs: int, outputs: int, kernel: int, padding: int, options: NetOptions, *, first: bool) -> nn.Conv2d:
    """A convolution; centred where it reads codes, of layers with these options, and they say so."""
    centred = options.centred and options.activation == "rectifier" and not first
    kind = CentredConv2d if centred else nn.Conv2d
    return kind(inputs, outputs, kernel, padding=padding)


def linear(inputs: int, outputs: int, options: NetOptions) -> nn.Linear:
    """A linear layer; centred where it reads codes, of layers with these options, and they say so."""
    centred = options.centred and options.activation == "rectifier"
    return CentredLinear(inputs, outputs) if centred else nn.Linear(inputs, outputs)


def activation(units: int, options: NetOptions) -> nn.Module:
    """A bounded rectifier or a ReLU."""
    return BoundedRectifier(units, options.slope_init) if options.activation == "rectifier" else nn.ReLU()


def batch_norm(units: int, options: NetOptions, *, spatial: bool) -> nn.Module | None:
    """Batch norm if the options want it, its scale fixed to 1 before a rectifier."""
    if not options.batch_norm:
        return None
    norm = nn.BatchNorm2d(units) if spatial else nn.BatchNorm1d(units)
    norm.weight.requires_grad_(options.activation == "relu")
    return norm


def stack(*layers: tuple[str, nn.Module | None]) -> nn.Sequential:
    """A Sequential of named layers, absent ones left out."""
    net = nn.Sequential()
    for name, layer in layers:
        if layer is not None:
            net.add_module(name, layer)
    return net
