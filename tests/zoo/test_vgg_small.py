"""VGG-small against the definition in the literature on binary networks, counted by hand."""

import pytest
import torch
from torch import nn

from firebit import zoo
from firebit.nn import summary
from firebit.nn.growth import rectifiers

UNITS = (128, 128, 256, 256, 512, 512)
# 3×3 convolutions without bias, then 512·4·4 → 10 with bias.
WEIGHTS = 9 * (3 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512) + 8192 * 10 + 10
MACS = 9 * (
    (3 * 128 + 128 * 128) * 32**2 + (128 * 256 + 256 * 256) * 16**2 + (256 * 512 + 512 * 512) * 8**2
) + 8192 * 10  # fmt: skip


def learned(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)


def test_parameters_and_work_are_those_of_the_literature() -> None:
    assert (WEIGHTS, MACS) == (4_656_522, 607_600_640)
    # Two numbers per channel of each batch norm; or, with rectifiers, its shift and the slope.
    assert learned(zoo.build("vgg_small", activation="relu")) == WEIGHTS + 2 * sum(UNITS)
    net = zoo.build("vgg_small")
    assert learned(net) == WEIGHTS + 2 * sum(UNITS)
    costs = summary(net, zoo.example("vgg_small"))
    assert sum(costs.macs.values()) == MACS
    # What each convolution leaves behind: bits at 32, 16, 16, 8, 8 and 4 cells a side.
    sides = (32, 16, 16, 8, 8, 4)
    assert [layer.output for layer in costs.hidden] == [(n, s, s) for n, s in zip(UNITS, sides, strict=True)]
    assert costs.hardened_bytes == sum(n * s * s for n, s in zip(UNITS, sides, strict=True)) // 8


def test_without_batch_norm_convolutions_have_biases() -> None:
    net = zoo.build("vgg_small", batch_norm=False, activation="relu")
    assert learned(net) == WEIGHTS + sum(UNITS)


def test_width_multiplies_hidden_layers() -> None:
    # 32, 32, 64, 64, 128 and 128 units.
    expected = 9 * (3 * 32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 128 + 128 * 128) + 2048 * 10 + 10
    assert learned(zoo.build("vgg_small", width=0.25, activation="relu")) == expected + 2 * 448


def names(order: str) -> list[str]:
    return [name for name, _ in zoo.build("vgg_small", width=0.05, order=order).named_children()]


def test_every_second_convolution_is_pooled_in_both_orders() -> None:
    assert names("pool-first") == [
        *("conv1", "norm1", "act1", "conv2", "pool2", "norm2", "act2"),
        *("conv3", "norm3", "act3", "conv4", "pool4", "norm4", "act4"),
        *("conv5", "norm5", "act5", "conv6", "pool6", "norm6", "act6", "flatten", "fc7"),
    ]
    assert names("act-first")[3:7] == ["conv2", "norm2", "act2", "pool2"]
    assert sorted(names("act-first")) == sorted(names("pool-first"))


def test_all_hidden_activations_are_rectifiers() -> None:
    net = zoo.build("vgg_small", width=0.05)
    assert list(rectifiers(net)) == [f"act{at}" for at in range(1, 7)]
    last = zoo.build("vgg_small", width=0.05, rectified="last")
    assert list(rectifiers(last)) == ["act6"]


@pytest.mark.parametrize("order", ["pool-first", "act-first"])
def test_pooling_commutes_with_rectifiers_of_positive_slope(order: str) -> None:
    """The largest of some rectified values is the rectified largest: without batch norm both orders are one network."""
    torch.manual_seed(0)
    net = zoo.build("vgg_small", width=0.05, order=order, batch_norm=False, slope_init=0.7).double()
    other = zoo.build("vgg_small", width=0.05, batch_norm=False).double()
    other.load_state_dict(net.state_dict())
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(net(x), other(x), atol=1e-12, rtol=0)


def test_dropout_comes_before_the_only_linear_layer() -> None:
    net = zoo.build("vgg_small", width=0.05, dropout=0.3)
    assert [name for name, _ in net.named_children()][-3:] == ["flatten", "drop7", "fc7"]
