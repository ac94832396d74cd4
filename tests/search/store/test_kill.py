"""What a killed process leaves of a store; the benchmark kills a hundred."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "search_kill.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("search_kill", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["search_kill"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("count", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_what_was_committed_is_there_and_nothing_else(script: ModuleType, tmp_path: Path, count: int) -> None:
    for kill in script.trials(tmp_path / "codes.db", count, 1):
        assert (kill.lost, kill.visible) == (0, 0)
        assert kill.opened_seconds < 20


def test_a_lost_item_would_be_seen(script: ModuleType) -> None:
    call = next(each for each in script.calls(0, 0) if each.kind == "upsert")
    state = call.applied({"other": b"12345678"})
    assert len(state) == script.PER_CALL + 1
    assert state[call.ids[1]] == call.codes[8:16]
    assert script.Call("delete", call.ids).applied(state) == {"other": b"12345678"}
