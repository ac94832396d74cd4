"""The journal in event files: every number of every record, anew from the journal when a run goes on."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firebit.errors import UsageError
from firebit.train import Recipe, RunFolder, fit
from firebit.train.board import FOLDER, Board, scalars
from firebit.train.loop import Silent

Tiny = Callable[..., Recipe]


def test_numbers_by_path() -> None:
    record = {
        "stage": "phase1",
        "epoch": 2,
        "step": 12,
        "lr": 0.5,
        "averaged": True,
        "soft": {"top1": 0.25, "count": 60},
        "census": {"layers": {"act1": {"level": 1, "shape": [2, 3]}}},
    }
    assert dict(scalars(record)) == {"lr": 0.5, "soft/top1": 0.25, "soft/count": 60, "census/layers/act1/level": 1}


def test_without_tensorboard_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises((UsageError, ModuleNotFoundError)):
        Board(Silent(), RunFolder(tmp_path))


def read(folder: RunFolder) -> dict[str, list[tuple[int, float]]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder.path / FOLDER))
    found.Reload()
    return {name: [(event.step, event.value) for event in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_event_files_hold_the_journal_also_of_a_run_that_goes_on(tiny: Tiny, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = RunFolder(tmp_path / "a")
    recipe = tiny(baseline={"enabled": False}, checkpoint_steps=100)

    class StopAfter(Silent):
        def epoch(self, record: dict[str, object]) -> None:
            if record["epoch"] == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, folder, reporter=Board(StopAfter(), folder))
    fit(recipe, folder, resume=True, reporter=Board(Silent(), folder))
    found = read(folder)
    records = [record for record in folder.journal.records() if record["stage"] == "phase1"]
    assert found["phase1/train_loss"] == [(record["step"], pytest.approx(record["train_loss"])) for record in records]
    assert [step for step, _ in found["phase1/soft/top1"]] == [6, 12]
    assert "phase2/census/level" in found
