"""A stage's loop from a checkpoint: as it was, or a refusal that leaves everything as it is."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from firebit.data import ImageSet
from firebit.errors import ModelFileError
from firebit.files import load_tensors, save_tensors
from firebit.train import Interrupted, Recipe, RunFolder, fit
from firebit.train.assemble import Assembly, _remembers
from firebit.train.checkpoint import Progress
from firebit.train.loop import Loop, Silent
from firebit.train.pictures import Pictures
from firebit.train.precision import FLOAT32
from firebit.train.stage import stages

Tiny = Callable[..., Recipe]


class StopAt(Silent):
    """Asks to stop after so many steps, as a signal would."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def batch(self, progress: Progress, loss: float) -> None:
        if progress.steps == self.steps:
            signal.raise_signal(signal.SIGTERM)


def stopped(recipe: Recipe, path: Path, steps: int) -> RunFolder:
    folder = RunFolder(path)
    with pytest.raises(Interrupted):
        fit(recipe, folder, reporter=StopAt(steps))
    return folder


def content(folder: RunFolder) -> dict[str, bytes]:
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({"net": {"width": 0.4}}, 3),
        ({"net": {"batch_norm": False}}, 8),
        ({"optimizer": {"name": "adamw"}}, 3),
    ],
)
def test_a_checkpoint_of_another_architecture_is_refused_and_nothing_overwritten(
    tiny: Tiny, tmp_path: Path, change: dict[str, dict[str, object]], steps: int
) -> None:
    own, odd = stopped(tiny(), tmp_path / "own", steps), tiny(**change)
    other = stopped(odd, tmp_path / "other", steps)
    shutil.rmtree(own.checkpoints)
    shutil.copytree(other.checkpoints, own.checkpoints)
    before = content(own)
    with pytest.raises(ModelFileError) as caught:
        fit(own.recipe(), own, resume=True)
    assert f"The checkpoint of step {steps}" in caught.value.problem
    assert "does not fit this run's network" in caught.value.problem
    assert "\n" not in caught.value.problem
    assert caught.value.exit_code == 4
    assert content(own) == before


def test_the_network_of_an_earlier_stage_of_another_architecture_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    recipe = tiny(baseline={"enabled": False})
    own = stopped(recipe, tmp_path / "own", 15)
    other = RunFolder(tmp_path / "other")
    fit(tiny(baseline={"enabled": False}, net={"width": 0.4}, phase2={"epochs": 0}), other)
    shutil.copy(other.model_file("phase1"), own.model_file("phase1"))
    with pytest.raises(ModelFileError, match=r"phase1\.safetensors is of another architecture") as caught:
        fit(recipe, own, resume=True)
    assert caught.value.exit_code == 4


class Heard(Silent):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_one_process_goes_on_where_two_stopped_and_says_what_differs(tiny: Tiny, tmp_path: Path) -> None:
    recipe = tiny(net={"dropout": 0.3}, baseline={"enabled": False}, phase2={"epochs": 0}, checkpoint_steps=100)
    whole, parted = RunFolder(tmp_path / "whole"), stopped(recipe, tmp_path / "parted", 8)
    fit(recipe, whole)
    (path,) = [path for path in parted.checkpoints.iterdir() if path.stem == f"{8:09d}"]
    tensors, record = load_tensors(path)
    tensors["random_state"] = np.stack([tensors["random_state"], np.zeros_like(tensors["random_state"])])
    save_tensors(path, tensors, record)
    heard = Heard()
    fit(recipe, parted, resume=True, reporter=heard)
    assert [note for note in heard.notes if note.startswith("warning: 2 ranks wrote the checkpoint, 1 go on: ")]
    # The first of the ranks is this one: it goes on with the very same random numbers.
    found, expected = (load_tensors(folder.model_file("phase1"))[0] for folder in (parted, whole))
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_checkpoint_of_a_stage_that_this_run_does_not_have_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    own = stopped(tiny(), tmp_path / "own", 3)
    other = stopped(tiny(classifier={"epochs": 1}), tmp_path / "other", 26)
    shutil.rmtree(own.checkpoints)
    shutil.copytree(other.checkpoints, own.checkpoints)
    before = content(own)
    with pytest.raises(ModelFileError, match=r"step 26 .* does not fit this run's network: it is in stage 3 of 3"):
        fit(own.recipe(), own, resume=True)
    assert content(own) == before


@pytest.mark.parametrize(("augment", "asked"), [({"crop": 0}, True), ({"crop": 2}, False)])
def test_the_teacher_of_pictures_that_never_change_is_asked_once(
    tiny: Tiny, finished: RunFolder, train_set: ImageSet, augment: dict[str, int], asked: bool
) -> None:
    recipe = tiny(loss={"distillation": 0.5}, augment=augment)
    assembly = Assembly(recipe, finished, Pictures(train_set, train_set, "test"), FLOAT32)
    progress = Progress(stage=1)
    loop, drawn = assembly.loop(progress), assembly.untrained(stages(recipe)[1])
    assert (loop.answers is not None) == (drawn.answers is not None) == asked
    if loop.answers is not None and drawn.answers is not None:
        assert loop.answers.shape == drawn.answers.shape == (120, 10)
        assert loop.answers.abs().min() > 0


def test_no_picture_is_decoded_to_find_out_that_pictures_change() -> None:
    class Unread:
        @property
        def images(self) -> None:
            pytest.fail("it is read")

    loop = SimpleNamespace(feed=SimpleNamespace(still=False), data=Unread())
    assert not _remembers(cast("Loop", loop))
