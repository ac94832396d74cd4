"""VGG-16 against its paper's table, counted by hand, and compiled without loss."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import pytest
import torch
from torch import nn

from firebit import zoo
from firebit.nn import summary
from firebit.nn.growth import rectifiers

# Channels in, channels out, cells a side of what the convolution reads and gives.
CONVOLUTIONS = (
    *((3, 64, 224), (64, 64, 224), (64, 128, 112), (128, 128, 112), (128, 256, 56), (256, 256, 56), (256, 256, 56)),
    *((256, 512, 28), (512, 512, 28), (512, 512, 28), (512, 512, 14), (512, 512, 14), (512, 512, 14)),
)
LINEAR = ((512 * 7 * 7, 4096), (4096, 4096), (4096, 1000))
CHANNELS = sum(outputs for _, outputs, _ in CONVOLUTIONS)
WEIGHTS = sum(9 * i * o for i, o, _ in CONVOLUTIONS) + sum(i * o + o for i, o in LINEAR)
MACS = sum(9 * i * o * side**2 for i, o, side in CONVOLUTIONS) + sum(i * o for i, o in LINEAR)


def test_parameters_and_work_are_those_of_the_paper() -> None:
    assert WEIGHTS + CHANNELS == 138_357_544  # what everyone's VGG-16 has
    assert MACS == 15_470_264_320
    with torch.device("meta"):
        plain = zoo.build("vgg16", activation="relu", batch_norm=False)
        normed = zoo.build("vgg16", activation="relu")
    assert sum(parameter.numel() for parameter in plain.parameters()) == WEIGHTS + CHANNELS
    # A shift and a scale (of rectifiers, a slope) for each unit, in place of the biases of convolutions.
    assert sum(parameter.numel() for parameter in normed.parameters()) == WEIGHTS + 2 * (CHANNELS + 2 * 4096)


def test_work_of_every_layer_is_counted() -> None:
    # At a sixteenth of the width the picture is still of the size of the real one.
    units = [o // 16 for _, o, _ in CONVOLUTIONS]
    wide = 256
    costs = summary(zoo.build("vgg16", width=1 / 16), zoo.example("vgg16"))
    expected = sum(9 * i * o * side**2 for i, o, (*_, side) in zip([3, *units[:-1]], units, CONVOLUTIONS, strict=True))
    assert sum(costs.macs.values()) == expected + 32 * 49 * wide + wide * wide + wide * 1000
    # Pools come before the activation, so that what is kept is small.
    sides = (224, 112, 112, 56, 56, 56, 28, 28, 28, 14, 14, 14, 7)
    kept = [*((n, s, s) for n, s in zip(units, sides, strict=True)), (wide,), (wide,)]
    assert [layer.output for layer in costs.hidden] == kept


def test_layers_in_order() -> None:
    net = zoo.build("vgg16", width=0.02, dropout=0.5)
    names = [name for name, _ in net.named_children()]
    assert names[:7] == ["conv1", "norm1", "act1", "conv2", "pool2", "norm2", "act2"]
    assert names[-11:] == [
        *("act13", "flatten", "fc14", "norm14", "act14", "drop15", "fc15", "norm15", "act15", "drop16", "fc16"),
    ]
    assert [name for name in names if name.startswith("pool")] == ["pool2", "pool4", "pool7", "pool10", "pool13"]
    assert all(layer.bias is None for layer in net if isinstance(layer, nn.Conv2d))
    assert list(rectifiers(net)) == [f"act{at}" for at in range(1, 16)]
    assert list(rectifiers(zoo.build("vgg16", width=0.02, rectified="last"))) == ["act15"]
    assert "drop16" not in dict(zoo.build("vgg16", width=0.02, dropout=0.5, dropped="first").named_children())


def test_one_step_and_a_plan_that_computes_what_torch_computes(whole_way: Callable[..., Any]) -> None:
    done = whole_way("vgg16", width=0.03, classes=7)
    assert isfinite(done.loss)
    assert (done.found.bits_differ, done.found.predictions_differ) == (0, 0)
    assert len(done.plan.layers) == 15
    assert all(done.plan.values[layer.name].largest == 1 for layer in done.plan.layers)


@pytest.mark.slow
def test_the_same_at_the_size_of_the_paper(whole_way: Callable[..., Any]) -> None:
    done = whole_way("vgg16", pictures=2)
    assert (done.found.bits_differ, done.found.predictions_differ) == (0, 0)
