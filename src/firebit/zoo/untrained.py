"""Networks of the zoo to measure speed with: random weights, and bits of which half are set."""

from typing import Any

import torch
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.balance import balance
from firebit.nn.harden import estimate_statistics, harden
from firebit.nn.snap import snap
from firebit.nn.weights import binarize
from firebit.zoo.registry import build, example

WEIGHTS = ("int", "sign")
_PICTURES = 8


def untrained(name: str, *, weights: str = "int", pictures: Tensor | None = None, **options: Any) -> nn.Module:
    """A hardened network of the zoo that was not trained: random weights, and half of the units of each layer fire.

    What an engine can skip depends on how many bits are set, so that untrained networks need thresholds
    (:func:`firebit.nn.balance`) to be as fast, or as slow, as trained ones. :func:`firebit.compile` takes it as it is.

    Args:
        name: one of :func:`firebit.zoo.names`.
        weights: "int": real weights on grids of 16 bits; "sign": of layers that read bits, ±1 times a scale.
        pictures: what half of the units fire for, as the network receives it; None: noise, uniform in 0 … 1.
        **options: of :func:`firebit.zoo.build`, but not `activation`. Weights are He's, from torch's random numbers.

    Raises:
        UsageError: an unknown network, option or kind of weights.
    """
    if weights not in WEIGHTS:
        raise UsageError(f"weights={weights!r} is not known.", f"Choose one of: {', '.join(WEIGHTS)}.")
    seen = noise(name, options.get("channels")) if pictures is None else pictures
    net = build(name, **options)
    he(net)
    if weights == "sign":
        net = binarize(net, seen[:1])  # type: ignore[assignment]
    return balance(harden(snap(net, seen[:1]), seen[:1]), seen)


def untrained_relu(name: str, *, pictures: Tensor | None = None, **options: Any) -> nn.Module:
    """The same network with ReLUs, in eval mode: random weights, and batch norms that fit them.

    Args and errors are those of :func:`untrained`.
    """
    seen = noise(name, options.get("channels")) if pictures is None else pictures
    net = build(name, activation="relu", **options)
    he(net)
    estimate_statistics(net, [seen])
    return net.eval()


def noise(name: str, channels: int | None = None, batch: int = _PICTURES) -> Tensor:
    """Pictures for a network of the zoo, float32 (batch, C, H, W): pixels 0 … 255, all as likely, over 255."""
    return torch.randint(0, 256, example(name, channels, batch).shape) / 255


@torch.no_grad()
def he(net: nn.Module) -> None:
    """Fill the weights of every convolution and linear layer as He et al. 2015 do; biases become 0."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
