"""Noise on pre-activations: its size, its gradient, and when there is none."""

import pytest
import torch
from torch import nn

from firebit.nn import BoundedRectifier, PreActivationNoise, bounded_rectify, harden
from firebit.nn.growth import rectifiers


def two() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), BoundedRectifier(4, 0.5), nn.Linear(4, 2), BoundedRectifier(2, 0.25))


def test_the_noise_is_uniform_of_its_width() -> None:
    layer = BoundedRectifier(1, 0.25)
    with PreActivationNoise(layer, 2.0):
        y = (layer(torch.zeros(20_000, 1)) - 0.5) / 0.25
    assert y.min() >= -1
    assert y.max() <= 1
    assert y.mean().item() == pytest.approx(0, abs=0.02)
    assert y.var().item() == pytest.approx(4 / 12, rel=0.03)


def test_the_mean_of_a_noisy_step_is_a_bounded_rectifier() -> None:
    y = torch.tensor([-1.5, -0.75, 0.0, 0.5, 1.5]).expand(20_000, 5)
    steep = BoundedRectifier(5, 1e6)
    with PreActivationNoise(steep, 2.0):
        mean = steep(y).mean(0)
    expected = bounded_rectify(y[:1], torch.full((5,), 0.5))[0]
    assert torch.allclose(mean, expected, atol=0.02)


def test_every_unit_and_picture_has_noise_of_its_own_and_the_gradient_is_that_of_the_rectifier() -> None:
    layer = BoundedRectifier(3, 1.0)
    y = torch.zeros(50, 3, 4, requires_grad=True)
    with PreActivationNoise(layer, 1.5):
        f = layer(y)
    f.sum().backward()
    inside = (f > 0) & (f < 1)
    assert len(set(f[inside].tolist())) > 0.95 * inside.sum()
    assert torch.equal(y.grad, inside.float())


def test_none_in_eval_mode_none_of_width_0_and_none_behind_the_statement() -> None:
    model, x = two(), torch.rand(5, 3)
    plain = model(x)
    state = torch.get_rng_state()
    with PreActivationNoise(model, 0.0) as noise:
        assert torch.equal(model(x), plain)
        assert torch.equal(torch.get_rng_state(), state)
        noise.width = 1.0
        assert not torch.equal(model(x), plain)
        model.eval()
        assert torch.equal(model(x), plain)
        model.train()
    assert torch.equal(model(x), plain)
    assert not any(layer._forward_pre_hooks for layer in rectifiers(model).values())


def test_a_network_without_rectifiers_is_left_alone() -> None:
    model = harden(two(), torch.zeros(1, 3)).train()
    x = torch.rand(5, 3)
    with PreActivationNoise(model, 1.0):
        assert torch.equal(model(x), model(x))
