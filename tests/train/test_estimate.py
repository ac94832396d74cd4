"""Estimates: parameters and bytes by hand, time from measured steps, and nothing written."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.train import Recipe, RunFolder
from firebit.train.assemble import Assembly
from firebit.train.estimate import Estimate, Layer, Memory, StageTime, estimate, kept_bytes
from firebit.train.loop import Loop
from firebit.train.pictures import Pictures
from firebit.train.precision import FLOAT32
from firebit.train.stage import stages

Tiny = Callable[..., Recipe]


@pytest.fixture(scope="module")
def found(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Estimate:
    folder = tmp_path_factory.mktemp("estimate")
    made = estimate(tiny(classifier={"epochs": 1}), RunFolder(folder / "a"), steps=2)
    assert not list(folder.iterdir())
    return made


def test_parameters_are_those_of_the_network(found: Estimate, tiny: Tiny, train_set: ImageSet) -> None:
    from firebit.train.stage import build_network

    model = build_network(tiny(), train_set, "rectifier")
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert Layer("act1", "BoundedRectifier", 4) in found.layers
    assert all(layer.parameters for layer in found.layers)


def test_every_stage_is_measured_with_its_own_steps(found: Estimate) -> None:
    assert [(stage.name, stage.epochs, stage.steps) for stage in found.stages] == [
        ("relu", 1, 6),
        ("phase1", 2, 6),
        ("phase2", 1, 6),
        ("classifier", 1, 6),
    ]
    assert all(stage.step_seconds > 0 and stage.measuring_seconds > 0 for stage in found.stages)
    assert (found.pictures, found.ranks, found.micro_batch, found.precision) == (120, 1, 20, "float32")


def test_epochs_count_with_the_layers_that_are_settled(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three layers, front 2: with 12 epochs that grow to their end they settle behind the epochs 4, 8 and 12."""
    phase = {"epochs": 12, "slope_end": 30.0, "front": 2.0, "settle": True}
    measured = []

    def seconds_of(loop: Loop, _steps: int) -> list[float]:
        measured.append(loop.progress.epoch)
        return [{0: 5.0, 4: 3.0, 8: 1.0}[loop.progress.epoch]]

    monkeypatch.setattr("firebit.train.estimate._step_seconds", seconds_of)
    recipe = tiny(baseline={"enabled": False}, phase1={"epochs": 0}, phase2=phase)
    (stage,) = estimate(recipe, RunFolder(tmp_path / "a")).stages
    assert measured == [0, 4, 8]
    assert stage.step_seconds == pytest.approx((5.0 + 3.0 + 1.0) / 3)


@pytest.mark.parametrize(("every", "times"), [(1, 5), (2, 3), (5, 1), (9, 1)])
def test_how_often_is_measured(tiny: Tiny, tmp_path: Path, every: int, times: int) -> None:
    recipe = tiny(measure_every=every, baseline={"enabled": False}, phase1={"epochs": 5}, phase2={"epochs": 0})
    (stage,) = estimate(recipe, RunFolder(tmp_path / "a"), steps=1).stages
    assert stage.measurements == times


def test_times_add_up() -> None:
    stage = StageTime("phase1", 3, 10, 0.5, 2.0, 2)
    assert stage.epoch_seconds == 7.0
    assert stage.seconds == 3 * 10 * 0.5 + 2 * 2.0
    whole = Estimate((), Memory(1, 2, 3, 4), (stage, stage), 1, 1, 1, "float32")
    assert whole.seconds == 38.0
    assert whole.cost(10.0) == pytest.approx(380 / 3600)
    assert whole.to_dict()["memory"]["total"] == 10


def test_memory_of_an_average_a_teacher_and_adamw(tiny: Tiny, tmp_path: Path) -> None:
    plain = estimate(tiny(), RunFolder(tmp_path / "a"), steps=1).memory
    more = estimate(
        tiny(average={"decay": 0.9}, loss={"distillation": 0.5}, optimizer={"name": "adamw"}),
        RunFolder(tmp_path / "a"),
        steps=1,
    ).memory
    assert more.weights > 2.9 * plain.weights
    assert more.optimizer == 2 * plain.optimizer == 2 * plain.gradients
    assert more.gradients == plain.gradients
    assert plain.total == plain.weights + plain.gradients + plain.optimizer + plain.activations


def test_bytes_kept_for_backward_by_hand(tiny: Tiny, train_set: ImageSet, tmp_path: Path) -> None:
    recipe = tiny()
    assembly = Assembly(recipe, RunFolder(tmp_path / "a"), Pictures(train_set, train_set, "test"), FLOAT32)
    loop = assembly.untrained(stages(recipe)[0])
    torch.manual_seed(0)
    loop.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.Linear(32, 10))
    loop._wrapped = loop._network = loop.model
    # The pictures and the 32 hidden units; log-probabilities, labels and the sum of the weights for the loss.
    assert kept_bytes(loop) == 4 * 20 * (784 + 32 + 10) + 8 * 20 + 4


def test_what_would_keep_a_run_from_starting_is_said(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fewer than one batch"):
        estimate(tiny(batch=500), RunFolder(tmp_path / "a"))
