"""Shares of ones, by hand and against the network's own bits."""

import numpy as np
import pytest
import torch
from torch import nn

import firebit as fb
from firebit.paper.sparsity import Sparsity, sparsity, table


def test_ones_of_every_layer_are_the_mean_of_its_bits() -> None:
    digits, network = fb.data.load("digits", "test").subset(np.arange(700)), fb.load("mnist-lenet", threads=1)
    found = sparsity(network, digits, None)
    assert [each.layer for each in found] == ["act1", "act2", "act3"]
    for each in found:
        bits = network.bits(digits.images, each.layer)
        assert each.units == bits[0].size
        assert each.ones == pytest.approx(bits.mean())
        assert each.relu is None


def test_relus_by_hand() -> None:
    digits, network = fb.data.load("digits", "test").subset(np.arange(600)), fb.load("mnist-lenet", threads=1)
    model = nn.Sequential()
    model.add_module("flat", nn.Flatten())
    model.add_module("shift", nn.Linear(784, 2))
    model.add_module("act3", nn.ReLU())
    with torch.no_grad():
        model.shift.weight.zero_()
        model.shift.weight[0, 100] = 1
        model.shift.bias.copy_(torch.tensor([-0.5, 1.0]))
    found = sparsity(network, digits, model)
    bright = (digits.images.reshape(600, -1)[:, 100] > 127.5).mean()
    assert found[2].relu == pytest.approx((1 + bright) / 2)
    assert found[0].relu is None


def test_the_table() -> None:
    lines = table([Sparsity("act1", 8192, 0.25, 0.4), Sparsity("act2", 64, 0.515, None)])
    assert lines[2:] == [
        "| act1 | 8,192 | 25.0 % | 75.0 % | 60.0 % |",
        "| act2 | 64 | 51.5 % | 48.5 % | – |",
    ]
