"""Xavier and He, by their definitions."""

import math

import pytest
import torch
from torch import nn

from firebit.errors import UsageError
from firebit.nn.rectifier import BoundedRectifier
from firebit.train.initialise import initialise


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(10, 40, 5), BoundedRectifier(40, 0.3), nn.Flatten(), nn.Linear(400, 300))


def test_xavier_is_uniform_within_its_bound() -> None:
    net = network()
    initialise(net, "xavier")
    for layer, fan_in, fan_out in ((net[0], 250, 1000), (net[3], 400, 300)):
        bound = math.sqrt(6 / (fan_in + fan_out))
        size = layer.weight.detach().abs()  # type: ignore[union-attr, operator]
        assert size.max() <= bound
        assert size.max() > 0.99 * bound
        assert size.mean().item() == pytest.approx(bound / 2, rel=0.02)


def test_he_is_normal_with_variance_two_by_fan_in() -> None:
    net = network()
    initialise(net, "he")
    for layer, fan_in in ((net[0], 250), (net[3], 400)):
        weight = layer.weight.detach()  # type: ignore[union-attr]
        assert weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)
        assert (weight.abs() > 2 * weight.std()).float().mean().item() == pytest.approx(0.0455, abs=0.01)


def test_biases_become_zero_and_slopes_stay() -> None:
    net = network()
    initialise(net)
    assert not net[0].bias.any()  # type: ignore[union-attr, operator]
    assert not net[3].bias.any()  # type: ignore[union-attr, operator]
    assert torch.equal(net[1].slope.detach(), torch.full((40,), 0.3))  # type: ignore[union-attr, operator]


def test_the_same_seed_gives_the_same_weights() -> None:
    nets = []
    for _ in range(2):
        nets.append(network())
        torch.manual_seed(5)
        initialise(nets[-1])
    assert torch.equal(nets[0][0].weight, nets[1][0].weight)  # type: ignore[arg-type]


def test_a_layer_without_bias() -> None:
    initialise(nn.Linear(2, 3, bias=False))


def test_another_method_is_refused() -> None:
    with pytest.raises(UsageError, match="Unknown initialisation 'zeros'"):
        initialise(network(), "zeros")
