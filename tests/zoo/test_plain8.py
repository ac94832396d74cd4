"""The plain network of eight layers, counted by hand."""

import torch
from torch import nn

from firebit import zoo
from firebit.nn import Step, harden, summary
from firebit.nn.growth import rectifiers

UNITS = (64, 96, 96, 192, 192, 256, 256)
SIDES = (32, 16, 16, 8, 8, 4, 4)
PAIRS = tuple(zip((3, *UNITS), UNITS, strict=False))
WEIGHTS = sum(9 * before * after for before, after in PAIRS) + 4096 * 10 + 10
MACS = sum(9 * before * after * side**2 for (before, after), side in zip(PAIRS, SIDES, strict=True)) + 4096 * 10


def test_parameters_work_and_memory_are_as_documented() -> None:
    assert (WEIGHTS, MACS) == (1_710_794, 85_565_440)
    net = zoo.build("plain8")
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == WEIGHTS + 2 * sum(UNITS)
    costs = summary(net, zoo.example("plain8"))
    assert sum(costs.macs.values()) == MACS
    # The first, third and fifth map is kept after pooling.
    kept = (16, 16, 8, 8, 4, 4, 4)
    assert [layer.output for layer in costs.hidden] == [(n, s, s) for n, s in zip(UNITS, kept, strict=True)]
    assert costs.hardened_bytes == sum(n * s * s for n, s in zip(UNITS, kept, strict=True)) // 8 == 8_832


def test_layers_in_order() -> None:
    net = zoo.build("plain8", width=0.05)
    convolutions = [name for name, layer in net.named_children() if isinstance(layer, nn.Conv2d)]
    assert convolutions == [f"conv{at}" for at in range(1, 8)]
    assert list(rectifiers(net)) == [f"act{at}" for at in range(1, 8)]
    assert [name for name, layer in net.named_children() if isinstance(layer, nn.MaxPool2d)] == [
        *("pool1", "pool3", "pool5"),
    ]
    assert [name for name, _ in net.named_children()][-2:] == ["flatten", "fc8"]


def test_hardened_every_hidden_activation_is_a_bit() -> None:
    hard = harden(zoo.build("plain8", width=0.05).eval(), zoo.example("plain8"))
    seen: list[torch.Tensor] = []
    steps = [layer for layer in hard.modules() if isinstance(layer, Step)]
    for layer in steps:
        layer.register_forward_hook(lambda _m, _i, output: seen.append(output))
    hard(torch.rand(2, 3, 32, 32))
    assert len(steps) == len(seen) == 7
    assert all(set(bits.unique().tolist()) <= {0.0, 1.0} for bits in seen)
    assert summary(hard, zoo.example("plain8")).hidden_bits == sum(
        layer.units for layer in summary(hard, zoo.example("plain8")).hidden
    )


def test_other_classes_and_channels() -> None:
    assert zoo.build("plain8", width=0.05, classes=7, channels=1)(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
