"""Interval bounds of pre-activations against hand-computed extremes and random inputs."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.measure import clipped_units
from firebit.nn.rectify import rectify


def test_what_cannot_be_bounded_is_named() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.ReLU())
    with pytest.raises(UsageError, match="activation 2 cannot be bounded"):
        rectify(net, torch.zeros(1, 3), exact="bound")


def test_bounds_hold_and_are_reached_by_a_single_layer() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU()).double()
    model = rectify(net, torch.zeros(1, 2, 5, 5).double(), exact="bound", input_range=(0.0, 1.0))
    largest = net[0].weight.clamp(min=0).sum((1, 2, 3)) + net[0].bias
    expected = torch.where(largest > 0, largest, 1.0)
    torch.testing.assert_close(1 / model.get_submodule("1").slope, expected, rtol=1e-3, atol=0)


def test_a_range_per_channel() -> None:
    net = nn.Sequential(nn.Conv2d(2, 1, 1, bias=False), nn.ReLU()).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([3.0, -2.0]).view(1, 2, 1, 1))
    low = torch.tensor([0.0, -4.0]).view(2, 1, 1)
    model = rectify(net, torch.zeros(1, 2, 3, 3).double(), exact="bound", input_range=(low, low + 1))
    # At most 3·1 − 2·(−4) = 11.
    assert model.get_submodule("1").slope.item() == pytest.approx(1 / 11, rel=1e-4)


class Arithmetic(nn.Module):
    """Differences, products, gates, quotients, LRN and weights used by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(3, 4)
        self.weight = nn.Parameter(torch.randn(4, 4))
        self.lrn = nn.LocalResponseNorm(3)

    def forward(self, x: Tensor) -> Tensor:
        p, q = F.relu(self.a(x)), torch.sigmoid(self.b(x))
        r = F.relu(p * q - q / 2 - (-p))
        s = F.relu(F.linear(2 - r, self.weight))
        return F.relu(self.lrn(s.view(-1, 4, 1)).flatten(1) - 0.1)


def test_arithmetic_is_bounded() -> None:
    torch.manual_seed(0)
    net = Arithmetic().double()
    model = rectify(net, torch.zeros(1, 3).double(), exact="bound")
    x = torch.rand(500, 3).double().round(decimals=1)
    assert (model(x) - net(x)).abs().max() < 1e-9
    assert not any(clipped_units(model, [x]).values())
