"""Which stages a recipe gives, their learning rates by hand, and what each of them trains."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.nn.harden import harden, select
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.train.recipe import Optimizer, Recipe, make_recipe
from firebit.train.stage import (
    Stage,
    begin_training,
    build_network,
    example_of,
    freeze_features,
    harden_outline,
    make_growth,
    make_optimizer,
    set_rates,
    stages,
)

Tiny = Callable[..., Recipe]


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.8, 0.8, 0.8, 0.8]),
        ("linear", [0.8, 0.6, 0.4, 0.2]),
        ("cosine", [0.8, 0.4 * (1 + math.sqrt(0.5)), 0.4, 0.4 * (1 - math.sqrt(0.5))]),
    ],
)
def test_rates_over_four_steps(schedule: str, rates: list[float]) -> None:
    stage = Stage("phase1", "rectifier", 1, 0.8, schedule)
    assert [stage.rate(step, 4) for step in range(4)] == pytest.approx(rates)


def test_rates_that_fall_to_a_tenth_at_shares_of_the_steps() -> None:
    """Caffe's AlexNet: 0.01, a tenth every 100,000 of 450,000 steps."""
    stage = Stage("relu", "relu", 90, 0.01, "step", drops=(0.2222, 0.4444, 0.6667, 0.8889))
    found = [stage.rate(step, 450_000) for step in (0, 99_000, 101_000, 199_000, 201_000, 301_000, 449_999)]
    assert found == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-5, 1e-6])


def test_a_baseline_alone_where_no_phase_has_epochs() -> None:
    none = {"phase1": {"epochs": 0}, "phase2": {"epochs": 0}}
    alone = make_recipe({**none, "baseline": {"epochs": 3, "schedule": "step", "drops": [0.5]}})
    assert stages(alone) == (Stage("relu", "relu", 3, 0.02, "step", drops=(0.5,)),)
    assert not alone.has_phases
    # Without epochs of its own it is not asked for alone; what comes behind the phases needs them.
    for more in ({}, {"baseline": {"epochs": 3}, "classifier": {"epochs": 1}}):
        assert [stage.name for stage in stages(make_recipe({**none, **more}))][:3] == ["relu", "phase1", "phase2"]


def test_a_stage_without_steps_has_a_rate() -> None:
    assert Stage("phase1", "rectifier", 0, 0.8, "cosine").rate(0, 0) == 0.8


def test_the_stages_of_a_recipe() -> None:
    phases = {"phase1": {"epochs": 3, "lr": 0.1, "growth": 1e-4}, "phase2": {"epochs": 2, "law": "inverse", "lr": 0.2}}
    assert stages(make_recipe(phases)) == (
        Stage("relu", "relu", 5, 0.02, "cosine"),
        Stage("phase1", "rectifier", 3, 0.1, "cosine", 1e-4, "log"),
        Stage("phase2", "rectifier", 2, 0.2, "cosine", 0.0, "inverse"),
    )


def test_a_phase_hands_all_its_fields_on() -> None:
    phase = {"epochs": 3, "lr": 0.1, "schedule": "linear", "growth": 1e-4, "law": "inverse"}
    recipe = make_recipe({"phase2": {**phase, "growth_end": 0.25, "front": 1.5, "hold": 0.5}})
    assert stages(recipe)[2] == Stage("phase2", "rectifier", 3, 0.1, "linear", 1e-4, "inverse", 0.25, 1.5, 0.5)


def test_without_baseline_and_with_classifier() -> None:
    recipe = make_recipe({"baseline": {"enabled": False}, "classifier": {"epochs": 2, "lr": 0.5, "schedule": "linear"}})
    found = stages(recipe)
    assert [stage.name for stage in found] == ["phase1", "phase2", "classifier"]
    assert found[-1] == Stage("classifier", "hardened", 2, 0.5, "linear")


def test_the_same_seed_builds_the_same_network_and_both_kinds_start_alike(tiny: Tiny, train_set: ImageSet) -> None:
    nets = [build_network(tiny(), train_set, kind) for kind in ("rectifier", "rectifier", "relu")]
    for name in ("conv1", "conv2", "fc3", "fc4"):
        weights = [net.get_submodule(name).weight for net in nets]
        assert torch.equal(weights[0], weights[1])  # type: ignore[arg-type]
        assert torch.equal(weights[0], weights[2])  # type: ignore[arg-type]
    other = build_network(tiny(seed=1), train_set, "rectifier")
    assert not torch.equal(nets[0].get_submodule("fc3").weight, other.get_submodule("fc3").weight)  # type: ignore[arg-type]


def test_the_network_fits_the_pictures(tiny: Tiny, train_set: ImageSet) -> None:
    net = build_network(tiny(), train_set, "rectifier")
    example = example_of(train_set)
    assert example.shape == (1, 1, 28, 28)
    assert net(example.repeat(2, 1, 1, 1)).shape == (2, 10)
    weight = net.get_submodule("conv2").weight
    assert isinstance(weight, torch.Tensor)
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_the_baseline_may_have_a_width_of_its_own(tiny: Tiny, train_set: ImageSet) -> None:
    recipe = tiny(net={"width": 0.5}, baseline={"width": 0.25})
    narrow, wide = (build_network(recipe, train_set, network) for network in ("relu", "rectifier"))
    for own, width in ((narrow, 0.25), (wide, 0.5)):
        same = build_network(tiny(net={"width": width}), train_set, "relu")
        assert [p.shape for p in own.parameters() if p.dim() > 1] == [p.shape for p in same.parameters() if p.dim() > 1]


@pytest.mark.parametrize(
    ("layers", "names"),
    [("all", ["act1", "act2", "act3"]), ("last", ["act3"]), (["act1", "act3"], ["act1", "act3"]), (["a*2"], ["act2"])],
)
def test_growth_reaches_the_chosen_layers(
    tiny: Tiny, train_set: ImageSet, layers: str | list[str], names: list[str]
) -> None:
    net = build_network(tiny(), train_set, "rectifier")
    chosen = select(net, example_of(train_set), layers)
    assert chosen == names
    growth = make_growth(Stage("phase1", "rectifier", 1, 0.1, "cosine", 0.5, "inverse"), net, chosen)
    assert growth is not None
    assert (growth.strengths, growth.law) == (dict.fromkeys(names, 0.5), "inverse")


def test_a_layer_that_is_not_there(tiny: Tiny, train_set: ImageSet) -> None:
    with pytest.raises(UsageError, match="layers='act9' matches no bounded rectifier"):
        select(build_network(tiny(), train_set, "rectifier"), example_of(train_set), ["act9"])


def test_no_growth_for_relu_and_classifier() -> None:
    for kind in ("relu", "hardened"):
        assert make_growth(Stage("x", kind, 1, 0.1, "cosine"), nn.Linear(1, 1), []) is None


def growing(strength: float, end: float, front: float = 0.0) -> Stage:
    return Stage("phase1", "rectifier", 2, 0.1, "cosine", strength, growth_end=end, front=front)


def three() -> nn.Sequential:
    return nn.Sequential(*(BoundedRectifier(1) for _ in range(3)))


def strengths(stage: Stage, layers: list[str], steps: int) -> list[list[float]]:
    """The strength of each layer at every step, read from how much the slopes grow by the law "log"."""
    model = three().double()
    growth = make_growth(stage, model, layers, steps)
    assert growth is not None
    found = []
    for _ in range(steps):
        before = [model.get_submodule(name).slope.item() ** 2 for name in layers]  # type: ignore[operator,union-attr]
        growth.step()
        after = [model.get_submodule(name).slope.item() ** 2 for name in layers]  # type: ignore[operator,union-attr]
        found.append([(b - a) / 2 for a, b in zip(before, after, strict=True)])
    return found


@pytest.mark.parametrize(("start", "end"), [(1.0, 3.0), (3.0, 1.0), (0.0, 2.0), (2.0, 0.0)])
def test_growth_goes_straight_from_start_to_end(start: float, end: float) -> None:
    found = strengths(growing(start, end), ["0", "1", "2"], 4)
    for step, now in enumerate(found):
        assert now == pytest.approx([start + (end - start) * step / 4] * 3, abs=1e-9)


def test_layers_near_the_input_are_ahead_by_the_front() -> None:
    found = strengths(growing(0.0, 8.0, front=1.0), ["0", "1", "2"], 8)
    # The first layer is there after half of the steps, the last one sets out then, the middle one is in between.
    assert [first for first, _, _ in found] == pytest.approx([0, 2, 4, 6, 8, 8, 8, 8], abs=1e-9)
    assert [middle for _, middle, _ in found] == pytest.approx([0, 0, 0, 2, 4, 6, 8, 8], abs=1e-9)
    assert [last for _, _, last in found] == pytest.approx([0, 0, 0, 0, 0, 2, 4, 6], abs=1e-9)


def test_one_layer_is_the_first_of_the_front() -> None:
    assert strengths(growing(0.0, 4.0, front=1.0), ["2"], 4) == [pytest.approx([x], abs=1e-9) for x in (0, 2, 4, 4)]


@given(st.floats(0, 1000), st.integers(2, 9), st.integers(1, 50), st.data())
def test_the_ramp_is_the_formula(front: float, layers: int, steps: int, data: st.DataObject) -> None:
    layer, step = data.draw(st.integers(0, layers - 1)), data.draw(st.integers(0, steps))
    (left, low), (right, high) = growing(0.0, 1.0, front).ramp(layer / (layers - 1), steps)
    assert (low, high) == (0.0, 1.0)
    assert 0 <= left < right <= steps
    found = min(1.0, max(0.0, (step - left) / (right - left)))
    u = step / steps
    assert found == pytest.approx(min(1, max(0, u * (1 + front) - front * layer / (layers - 1))), abs=1e-9)


def test_a_phase_without_steps_has_a_ramp() -> None:
    assert strengths(growing(0.0, 1.0, front=2.0), ["0", "1"], 0) == []


def course(end: float, *, front: float = 0.0, grown: float = 1.0) -> Stage:
    return Stage("phase1", "rectifier", 2, 0.1, "cosine", 5.0, slope_end=end, front=front, grown=grown)


def slopes_after(stage: Stage, layers: list[str], steps: int, every: int) -> list[list[float]]:
    """The slopes of three layers, from 1 on, after every so many of the stage's steps."""
    model = three().double()
    growth = make_growth(stage, model, layers, steps)
    assert growth is not None
    found = []
    for step in range(steps):
        growth.step()
        if (step + 1) % every == 0:
            found.append([model.get_submodule(name).slope.item() for name in layers])  # type: ignore[operator,union-attr]
    return found


def test_a_course_of_slopes_is_geometric_and_ends_where_it_should() -> None:
    found = slopes_after(course(16.0), ["0", "1", "2"], 4000, 1000)
    assert found == [pytest.approx([2.0**at] * 3, rel=2e-3) for at in (1, 2, 3, 4)]


def test_nothing_grows_behind_a_course() -> None:
    found = slopes_after(course(4.0, grown=0.5), ["0"], 4000, 1000)
    assert [slope for (slope,) in found] == pytest.approx([2, 4, 4, 4], rel=2e-3)
    assert found[-1] == found[-2]


def test_layers_of_a_course_set_out_one_after_the_other() -> None:
    found = slopes_after(course(4.0, front=1.0), ["0", "1", "2"], 4000, 1000)
    expected = [[2, 1, 1], [4, 2, 1], [4, 4, 2], [4, 4, 4]]
    assert found == [pytest.approx(slopes, rel=2e-3) for slopes in expected]


def test_all_layers_are_sharpened_at_once_in_the_last_stretch() -> None:
    stage = replace(course(4.0, front=1.0, grown=0.5), sharp_end=64.0, sharp_from=0.75)
    found = slopes_after(stage, ["0", "1", "2"], 8000, 1000)
    expected = [[2, 1, 1], [4, 2, 1], [4, 4, 2], [4, 4, 4], [4, 4, 4], [4, 4, 4], [16, 16, 16], [64, 64, 64]]
    assert found == [pytest.approx(slopes, rel=2e-3) for slopes in expected]


@pytest.mark.parametrize("steps", [0, 1])
def test_a_phase_of_hardly_any_steps_has_a_course_and_a_last_stretch(steps: int) -> None:
    stage = replace(course(4.0, front=1.0, grown=0.5), sharp_end=64.0, sharp_from=0.75)
    for depth, arrival in ((0.0, 0.25), (0.5, 0.375), (1.0, 0.5)):
        points = [step for step, _ in stage.course(depth, steps)]
        assert points == sorted(set(points))
        assert max(step for step in points if step < 0.7) == pytest.approx(arrival, abs=2e-3)
    assert len(slopes_after(stage, ["0", "1", "2"], steps, 1)) == steps


def test_layers_settle_where_their_courses_end() -> None:
    stage = replace(course(4.0, front=1.0, grown=0.5), settle=True)
    assert stage.arrivals(["0", "1", "2"], 100) == {"0": 25, "1": 37.5, "2": 50}
    assert replace(stage, settle=False).arrivals(["0", "1", "2"], 100) == {}


def test_a_course_that_ends_where_it_begins_is_no_growth() -> None:
    assert slopes_after(course(1.0), ["0"], 4, 4) == [[1.0]]


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize(
    ("end", "decays"), [(None, [0.5] * 4), (0.1, [0.5, 0.4, 0.3, 0.2]), (0.9, [0.5, 0.6, 0.7, 0.8])]
)
def test_weight_decay_goes_straight_to_its_end(name: str, end: float | None, decays: list[float]) -> None:
    net = nn.Sequential(nn.Linear(2, 2), BoundedRectifier(2))
    stage = Stage("phase1", "rectifier", 1, 0.8, "linear")
    options = Optimizer.model_validate({"name": name, "weight_decay": 0.5, "weight_decay_end": end})
    optimizer = make_optimizer(stage, net, options)
    found = []
    for step in range(4):
        set_rates(optimizer, stage, options, step, 4)
        found.append([group["weight_decay"] for group in optimizer.param_groups])
        assert {group["lr"] for group in optimizer.param_groups} == {stage.rate(step, 4)}
    assert found == [[pytest.approx(decay), 0, 0] for decay in decays]


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_optimizer_spares_slopes_and_shifts_from_weight_decay(tiny: Tiny, train_set: ImageSet, name: str) -> None:
    net = build_network(tiny(), train_set, "rectifier")
    stage = Stage("phase1", "rectifier", 1, 0.25, "cosine")
    options = Optimizer.model_validate({"name": name, "momentum": 0.8, "weight_decay": 0.5})
    found = make_optimizer(stage, net, options)
    assert type(found).__name__ == {"sgd": "SGD", "adamw": "AdamW"}[name]
    assert [(group["name"], group["lr"], group["weight_decay"]) for group in found.param_groups] == [
        ("weights", 0.25, 0.5),
        ("shifts", 0.25, 0.0),
        ("slopes", 0.25, 0.0),
    ]
    assert name != "sgd" or found.param_groups[0]["momentum"] == 0.8


def test_the_outline_of_a_hardened_network_takes_its_state(tiny: Tiny, train_set: ImageSet) -> None:
    recipe = tiny(layers="last")
    net = build_network(recipe, train_set, "rectifier")
    hardened = harden(net, example_of(train_set), layers="last")
    outline = harden_outline(recipe, train_set)
    outline.load_state_dict(hardened.state_dict())
    kinds = [type(outline.get_submodule(name)) for name in ("act1", "act2", "act3")]
    assert kinds == [BoundedRectifier, BoundedRectifier, Step]


def test_the_classifier_alone_is_trained_on_binary_features() -> None:
    step = Step(torch.zeros(3), torch.ones(3))
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), step, nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    freeze_features(net)
    trained = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    assert trained == ["3.weight", "3.bias", "5.weight", "5.bias"]


def test_frozen_features_stay_in_evaluation_mode_while_the_classifier_trains() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), Step(torch.zeros(2), torch.ones(2)), nn.Dropout(0.5), nn.Linear(2, 2))
    stage = Stage("classifier", "hardened", 1, 0.1, "constant")
    make_optimizer(stage, net, Optimizer())
    begin_training(stage, net)
    assert [layer.training for layer in net] == [False, False, True, True]
    mean = net[0].running_mean.clone()  # type: ignore[union-attr, operator]
    net(torch.randn(4, 2))
    assert torch.equal(net[0].running_mean, mean)  # type: ignore[arg-type]


def test_every_layer_trains_in_the_other_stages() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), BoundedRectifier(2), nn.Linear(2, 2)).eval()
    begin_training(Stage("phase1", "rectifier", 1, 0.1, "constant"), net)
    assert all(layer.training for layer in net)
