"""Slope growth against its closed forms and against the flow of its loss; groups and the entropy penalty."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, EntropyPenalty, SlopeGrowth, entropy_penalty, param_groups
from firebit.nn.growth import grow


def net(*slopes: float) -> nn.Sequential:
    return nn.Sequential(*(BoundedRectifier(1, slope) for slope in slopes)).double()


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        ("log", lambda k, t: math.sqrt(k**2 + 2 * t)),
        ("inverse", lambda k, t: (k**3 + 3 * t) ** (1 / 3)),
        ("inverse_square", lambda k, t: (k**4 + 8 * t) ** (1 / 4)),
    ],
)
def test_many_steps_equal_the_closed_form(law: str, expected) -> None:  # type: ignore[no-untyped-def]
    model = net(1.0)
    nn.init.constant_(model[0].slope, 0.3)  # type: ignore[arg-type]
    growth = SlopeGrowth(model, 1e-3, law=law)
    for _ in range(500):
        growth.step()
    assert model[0].slope.item() == pytest.approx(expected(0.3, 0.5), abs=1e-9)


@pytest.mark.parametrize(
    ("law", "force"),
    [("log", lambda k: 1 / k), ("inverse", lambda k: 1 / k**2), ("inverse_square", lambda k: 2 / k**3)],
)
def test_a_small_step_follows_the_loss_downhill(law: str, force) -> None:  # type: ignore[no-untyped-def]
    # d|k| = −λ·∂loss/∂|k| for the losses −log|k|, 1/|k|, 1/k².
    k = torch.tensor([1.7], dtype=torch.float64)
    moved = grow(k, 1e-7, law) - k
    assert moved.item() == pytest.approx(1e-7 * force(1.7), rel=1e-5)


@given(st.floats(-5, 5), st.floats(0, 10), st.sampled_from(["log", "inverse", "inverse_square"]))
def test_growth_keeps_the_sign_and_never_shrinks(k: float, strength: float, law: str) -> None:
    grown = grow(torch.tensor([k], dtype=torch.float64), strength, law).item()
    assert abs(grown) >= abs(k) - 1e-12
    assert (grown < 0) == (k < 0 and grown != 0)


def test_growth_from_zero_is_finite_and_upwards() -> None:
    assert grow(torch.zeros(1), 0.5).item() == 1.0


def test_strengths_per_layer() -> None:
    model = nn.Sequential(BoundedRectifier(1), BoundedRectifier(1), BoundedRectifier(1))
    SlopeGrowth(model, {"0": 1.5, "2": 4.0}).step()
    assert [layer.slope.item() for layer in model] == [2.0, 1.0, 3.0]  # type: ignore[operator,union-attr]


def test_a_schedule_is_linear_between_its_points() -> None:
    growth = SlopeGrowth(net(1.0), 1.0, schedule=[(10, 0.0), (20, 1.0)])
    factors = []
    for step in (0, 10, 15, 20, 99):
        growth.steps = step
        factors.append(growth.factor())
    assert factors == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_layers_may_have_schedules_of_their_own() -> None:
    model = net(1.0, 1.0, 1.0, 1.0)
    growth = SlopeGrowth(model, 1.5, schedule={"*": [(0, 0.0), (3, 1.0)], "1": [(0.5, 1.0), (2.5, 0.0)], "2": []})
    # The factors of steps 0, 1 and 2; "2" has no points, so that its strength stays.
    expected = {"0": 0 + 1 / 3 + 2 / 3, "1": 1 + 0.75 + 0.25, "2": 3, "3": 0 + 1 / 3 + 2 / 3}
    for _ in range(3):
        growth.step()
    for name, total in expected.items():
        slope = model.get_submodule(name).slope.item()  # type: ignore[operator,union-attr]
        assert slope == pytest.approx(math.sqrt(1 + 2 * 1.5 * total), abs=1e-6)


def test_a_layer_without_a_schedule_of_its_own_keeps_its_strength() -> None:
    growth = SlopeGrowth(net(1.0, 1.0), 1.0, schedule={"1": [(0, 0.25)]})
    assert (growth.factor("0"), growth.factor("1")) == (1.0, 0.25)


@pytest.mark.parametrize("schedule", [[(0, 0.0), (10, 1.0)], {"0": [(0.5, 0.0), (10.5, 1.0)]}])
def test_the_state_survives_json_and_continues(schedule) -> None:  # type: ignore[no-untyped-def]
    one, two = net(0.5), net(0.5)
    growth = SlopeGrowth(one, 0.1, schedule=schedule, law="inverse")
    for _ in range(7):
        growth.step()
    twin = SlopeGrowth(two, 0.0)
    twin.load_state_dict(json.loads(json.dumps(growth.state_dict())))
    two.load_state_dict(one.state_dict())
    for each in (growth, twin):
        for _ in range(5):
            each.step()
    assert one[0].slope.item() == two[0].slope.item()
    assert twin.steps == 12
    assert twin.state_dict() == growth.state_dict()


@pytest.mark.parametrize("strength", [-1e-4, float("nan"), {"0": -1}, {"missing": 1.0}])
def test_bad_strengths_are_refused(strength) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError):
        SlopeGrowth(net(1.0), strength)


def test_a_model_without_rectifiers_is_refused() -> None:
    with pytest.raises(UsageError, match="rectify"):
        SlopeGrowth(nn.Linear(1, 1))


@pytest.mark.parametrize(
    "schedule",
    [[(5, 1.0), (5, 2.0)], [(0, -1.0)], [(0, float("nan"))], [(float("nan"), 1.0), (5, 1.0)], {"0": [(0, -1.0)]}],
)
def test_bad_schedules_are_refused(schedule) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="schedule"):
        SlopeGrowth(net(1.0), schedule=schedule)


def test_a_schedule_for_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="'7' matches no bounded rectifier"):
        SlopeGrowth(net(1.0), 1.0, schedule={"7": [(0, 1.0)]})


def test_only_weights_decay() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), BoundedRectifier(2), nn.Linear(2, 2))
    model[1].weight.requires_grad_(False)
    groups = {group["name"]: group for group in param_groups(model, 0.1)}
    assert [p.shape for p in groups["weights"]["params"]] == [(2, 1, 3, 3), (2, 2)]
    assert groups["weights"]["weight_decay"] == 0.1
    assert groups["slopes"]["params"] == [model[2].slope] and groups["slopes"]["weight_decay"] == 0
    assert len(groups["shifts"]["params"]) == 3 and groups["shifts"]["weight_decay"] == 0
    torch.optim.AdamW(param_groups(model, 0.1), lr=0.1)


def test_entropy_by_hand() -> None:
    f = torch.tensor([0.5, 0.25, 0.0, 1.0], dtype=torch.float64)
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert entropy_penalty(f).item() == pytest.approx((math.log(2) + quarter) / 4, abs=2e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_entropy_of_decided_halves_has_no_gradient(dtype: torch.dtype) -> None:
    # Neither type has a number between 1 − 1e-6 and 1.
    activation = torch.tensor([0.0, 1.0, 0.5, 0.25], dtype=dtype, requires_grad=True)
    penalty = entropy_penalty(activation)
    penalty.backward()
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert penalty.item() == pytest.approx((math.log(2) + quarter) / 4, abs=1e-4)
    assert activation.grad is not None
    assert activation.grad.tolist() == pytest.approx([0, 0, 0, math.log(3) / 4], rel=1e-2)


def test_the_penalty_pushes_away_from_one_half_and_has_no_nan() -> None:
    f = torch.tensor([0.4, 0.6, 0.0, 1.0], dtype=torch.float64, requires_grad=True)
    entropy_penalty(f).backward()
    assert f.grad is not None
    assert f.grad[0] > 0 > f.grad[1]
    assert f.grad[2:].tolist() == [0.0, 0.0]


def test_the_collector_weighs_layers_and_detaches_itself() -> None:
    model = net(1.0, 1.0)
    with EntropyPenalty(model, {"0": 1.0, "1": 10.0}) as penalty:
        model(torch.zeros(1, 1, dtype=torch.float64))  # f = ½, then k·½ + ½ = 1
        assert penalty.total().item() == pytest.approx(math.log(2), abs=2e-4)
        with pytest.raises(UsageError):
            penalty.total()
    model(torch.zeros(1, 1, dtype=torch.float64))
    assert not model[0]._forward_hooks
