"""Centred layers against their definition: conv(f − ½, W) + b with the cells outside at −½."""

import torch
import torch.nn.functional as F

from firebit.nn import CentredConv2d, CentredLinear


def test_centred_linear() -> None:
    layer = CentredLinear(3, 2).double()
    f = torch.rand(4, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(f), (f - 0.5) @ layer.weight.T + layer.bias, atol=1e-12, rtol=0)


def test_centred_convolution_pads_with_bit_0() -> None:
    layer = CentredConv2d(2, 3, 3, padding=1, stride=2).double()
    f = torch.rand(2, 2, 5, 5, dtype=torch.float64)
    shifted = F.pad(f, (1, 1, 1, 1)) - 0.5
    expected = F.conv2d(shifted, layer.weight, layer.bias, stride=2)
    torch.testing.assert_close(layer(f), expected, atol=1e-12, rtol=0)


def test_grouped_and_without_bias() -> None:
    layer = CentredConv2d(4, 4, 3, groups=2, bias=False).double()
    f = torch.rand(1, 4, 5, 5, dtype=torch.float64)
    expected = F.conv2d(f - 0.5, layer.weight, groups=2)
    torch.testing.assert_close(layer(f), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(layer.plain()(f), expected, atol=1e-12, rtol=0)


def test_plain_is_an_ordinary_layer_of_the_same_function() -> None:
    conv, linear = CentredConv2d(2, 3, 3, padding=1).double(), CentredLinear(6, 2).double()
    f, g = torch.rand(2, 2, 4, 4, dtype=torch.float64), torch.rand(5, 6, dtype=torch.float64)
    assert type(conv.plain()) is torch.nn.Conv2d and type(linear.plain()) is torch.nn.Linear
    torch.testing.assert_close(conv.plain()(f), conv(f), atol=1e-12, rtol=0)
    torch.testing.assert_close(linear.plain()(g), linear(g), atol=1e-12, rtol=0)
