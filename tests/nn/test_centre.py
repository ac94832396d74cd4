"""Centred layers against their definition: conv(f − ½, W) + b with the cells outside at −½."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import firebit as fb
from firebit.engine.network import Network
from firebit.nn import BoundedRectifier, CentredConv2d, CentredDropout, CentredLinear, harden, snap
from firebit.nn.trace import trace


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


def test_centred_dropout_puts_the_middle_in_place_of_what_it_drops() -> None:
    layer = CentredDropout(0.2)
    f = torch.cat([torch.zeros(5000), torch.ones(5000), torch.full((5000,), 0.75)])
    seen = layer(f)
    assert {round(value, 6) for value in seen.tolist()} == {0.5, -0.125, 1.125, 0.8125}
    dropped = (seen == 0.5).view(3, 5000).float().mean(1)
    torch.testing.assert_close(dropped, torch.full((3,), 0.2), atol=0.03, rtol=0)
    assert layer.eval()(f) is f


def test_centred_dropout_is_a_module_of_graphs_and_nothing_in_a_plan() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Linear(6, 8), BoundedRectifier(8), CentredDropout(0.5), CentredLinear(8, 4), BoundedRectifier(4)),
        *(CentredDropout(0.5), CentredLinear(4, 3)),
    ).eval()
    example = torch.zeros(1, 6)
    assert sum(isinstance(module, CentredDropout) for module in trace(net, example).modules()) == 2
    hard = harden(snap(net, example), example)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 6), np.uint8)
    expected = hard.double()(torch.from_numpy(pixels).double() / 255)
    found = Network(fb.compile(hard.float(), example)).logits(pixels)
    assert np.allclose(found, expected.detach().numpy(), atol=1e-4)
