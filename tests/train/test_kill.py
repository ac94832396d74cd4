"""SIGKILL in the middle of training, with the code of the committed benchmark."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from firebit.train import Recipe, RunFolder, fit

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "kill.py"


@pytest.fixture(scope="module")
def kill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Data classes look their module up.
    sys.modules["kill"] = module
    spec.loader.exec_module(module)
    return module


def test_a_run_differs_in_nothing_from_itself_and_in_every_file_from_another(
    kill: ModuleType, tiny: Callable[..., Recipe], finished: RunFolder, tmp_path: Path
) -> None:
    other = RunFolder(tmp_path / "other")
    fit(tiny(classifier={"epochs": 1}, seed=1), other)
    assert kill.differences(finished, finished) == []
    found = kill.differences(finished, other)
    for name in ("relu", "phase1", "model", "hardened"):
        assert f"{name}.safetensors: conv1.weight" in found
    assert {"results.json", "metrics.jsonl"} <= set(found)
    other.model_file("relu").unlink()
    assert "model files" in kill.differences(finished, other)


def test_kills_are_spread_over_the_run_and_always_the_same(kill: ModuleType, finished: RunFolder) -> None:
    reference = kill.Reference(finished, 240, 7, 0.01)
    plan = kill.plan(20, reference, 0)
    assert plan == kill.plan(20, reference, 0)
    assert all(1 <= step <= 226 and 0 <= delay <= 0.07 for step, delay, _ in plan)
    assert len({step for step, _, _ in plan}) > 15
    assert [writing for _, _, writing in plan].count(True) == 5


LEVERS = (
    *(
        "net.dropout=0.25",
        "loss.label_smoothing=0.1",
        "loss.distillation=0.5",
        "average.decay=0.9",
        "average.start=0.2",
    ),
    *("optimizer.weight_decay_end=0", "phase1.growth=1e-3", "phase1.growth_end=1e-2", "phase1.front=1"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "writing"), [(150, False), (163, True)])
def test_a_killed_run_with_every_lever_ends_with_the_same_bits(
    kill: ModuleType, few_digits: Path, tmp_path: Path, step: int, writing: bool
) -> None:
    settings = [
        *("net.name=lenet", "net.width=0.2", "batch=20", "threads=1", "augment.crop=2", "checkpoint_steps=7"),
        *("baseline.epochs=1", "phase1.epochs=30", "phase2.epochs=1", "classifier.epochs=1", "phase1.hold=1e-9"),
        *LEVERS,
    ]
    run = kill.Run(str(few_digits), settings)
    reference = kill.make_reference(run, RunFolder(tmp_path / "reference"))
    assert reference.folder.journal.records()[30]["held"] > 0
    found = kill.kill_and_resume(run, reference, RunFolder(tmp_path / "killed"), step, 0.0, writing)
    assert found.differences == ()


@pytest.mark.slow
@pytest.mark.parametrize(("step", "writing"), [(20, False), (9, True)])
def test_a_killed_run_ends_with_the_same_bits(
    kill: ModuleType, few_digits: Path, tmp_path: Path, step: int, writing: bool
) -> None:
    settings = [
        *("net.name=lenet", "net.width=0.2", "batch=20", "threads=1", "augment.crop=2", "checkpoint_steps=7"),
        *("baseline.epochs=2", "phase1.epochs=3", "phase2.epochs=2"),
    ]
    run = kill.Run(str(few_digits), settings)
    reference = kill.make_reference(run, RunFolder(tmp_path / "reference"))
    assert reference.steps == 42
    found = kill.kill_and_resume(run, reference, RunFolder(tmp_path / "killed"), step, 0.0, writing)
    assert found.differences == ()
