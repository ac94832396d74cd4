"""The straight-through step against its definition, and what harden and compile make of it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import firebit as fb
from firebit.compiler.agreement import agreement
from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, CentredLinear, Step, StraightThroughStep, bounded_rectify, harden


def gradient(y: Tensor, width: float, grad: Tensor) -> Tensor:
    leaf = y.clone().requires_grad_()
    StraightThroughStep(y.shape[1], width)(leaf).backward(grad)
    assert leaf.grad is not None
    return leaf.grad


def test_bits_and_gradients_by_hand() -> None:
    y = torch.tensor([[-1.5, -1.0, -0.0, 0.0, 1e-30, 1.0, 1.5]])
    assert StraightThroughStep(7)(y).tolist() == [[0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]]
    grad = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]])
    assert gradient(y, 2.0, grad).tolist() == [[0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0]]
    assert gradient(y, 3.0, grad).tolist() == grad.tolist()


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=6), st.floats(0.01, 6), st.floats(-3, 3, width=32))
def test_the_gradient_is_the_identity_within_half_the_width(values: list[float], width: float, grad: float) -> None:
    y = torch.tensor([values], dtype=torch.float64)
    expected = [grad if abs(value) <= width / 2 else 0.0 for value in values]
    assert gradient(y, width, torch.full_like(y, grad)).tolist() == [expected]


def test_with_width_1_gradients_pass_where_they_pass_a_rectifier_of_slope_1() -> None:
    y = torch.linspace(-1, 1, 41, dtype=torch.float64)[None].requires_grad_()
    bounded_rectify(y, torch.ones(41, dtype=torch.float64)).sum().backward()
    assert y.grad is not None
    assert torch.equal(y.grad, gradient(y.detach(), 1.0, torch.ones_like(y)))


def test_channels_in_the_last_dimension() -> None:
    y = torch.randn(2, 5, 3)
    assert torch.equal(StraightThroughStep(3, dim=-1)(y), (y >= 0).float())
    assert StraightThroughStep(3, dim=-1).hardened().dim == -1


def test_it_keeps_the_dtype() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert StraightThroughStep(2)(torch.zeros(1, 2, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, math.inf])
def test_widths_that_are_none_are_refused(width: float) -> None:
    with pytest.raises(UsageError, match="width"):
        StraightThroughStep(2, width)


def test_no_channels_are_refused() -> None:
    with pytest.raises(UsageError, match="channels=0"):
        StraightThroughStep(0)


def test_nothing_of_it_is_saved_or_trained() -> None:
    step = StraightThroughStep(3)
    assert not step.state_dict() and not list(step.parameters())
    assert repr(step) == "StraightThroughStep(3, width=2)"


def small() -> nn.Sequential:
    """Random weights and batch norms of either sign, straight-through steps, a centred last layer."""
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.MaxPool2d(2), nn.BatchNorm2d(6), StraightThroughStep(6), nn.Flatten(),
        nn.Linear(54, 8), nn.BatchNorm1d(8), StraightThroughStep(8), CentredLinear(8, 3),
    )  # fmt: skip
    for norm in (net[2], net[6]):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias, std=0.3)
        norm.momentum = 1.0
    net(torch.rand(200, 1, 8, 8))  # leaves its statistics in the batch norms
    return net.double().eval()


def test_hardening_folds_batch_norm_and_keeps_every_bit() -> None:
    net, example = small(), torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    hard = harden(net, example)
    assert type(hard[3]) is Step and isinstance(hard[2], nn.Identity) and isinstance(hard[6], nn.Identity)
    assert isinstance(net[3], StraightThroughStep)
    # Where the scale of batch norm is negative, the folded unit fires below its threshold.
    assert torch.equal(hard[3].direction.sign(), net[2].weight.sign().to(torch.int8))
    x = torch.rand(40, 1, 8, 8, dtype=torch.float64)
    bits = net[7](net[:7](x))
    assert torch.equal(hard[:8](x), bits) and 0.2 < bits.mean() < 0.8
    torch.testing.assert_close(hard(x), (bits - 0.5) @ net[8].weight.T + net[8].bias, atol=1e-12, rtol=0)


def test_only_some_can_be_hardened_beside_rectifiers() -> None:
    net = nn.Sequential(nn.Linear(2, 2), BoundedRectifier(2), nn.Linear(2, 2), StraightThroughStep(2))
    hard = harden(net, torch.zeros(1, 2), layers="last")
    assert type(hard[3]) is Step and isinstance(hard[1], BoundedRectifier)
    assert all(type(harden(net, torch.zeros(1, 2))[at]) is Step for at in (1, 3))


def test_the_compiled_network_has_every_bit() -> None:
    example = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    hard = fb.nn.snap(harden(small(), example), example)
    plan = fb.compile(hard, example, report=False)
    found = agreement(hard, plan, np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8), np.uint8))
    assert (found.bits, found.bits_differ, found.predictions_differ) == (50 * (54 + 8), 0, 0)


def test_census_and_summary_see_bits() -> None:
    net = small()
    level = fb.nn.census(net, [torch.randn(9, 1, 8, 8, dtype=torch.float64)])
    assert level.level == 1.0 and list(level.layers) == ["3", "7"]
    bits = {layer.name: layer.bits for layer in fb.nn.summary(net, torch.zeros(1, 1, 8, 8).double()).layers}
    assert bits["3"] == bits["7"] == 1


def test_training_finds_weights_that_separate() -> None:
    """Bits learn: an exclusive or of two inputs through a hidden layer of steps."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 8), StraightThroughStep(8), nn.Linear(8, 2))
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    labels = torch.tensor([0, 1, 1, 0])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()
    assert net(x).argmax(1).tolist() == labels.tolist()
