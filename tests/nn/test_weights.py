"""Binary weights: thresholds by hand, the bounded weight against its definition, and what compiling makes of them."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrize

import firebit as fb
from firebit.compiler.agreement import agreement
from firebit.compiler.compile import compile_with_report
from firebit.engine.cost import cost
from firebit.errors import UsageError
from firebit.nn import (
    BoundedRectifier,
    BoundedWeight,
    CentredConv2d,
    CentredLinear,
    Step,
    StraightThroughStep,
    WeightGrowth,
    binarize,
    bound_weights,
    harden,
    harden_weights,
    param_groups,
    snap,
    weight_census,
)
from firebit.nn.weights import bounded_weights, thresholded

BLANK = torch.zeros(1, 1, 8, 8)
# Scales are float32: means that it can only hold as subnormal numbers are rounded, and no network has such weights.
sizes = st.floats(-4, 4, width=32).map(lambda value: value if abs(value) >= 2**-60 else 0.0)
weights = st.lists(sizes, min_size=2, max_size=12)


def net(kind: str = "plain", norm: bool = True) -> nn.Sequential:
    torch.manual_seed(5)
    conv, linear = (nn.Conv2d, nn.Linear) if kind == "plain" else (CentredConv2d, CentredLinear)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6) if norm else nn.Identity(), BoundedRectifier(6),
        conv(6, 8, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(8) if norm else nn.Identity(),
        BoundedRectifier(8, "normal"), nn.Flatten(),
        linear(128, 12), BoundedRectifier(12), linear(12, 4),
    )  # fmt: skip
    for module in model:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 1)
    return model.eval()


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def unchanged(model: nn.Module, before: dict[str, Tensor]) -> bool:
    now = model.state_dict()
    return set(now) == set(before) and all(torch.equal(now[name], before[name]) for name in before)


def grown(model: nn.Module, slope: float) -> nn.Module:
    """All slopes at one value."""
    for bounded in bounded_weights(model).values():
        bounded.slope.fill_(slope)
    return model


# Thresholding


def test_thresholds_by_hand() -> None:
    weight = torch.tensor([[1.0, -2.0, 0.0, 5.0], [0.0, 0.0, 0.0, 0.0], [-0.5, -0.5, -0.5, -2.5]])
    assert thresholded(weight).tolist() == [[2.0, -2.0, 2.0, 2.0], [0.0] * 4, [-1.0] * 4]
    assert thresholded(weight, shared=True).tolist() == [[1.0, -1.0, 1.0, 1.0], [1.0] * 4, [-1.0] * 4]
    kernel = torch.tensor([[[[1.0, -3.0]]], [[[-8.0, 8.0]]]])
    assert thresholded(kernel).tolist() == [[[[2.0, -2.0]]], [[[-8.0, 8.0]]]]


@given(st.integers(1, 4), weights, st.booleans())
def test_thresholding_gives_one_size_per_channel_and_is_done_once(
    channels: int, row: list[float], shared: bool
) -> None:
    weight = torch.stack([torch.tensor(row).roll(at) * (at + 1) for at in range(channels)])
    found = thresholded(weight, shared=shared)
    sizes = found.abs().flatten() if shared else found.abs()
    assert (sizes == (sizes[0] if shared else sizes[:, :1])).all()
    assert torch.equal(found >= 0, (weight >= 0) | (found == 0))
    torch.testing.assert_close(thresholded(found, shared=shared), found, rtol=1e-6, atol=0)


def test_without_a_scale_weights_are_1_and_everything_behind_sees_other_sums() -> None:
    weight = torch.tensor([[1.0, -2.0, 0.0, 5.0], [0.0, 0.0, 0.0, -3.0]])
    assert thresholded(weight, scaled=False).tolist() == [[1, -1, 1, 1], [1, 1, 1, -1]]
    assert thresholded(weight, shared=True, scaled=False).tolist() == [[1, -1, 1, 1], [1, 1, 1, -1]]
    plain, scaled = binarize(net(), BLANK, scaled=False), binarize(net(), BLANK)
    for at in (3, 8, 10):
        assert torch.equal(plain[at].weight, scaled[at].weight.sign())
    assert torch.equal(plain[0].weight, scaled[0].weight)


@given(weights.filter(any))
def test_no_other_scale_is_nearer(row: list[float]) -> None:
    weight = torch.tensor([row], dtype=torch.float64)
    found = thresholded(weight)
    error = (found - weight).square().sum()
    for factor in (0.9, 0.999, 1.001, 1.1):
        assert (found * factor - weight).square().sum() >= error


def test_binarize_leaves_the_first_layer_the_biases_and_the_original() -> None:
    model = net()
    before = state(model)
    binary = binarize(model, BLANK)
    assert unchanged(model, before)
    after = state(binary)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["3.weight", "8.weight", "10.weight"]
    assert torch.equal(after["3.weight"], thresholded(before["3.weight"]))
    # Logits must stay comparable: one scale for all.
    assert torch.equal(after["10.weight"], thresholded(before["10.weight"], shared=True))
    assert after["10.weight"].abs().unique().numel() == 1 and after["8.weight"].abs().unique().numel() == 12


def test_binary_weights_are_fixed_and_everything_else_is_trained() -> None:
    trained = {name for name, parameter in binarize(net(), BLANK).named_parameters() if parameter.requires_grad}
    everything = {name for name, _ in net().named_parameters()}
    assert everything - trained == {"3.weight", "8.weight", "10.weight"}


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        ({}, ["3", "8", "10"]),
        ({"last": False}, ["3", "8"]),
        ({"first": True}, ["0", "3", "8", "10"]),
        ({"exclude": "8"}, ["3", "10"]),
        ({"exclude": ["3", "1?"]}, ["8"]),
    ],
)
def test_layers_are_chosen_by_place_and_name(options: dict[str, Any], layers: list[str]) -> None:
    binary, soft = binarize(net(), BLANK, **options), bound_weights(net(), BLANK, **options)
    assert [name for name, share in weight_census(binary).items() if share == 1] == layers
    assert list(bounded_weights(soft)) == layers


@pytest.mark.parametrize("hidden", [Step(torch.zeros(3), torch.ones(3)), StraightThroughStep(3)])
def test_steps_are_bits_too(hidden: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(2, 3), hidden, nn.Linear(3, 2))
    assert list(bounded_weights(bound_weights(model, torch.zeros(1, 2)))) == ["2"]


@pytest.mark.parametrize("make", [binarize, bound_weights])
def test_what_leaves_no_layer_is_refused(make: Any) -> None:
    relu = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with pytest.raises(UsageError, match="no convolution or linear layer"):
        make(relu, torch.zeros(1, 2))
    with pytest.raises(UsageError, match=r"'conv\*' matches no layer"):
        make(net(), BLANK, exclude="conv*")


def test_layers_with_a_rule_of_their_own_are_passed_over() -> None:
    model = net()
    nn.utils.parametrizations.weight_norm(model[3])
    soft = bound_weights(model, BLANK)
    assert list(bounded_weights(soft)) == ["8", "10"]
    with pytest.raises(UsageError, match="no convolution"):
        bound_weights(soft, BLANK)


# The bounded weight


def test_the_bounded_weight_by_hand() -> None:
    weight = torch.tensor([[0.5, -1.0, 2.0, -4.5]])
    bounded = BoundedWeight(weight)
    # Mean 2, largest 4.5.
    assert bounded.slope.tolist() == pytest.approx([2 / 4.5])
    torch.testing.assert_close(bounded(weight), weight)
    bounded.slope.fill_(1.0)
    # clip(w / 2) = ¼, −½, 1, −1, of mean size 11/16; s = 2 · 16/11.
    scale = 32 / 11
    torch.testing.assert_close(bounded(weight), scale * torch.tensor([[0.25, -0.5, 1.0, -1.0]]))
    bounded.slope.fill_(4.0)
    assert bounded(weight).tolist() == [[2.0, -2.0, 2.0, -2.0]]


@given(st.integers(1, 3), weights.filter(any), st.floats(0.05, 1e4), st.booleans())
def test_the_mean_size_stays_and_the_limit_is_the_threshold(
    channels: int, row: list[float], slope: float, shared: bool
) -> None:
    weight = torch.stack([torch.tensor(row, dtype=torch.float64) * (at + 1) for at in range(channels)])
    bounded = BoundedWeight(weight, shared=shared).double()
    torch.testing.assert_close(bounded(weight), weight, atol=1e-12, rtol=1e-12)
    bounded.slope.fill_(slope)
    dims = (0, 1) if shared else 1
    torch.testing.assert_close(bounded(weight).abs().mean(dims), weight.abs().mean(dims), atol=0, rtol=1e-12)
    bounded.slope.fill_(1e300)
    expected = torch.where(weight == 0, 0.0, thresholded(weight, shared=shared))
    found = bounded(weight) * (weight != 0).double().mean(dims, keepdim=not shared)
    torch.testing.assert_close(found, expected, atol=0, rtol=1e-12)
    assert torch.equal(bounded.hardened(weight), thresholded(weight, shared=shared))


def test_gradients_are_those_of_the_formula() -> None:
    torch.manual_seed(2)
    for shared in (False, True):
        weight = torch.randn(3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
        bounded = BoundedWeight(weight, shared=shared)
        bounded.slope.mul_(3.0)
        assert torch.autograd.gradcheck(bounded, (weight,))


def test_a_channel_of_zeros_stays_zero_without_nan() -> None:
    weight = torch.tensor([[0.0, 0.0], [1.0, -3.0]], requires_grad=True)
    bounded = BoundedWeight(weight)
    assert bounded.slope.tolist() == pytest.approx([1.0, 2 / 3])
    bounded(weight).sum().backward()
    assert weight.grad is not None and weight.grad.isfinite().all()
    assert bounded(weight)[0].tolist() == bounded.hardened(weight)[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["plain", "centred"])
def test_bounding_keeps_the_function(kind: str) -> None:
    model = net(kind).double()
    before = state(model)
    soft = bound_weights(model, BLANK.double())
    x = torch.rand(5, 1, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(soft(x), model(x), atol=1e-12, rtol=0)
    assert unchanged(model, before)


def test_states_and_copies_continue() -> None:
    soft = grown(bound_weights(net(), BLANK), 2.0)
    x = torch.rand(3, 1, 8, 8)
    twin = bound_weights(net(), BLANK)
    twin.load_state_dict(soft.state_dict())
    assert torch.equal(twin(x), soft(x)) and torch.equal(copy.deepcopy(soft)(x), soft(x))
    assert "3.parametrizations.weight.0.slope" in soft.state_dict()


def test_the_parameters_decay_as_weights_and_slopes_are_not_among_them() -> None:
    soft = bound_weights(net(), BLANK)
    groups = {group["name"]: group["params"] for group in param_groups(soft, 0.1)}
    assert {id(p) for p in groups["weights"]} == {
        id(soft[0].weight), *(id(soft[at].parametrizations.weight.original) for at in (3, 8, 10))
    }  # fmt: skip
    slopes = [id(bounded.slope) for bounded in bounded_weights(soft).values()]
    assert not set(slopes) & {id(p) for p in soft.parameters()}


# Growth


def test_growth_is_that_of_slopes() -> None:
    soft = bound_weights(net(), BLANK)
    for bounded in bounded_weights(soft).values():
        bounded.slope.fill_(3.0)
    growth = WeightGrowth(soft, {"*": 0.4, "8": 8.0, "10": 0.0}, schedule=[(0, 1.0), (1, 0.0)])
    growth.step()
    growth.step()
    # √(9 + 2 · 0.4), √(9 + 16), and none; the second step has factor 0.
    slopes = [bounded.slope[0].item() for bounded in bounded_weights(soft).values()]
    assert slopes == pytest.approx([9.8**0.5, 5.0, 3.0])
    assert growth.steps == 2
    WeightGrowth(soft, {"10": 1.0}, law="inverse").step()
    assert bounded_weights(soft)["10"].slope.item() == pytest.approx(30 ** (1 / 3))


def test_the_state_of_growth_survives_json_and_continues() -> None:
    one, two = bound_weights(net(), BLANK), bound_weights(net(), BLANK)
    growth = WeightGrowth(one, 0.1, schedule=[(0, 0.0), (10, 1.0)], law="inverse")
    for _ in range(7):
        growth.step()
    two.load_state_dict(one.state_dict())
    twin = WeightGrowth(two, 0.0)
    twin.load_state_dict(json.loads(json.dumps(growth.state_dict())))
    for each in (growth, twin):
        for _ in range(5):
            each.step()
    pairs = zip(bounded_weights(one).values(), bounded_weights(two).values(), strict=True)
    assert all(torch.equal(a.slope, b.slope) for a, b in pairs)
    assert twin.steps == 12


def test_growth_of_what_does_not_grow_is_refused() -> None:
    with pytest.raises(UsageError, match="no bounded weights"):
        WeightGrowth(net())
    soft = bound_weights(net(), BLANK)
    with pytest.raises(UsageError, match="'missing' matches no layer"):
        WeightGrowth(soft, {"missing": 1.0})
    with pytest.raises(UsageError, match="law"):
        WeightGrowth(soft, law="exp")
    with pytest.raises(UsageError, match="-1"):
        WeightGrowth(soft, -1)
    with pytest.raises(UsageError, match="schedule"):
        WeightGrowth(soft, schedule=[(5, 1.0), (5, 2.0)])


def test_growth_makes_every_weight_binary() -> None:
    soft = bound_weights(net(), BLANK)
    growth = WeightGrowth(soft, 1.0)
    levels = []
    for _ in range(6):
        for _ in range(50):
            growth.step()
        levels.append(weight_census(soft)["3"])
        growth.strengths = dict.fromkeys(growth.strengths, 30 * growth.strengths["3"])
    assert levels == sorted(levels)
    assert [name for name, share in weight_census(soft).items() if share == 1] == ["3", "8", "10"]


# Hardening


@pytest.mark.parametrize("kind", ["plain", "centred"])
def test_hardened_weights_are_plain_layers_that_compute_the_same(kind: str) -> None:
    soft = grown(bound_weights(net(kind), BLANK), 1e9)
    before = state(soft)
    x = torch.rand(4, 1, 8, 8)
    expected = soft(x)
    hard = harden_weights(soft)
    for at, layer in enumerate(net(kind)):
        assert type(hard[at]) is type(layer)
    assert set(hard.state_dict()) == set(net(kind).state_dict())
    # All weights were ±s already, so that not a bit changes; and the original still works.
    assert torch.equal(hard[3].weight, soft[3].weight) and torch.equal(hard(x), expected)
    assert unchanged(soft, before) and torch.equal(soft(x), expected)
    assert not any(hard[at].weight.requires_grad for at in (3, 8, 10))


def test_hardening_weights_that_are_not_yet_binary_is_thresholding() -> None:
    model = net()
    hard, binary = harden_weights(bound_weights(model, BLANK)), binarize(model, BLANK)
    assert unchanged(hard, state(binary))


def test_a_layer_whose_bias_has_a_rule_keeps_it() -> None:
    class Doubled(nn.Module):
        def forward(self, bias: Tensor) -> Tensor:
            return 2 * bias

    model = net()
    parametrize.register_parametrization(model[8], "bias", Doubled())
    soft = bound_weights(model, BLANK)
    hard = harden_weights(soft)
    assert torch.equal(hard[8].bias, model[8].bias) and torch.equal(soft[8].bias, model[8].bias)
    assert hard[8].weight.abs().unique(dim=1).shape == (12, 1)


def test_a_model_without_bounded_weights_has_none_to_harden() -> None:
    with pytest.raises(UsageError, match="no bounded weights"):
        harden_weights(net())


def test_the_census_by_hand() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, (1, 2), bias=False), nn.Flatten(), nn.Linear(2, 1))
    model[0].weight.data = torch.tensor([[[[1.0, -1.0]]], [[[2.0, 0.5]]]])
    model[2].weight.data = torch.tensor([[-3.0, 3.0]])
    assert weight_census(model) == {"0": 0.75, "2": 1.0}


# With the rest of the library


def test_snap_leaves_bounded_weights_alone() -> None:
    soft = bound_weights(net(), BLANK)
    found = snap(soft, BLANK)
    assert torch.equal(found[3].weight, soft[3].weight) and not torch.equal(found[0].weight, soft[0].weight)


def test_census_and_summary_run_on_bounded_weights() -> None:
    model = net()
    soft, x = bound_weights(model, BLANK), torch.rand(9, 1, 8, 8)
    assert list(fb.nn.census(soft, [x]).layers) == ["2", "6", "9"]
    one, two = fb.nn.summary(model, BLANK), fb.nn.summary(soft, BLANK)
    assert (two.parameters, two.macs) == (one.parameters, one.macs)
    assert [layer.name for layer in two.layers] == [layer.name for layer in one.layers]


def bits_per_weight(model: nn.Module, example: Tensor) -> list[int]:
    plan, report = compile_with_report(model, example)
    assert all(change.largest == 0 for change in report.changes)
    shape = example.shape[1:]
    pixels = np.random.default_rng(0).integers(0, 256, (40, *shape), np.uint8)
    found = agreement(copy.deepcopy(model).double(), plan, pixels)
    assert (found.bits_differ, found.predictions_differ) == (0, 0)
    assert found.bits > 0
    return [term.weight_bits for layer in cost(plan).layers for term in layer.terms]


@pytest.mark.parametrize("kind", ["plain", "centred"])
@pytest.mark.parametrize("norm", [True, False])
def test_compiled_every_weight_takes_one_bit(kind: str, norm: bool) -> None:
    model, x = net(kind, norm), torch.rand(60, 1, 8, 8)
    for binary in (binarize(model, BLANK), harden_weights(grown(bound_weights(model, BLANK), 2.0))):
        hard = snap(harden(binary, BLANK, recalibrate=[x]), BLANK)
        assert bits_per_weight(hard, BLANK) == [16, 1, 1, 1]


def test_snapping_takes_binary_weights_over_or_compiling_does() -> None:
    """Without snapping the first layer is rounded, the binary ones are exact."""
    hard = harden(binarize(net(), BLANK), BLANK)
    _, report = compile_with_report(hard, BLANK)
    assert [change.largest == 0 for change in report.changes] == [False, True, True, True]


def test_soft_weights_that_are_all_clipped_compile_to_one_bit() -> None:
    hard = harden(grown(bound_weights(net(), BLANK), 1e9), BLANK)
    plan, _ = compile_with_report(hard, BLANK)
    assert [layer.terms[0].weight_bits for layer in cost(plan).layers] == [16, 1, 1, 1]


@pytest.mark.parametrize("name", ["lenet", "cifar10_quick", "vgg_small", "plain8"])
@pytest.mark.parametrize("order", ["pool-first", "act-first"])
def test_the_zoo_with_binary_weights(name: str, order: str) -> None:
    torch.manual_seed(0)
    model = fb.zoo.build(name, width=0.1, batch_norm=True, order=order)
    example = fb.zoo.example(name)
    binary = harden_weights(bound_weights(model, example))
    x = torch.rand_like(fb.zoo.example(name, batch=20))
    hard = snap(harden(binary, example, recalibrate=[x]), example)
    found = bits_per_weight(hard, example)
    assert found[0] == 16 and set(found[1:]) == {1}


def test_training_moves_scales_and_decides_signs() -> None:
    """A teacher with weights ±s: bounded weights find its signs, and its scale."""
    torch.manual_seed(3)
    bits = (torch.rand(600, 12) < 0.5).float()
    signs = torch.where(torch.rand(1, 12) < 0.5, -0.7, 0.7)
    wanted = bits @ signs.T
    model = nn.Sequential(StraightThroughStep(12), nn.Linear(12, 1, bias=False))
    nn.init.uniform_(model[1].weight, -0.1, 0.1)
    soft = bound_weights(model, torch.zeros(1, 12))
    optimizer = torch.optim.Adam(soft.parameters(), lr=0.01)
    growth = WeightGrowth(soft, 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        (soft(bits - 0.5) - wanted).square().mean().backward()
        optimizer.step()
        growth.step()
    torch.testing.assert_close(harden_weights(soft)[1].weight, signs, atol=0.02, rtol=0)
