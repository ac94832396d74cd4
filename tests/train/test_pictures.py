"""The pictures of a run that are not in memory, end to end: folders, shards, stops, damage."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firebit.errors import DataError, UsageError
from firebit.files import load_tensors
from firebit.train import Interrupted, Recipe, RunFolder, fit
from firebit.train.loop import Silent

Tiny = Callable[..., Recipe]


def weights(run: RunFolder) -> dict[str, bytes]:
    return {
        f"{path.name}/{name}": array.tobytes()
        for path in sorted(run.path.glob("*.safetensors"))
        for name, array in load_tensors(path)[0].items()
    }


class Stopping(Silent):
    """Stops a run as a signal does, after some steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.notes: list[str] = []

    def batch(self, progress: Any, loss: float) -> None:
        if progress.steps == self.steps:
            os.kill(os.getpid(), 15)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def streaming(tiny: Tiny) -> Callable[..., Recipe]:
    def make(data: Path | str, workers: int = 0, **changes: Any) -> Recipe:
        options = {"stream": True, "workers": workers, **changes.pop("input", {})}
        return tiny(data=str(data), batch=16, augment={"flip": True, "crop": 0}, input=options, **changes)

    return make


@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_a_stopped_run_ends_with_the_very_same_weights(
    kind: str, few_photos: Path, few_shards: Path, streaming: Callable[..., Recipe], tmp_path: Path
) -> None:
    data = few_photos if kind == "folder" else few_shards
    whole = RunFolder(tmp_path / "whole")
    results = fit(streaming(data), whole)
    assert results["data"] == "few-train" and results["rows"][0]["metrics"]["count"] == 18
    records = [json.loads(line) for line in (whole.path / "metrics.jsonl").read_text().splitlines()]
    assert all(0 <= each["waited"] <= 1 and each["unreadable"] == 0 for each in records)
    assert not whole.unreadable_file.exists()
    # Stopped in the middle of two epochs, and decoded by a worker in between: nothing of that may tell.
    stopped = RunFolder(tmp_path / "stopped")
    with pytest.raises(Interrupted):
        fit(streaming(data), stopped, reporter=Stopping(6))
    with pytest.raises(Interrupted):
        fit(streaming(data), stopped, resume=True, reporter=Stopping(11))
    fit(streaming(data), stopped, resume=True)
    assert weights(stopped) == weights(whole)
    if kind == "folder":
        with_workers = RunFolder(tmp_path / "workers")
        fit(streaming(data, 2), with_workers)
        assert weights(with_workers) == weights(whole)


def test_damaged_pictures_are_counted_and_listed(
    few_photos: Path, streaming: Callable[..., Recipe], tmp_path: Path
) -> None:
    tree = shutil.copytree(few_photos, tmp_path / "tree")
    (tree / "train" / "n01440764" / "n01440764_3.JPEG").write_bytes(b"\xff\xd8\xff")
    (tree / "val" / "n01443537" / "ILSVRC2012_val_00000007.JPEG").write_bytes(b"")
    run, reporter = RunFolder(tmp_path / "run"), Stopping(-1)
    results = fit(streaming(tree), run, reporter=reporter)
    assert {row["metrics"]["count"] for row in results["rows"]} == {17}
    lines = run.unreadable_file.read_text().splitlines()
    assert len(lines) == 2 and "n01440764_3.JPEG" in lines[0] and "val_00000007" in lines[1]
    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert {each["unreadable"] for each in records} == {1}
    assert reporter.notes[0] == "classes in the order of their sorted wnids"
    assert sum("cannot be read: 2 pictures" in note for note in reporter.notes) == 1
    with pytest.raises(DataError, match=r"n01440764_3\.JPEG"):
        fit(streaming(tree, input={"bad_pictures": "fail"}), RunFolder(tmp_path / "strict"))


def test_a_validation_share_of_streamed_pictures(
    few_shards: Path, streaming: Callable[..., Recipe], tmp_path: Path
) -> None:
    pattern = f"{few_shards}/train-{{000000..{len(list(few_shards.glob('train-*'))) - 1:06}}}.tar"
    results = fit(streaming(pattern, validation=0.2), RunFolder(tmp_path / "run"))
    assert results["measured_on"] == "validation" and results["rows"][0]["metrics"]["count"] == 12
    with pytest.raises(UsageError, match="no test set is named"):
        fit(streaming(pattern), RunFolder(tmp_path / "other"))


def test_a_resumed_run_wants_the_same_pictures(
    few_photos: Path, streaming: Callable[..., Recipe], tmp_path: Path
) -> None:
    tree = shutil.copytree(few_photos, tmp_path / "tree")
    run = RunFolder(tmp_path / "run")
    with pytest.raises(Interrupted):
        fit(streaming(tree), run, reporter=Stopping(2))
    (tree / "train" / "n01440764" / "n01440764_3.JPEG").unlink()
    with pytest.raises(UsageError, match="are not those"):
        fit(streaming(tree), run, resume=True)
