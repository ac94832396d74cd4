"""Checkpoints give back the very same numbers, and a damaged one is passed over."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from firebit.errors import ModelFileError
from firebit.files import load_tensors, save_tensors
from firebit.nn.growth import SlopeGrowth, param_groups
from firebit.nn.rectifier import BoundedRectifier
from firebit.train.checkpoint import (
    Progress,
    flatten_optimizer,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    to_array,
    to_tensors,
    unflatten_optimizer,
)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), BoundedRectifier(4), nn.Linear(4, 2))


def optimizer(name: str, net: nn.Module) -> torch.optim.Optimizer:
    groups = param_groups(net, 1e-4)
    return torch.optim.AdamW(groups, lr=0.01) if name == "adamw" else torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def train(net: nn.Module, optim: torch.optim.Optimizer, growth: SlopeGrowth, steps: int) -> None:
    for _ in range(steps):
        optim.zero_grad()
        net(torch.randn(5, 3)).square().sum().backward()
        optim.step()
        growth.step()


def same(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return (
            left.dtype == right.dtype
            and left.shape == right.shape
            and to_array(left).tobytes() == to_array(right).tobytes()
        )
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def save(folder: Path, steps: int, net: nn.Module | None = None) -> Path:
    net = net or network()
    return save_checkpoint(folder, Progress(steps=steps), net.state_dict(), optimizer("sgd", net).state_dict(), None)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("steps", [0, 3])
def test_everything_returns_and_training_goes_on_with_the_same_numbers(tmp_path: Path, name: str, steps: int) -> None:
    torch.manual_seed(3)
    net = network()
    optim, growth = optimizer(name, net), SlopeGrowth(net, 1e-2, schedule=[(0, 0.5), (10, 1.0)])
    train(net, optim, growth, steps)
    progress = Progress(1, 2, 3, steps, 0.1 + 0.2, 4, [{"name": "relu", "metrics": {"top1": 0.5}, "census": None}])
    path = save_checkpoint(tmp_path, progress, net.state_dict(), optim.state_dict(), growth.state_dict())
    torch_state = torch.get_rng_state()
    train(net, optim, growth, 2)

    found = load_checkpoint(path)
    assert found.progress == progress
    assert torch.equal(found.random_state, torch_state)
    other = network()
    other.load_state_dict(found.model)
    again, growth_again = optimizer(name, other), SlopeGrowth(other, 0.7)
    again.load_state_dict(found.optimizer)
    assert found.growth is not None
    growth_again.load_state_dict(found.growth)
    torch.set_rng_state(found.random_state)
    train(other, again, growth_again, 2)
    assert same(other.state_dict(), net.state_dict())
    assert same(again.state_dict(), optim.state_dict())
    assert growth_again.state_dict() == growth.state_dict()


def test_average_and_hold_return(tmp_path: Path) -> None:
    net = network()
    average = {name: value + 1 for name, value in net.state_dict().items()}
    hold = {"losses": [0.1 + 0.2, 1e-9], "lowest": None, "held": 3}
    optim = optimizer("sgd", net).state_dict()
    found = load_checkpoint(save_checkpoint(tmp_path, Progress(), net.state_dict(), optim, None, average, hold))
    assert same(found.average, average)
    assert same(found.model, dict(net.state_dict()))
    assert found.hold == hold


def test_a_checkpoint_from_before_there_was_a_hold_is_whole(tmp_path: Path) -> None:
    path = save(tmp_path, 3)
    tensors, record = load_tensors(path)
    assert record.pop("hold") is None
    save_tensors(path, tensors, record)
    found = load_checkpoint(path)
    assert (found.average, found.hold) == ({}, None)


def test_model_and_optimizer_keep_shapes_and_types(tmp_path: Path) -> None:
    net = network()
    optim = optimizer("adamw", net)
    train(net, optim, SlopeGrowth(net), 1)
    found = load_checkpoint(save_checkpoint(tmp_path, Progress(), net.state_dict(), optim.state_dict(), None))
    assert same(found.model, dict(net.state_dict()))
    assert same(found.optimizer["state"], optim.state_dict()["state"])
    assert found.optimizer["state"][0]["step"].shape == ()
    assert found.growth is None


def test_an_optimizer_taken_apart_and_put_together() -> None:
    momentum = torch.ones(2)
    state = {"state": {0: {"momentum_buffer": momentum}, 3: {"momentum_buffer": None}}, "param_groups": [{"lr": 0.1}]}
    tensors, values = flatten_optimizer(state)
    assert tensors == {"0.momentum_buffer": momentum}
    assert values == {"state": {"0": {}, "3": {"momentum_buffer": None}}, "param_groups": [{"lr": 0.1}]}
    assert unflatten_optimizer(tensors, values) == state


def test_a_channels_last_weight_returns_as_the_same_numbers() -> None:
    weight = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert torch.equal(to_tensors({"w": to_array(weight)})["w"], weight)


def test_files_are_named_by_step_and_only_the_newest_two_stay(tmp_path: Path) -> None:
    for steps in (7, 14, 21, 1_000_000):
        save(tmp_path, steps)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000021.safetensors", "001000000.safetensors"]


def test_the_newest_is_taken(tmp_path: Path) -> None:
    save(tmp_path, 14)
    save(tmp_path, 21)
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.progress.steps == 21


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "none") is None


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    save_tensors(path, {}, {"kind": "model", "format": 1})


def newer(path: Path) -> None:
    save_tensors(path, {}, {"kind": "checkpoint", "format": 2})


def incomplete(path: Path) -> None:
    tensors, record = load_tensors(path)
    save_tensors(path, tensors, {key: value for key, value in record.items() if key != "growth"})


def without_random_state(path: Path) -> None:
    tensors, record = load_tensors(path)
    save_tensors(path, {key: value for key, value in tensors.items() if key != "random_state"}, record)


def odd_progress(path: Path) -> None:
    tensors, record = load_tensors(path)
    save_tensors(path, tensors, {**record, "progress": {"stage": 0, "colour": "red"}})


def odd_optimizer(path: Path) -> None:
    tensors, record = load_tensors(path)
    save_tensors(path, tensors, {**record, "optimizer": [1, 2]})


DAMAGES = [truncate, flip, empty, foreign, newer, incomplete, without_random_state, odd_progress, odd_optimizer]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_is_passed_over(tmp_path: Path, damage: Any) -> None:
    save(tmp_path, 14)
    path = save(tmp_path, 21)
    damage(path)
    with pytest.raises(ModelFileError) as caught:
        load_checkpoint(path)
    assert path.name in caught.value.problem
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.progress.steps == 14


def test_a_new_checkpoint_is_never_removed_for_damaged_ones_of_later_steps(tmp_path: Path) -> None:
    for steps in (14, 21):
        empty(save(tmp_path, steps))
    save(tmp_path, 3)
    save(tmp_path, 5)
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.progress.steps == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000003.safetensors", "000000005.safetensors"]
