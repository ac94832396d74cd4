"""A rank killed under torchrun, restarted by it, with the code of the committed benchmark."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from firebit.train import RunFolder

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "restart.py"
SETTINGS = (
    *("net.name=lenet", "net.width=0.2", "net.dropout=0.2", "batch=20", "threads=1", "augment.crop=2"),
    *("checkpoint_steps=7", "baseline.enabled=false", "phase1.epochs=12", "phase2.epochs=1"),
)


@pytest.fixture(scope="module")
def restart() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        # The script takes what it compares with from the one beside it.
        patch.syspath_prepend(SCRIPT.parent)
        spec = importlib.util.spec_from_file_location("restart", SCRIPT)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "restart", module)
        spec.loader.exec_module(module)
        yield module


def test_kills_rise_and_are_always_the_same(restart: ModuleType) -> None:
    plan = restart.plan(10, 180, 2, 0)
    assert plan == restart.plan(10, 180, 2, 0)
    steps = [step for step, _, _ in plan]
    assert steps == sorted(set(steps))
    assert steps[0] >= 1
    assert steps[-1] <= 166
    assert {rank for _, rank, _ in plan} == {0, 1}


def test_the_newest_checkpoint_tells_the_step(restart: ModuleType, finished: RunFolder, tmp_path: Path) -> None:
    assert restart.steps_of(RunFolder(tmp_path)) == 0
    assert restart.steps_of(finished) == max(int(path.stem) for path in finished.checkpoints.iterdir())


@pytest.mark.slow
def test_a_killed_rank_is_restarted_and_no_bit_differs(restart: ModuleType, few_digits: Path, tmp_path: Path) -> None:
    training = restart.Training(str(few_digits), SETTINGS)
    reference, killed = RunFolder(tmp_path / "reference"), RunFolder(tmp_path / "killed")
    assert restart.train(training, reference, []) == []
    (kill,) = restart.train(training, killed, [(21, 1, 0.0)])
    assert kill.resumed_at >= 14
    assert restart.differences(reference, killed) == []
    results = killed.results()
    assert results is not None
    assert results["ranks"] == 2
