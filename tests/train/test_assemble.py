"""A stage's loop from a checkpoint: as it was, or a refusal that leaves everything as it is."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from firebit.errors import ModelFileError
from firebit.train import Interrupted, Recipe, RunFolder, fit
from firebit.train.checkpoint import Progress
from firebit.train.loop import Silent

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
