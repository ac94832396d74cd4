"""Layers that settle: which they are, what they learn at, and that nothing of them moves any more."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from firebit.nn.growth import param_groups
from firebit.nn.rectifier import BoundedRectifier
from firebit.train.assemble import Assembly
from firebit.train.checkpoint import Progress
from firebit.train.loop import Loop
from firebit.train.pictures import load_pictures
from firebit.train.precision import precision_of
from firebit.train.recipe import Recipe
from firebit.train.run import RunFolder
from firebit.train.settle import Settling, by_arrival

Tiny = Callable[..., Recipe]

LATER = 1_000_000


def three() -> nn.Sequential:
    layers = {
        "fc1": nn.Linear(4, 3),
        "norm1": nn.BatchNorm1d(3),
        "act1": BoundedRectifier(3),
        "fc2": nn.Linear(3, 2),
        "act2": BoundedRectifier(2),
        "fc3": nn.Linear(2, 2),
    }
    net = nn.Sequential()
    for name, layer in layers.items():
        net.add_module(name, layer)
    return net.train()


def asking(net: nn.Module) -> list[str]:
    return [name for name, parameter in net.named_parameters() if parameter.requires_grad]


@pytest.mark.parametrize(
    ("step", "settled"),
    [(0, []), (10, []), (11, ["fc1", "norm1", "act1"]), (26, ["fc1", "norm1", "act1", "fc2", "act2"])],
)
def test_a_layer_settles_at_its_step_with_all_that_is_before_it(step: int, settled: list[str]) -> None:
    net = three()
    Settling(net, {"act1": 10.0, "act2": 25.0}).at(step)
    assert [name for name, module in net.named_children() if not module.training] == settled
    assert {name.split(".")[0] for name in asking(net)} == {name for name, _ in net.named_children()} - set(settled)
    assert net.training


def test_where_ranks_meet_every_parameter_keeps_its_gradient() -> None:
    net = three()
    Settling(net, {"act1": 0.0}, frozen=False).at(1)
    assert not net.norm1.training
    assert len(asking(net)) == len(list(net.parameters()))


def test_parameters_are_divided_by_the_step_at_which_they_settle() -> None:
    net = three()
    groups = by_arrival(param_groups(net, 0.1), net, {"act1": 10.0, "act2": 25.0})
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    found = {(group["name"], group.get("arrival")): [names[id(each)] for each in group["params"]] for group in groups}
    assert found == {
        ("weights", 10.0): ["fc1.weight"],
        ("weights", 25.0): ["fc2.weight"],
        ("weights", None): ["fc3.weight"],
        ("shifts", 10.0): ["fc1.bias", "norm1.weight", "norm1.bias"],
        ("shifts", 25.0): ["fc2.bias"],
        ("shifts", None): ["fc3.bias"],
        ("slopes", 10.0): ["act1.slope"],
        ("slopes", 25.0): ["act2.slope"],
    }
    assert {group["weight_decay"] for group in groups if group["name"] == "weights"} == {0.1}


def settling_loop(tiny: Tiny, folder: RunFolder, **phase: object) -> Loop:
    # Three layers, one after the other: they settle after 0.3, 0.6 and 0.9 of three epochs.
    course = {
        "epochs": 3,
        "lr": 0.01,
        "slope_start": 0.5,
        "slope_end": 8.0,
        "front": 2.0,
        "grown": 0.9,
        "settle": True,
        **phase,
    }
    recipe = tiny(baseline={"enabled": False}, phase1=course, optimizer={"name": "adamw"})
    assembly = Assembly(recipe, folder, load_pictures(recipe), precision_of(recipe))
    return assembly.loop(Progress())


def test_nothing_of_a_settled_layer_moves_and_the_others_learn(tiny: Tiny, tmp_path: Path) -> None:
    loop = settling_loop(tiny, RunFolder(tmp_path))
    states = []
    for _ in range(3):
        loop.run_epoch(lambda _loss: None)
        states.append({name: values.clone() for name, values in loop.model.state_dict().items()})
    moved = [
        {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
        for before, after in pairwise(states)
    ]
    layers = [{"conv1", "norm1", "act1"}, {"conv2", "norm2", "act2"}, {"fc3", "norm3", "act3"}, {"fc4"}]
    assert moved == [set().union(*layers[1:]), set().union(*layers[2:])]


def test_freezing_saves_work_and_changes_no_number(tiny: Tiny, tmp_path: Path) -> None:
    frozen, whole = (settling_loop(tiny, RunFolder(tmp_path)) for _ in range(2))
    whole._settling.frozen = False
    for loop in (frozen, whole):
        for _ in range(3):
            loop.run_epoch(lambda _loss: None)
    left, right = frozen.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in right)
    assert not frozen.model.get_parameter("conv1.weight").requires_grad
    assert whole.model.get_parameter("conv1.weight").requires_grad


def test_rates_fall_to_nothing_where_each_layer_settles(tiny: Tiny, tmp_path: Path) -> None:
    loop = settling_loop(tiny, RunFolder(tmp_path), schedule="linear")
    rates: list[dict[float, float]] = []
    steps = loop.steps

    def note(_loss: float) -> None:
        rates.append({group.get("arrival", LATER): group["lr"] for group in loop.optimizer.param_groups})

    for _ in range(3):
        loop.run_epoch(note)
    ends = (steps * 0.3, steps * 0.6, steps * 0.9)
    for step, found in enumerate(rates):
        expected = [0.01 * max(0.0, 1 - step / end) for end in ends]
        assert [found[key] for key in sorted(found)] == pytest.approx([*expected, 0.01 * (1 - step / steps)])
