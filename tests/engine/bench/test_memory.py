"""Memory as the system counts it."""

import sys
from pathlib import Path
from subprocess import check_output

import pytest

from firebit.engine.bench import memory

HOLDING = """
from firebit.engine.bench import memory
before = memory.resident()
held = bytearray(50_000_000)
held[::4096] = b"x" * len(held[::4096])
del held
print(before, memory.peak())
"""


def test_figures_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    assert (memory.resident(), memory.peak()) == (1 << 20, 2 << 20)


def test_other_systems_tell_the_peak_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(memory, "_RESET", tmp_path / "none" / "none")
    memory.forget_peak()
    assert memory.resident() is None
    peak = memory.peak()
    assert peak is None or peak > 1 << 20


def test_the_peak_stays_when_memory_is_given_back() -> None:
    # In a process of its own: what threads of other tests give back meanwhile would hide what is held here.
    before, peak = check_output([sys.executable, "-c", HOLDING], text=True).split()
    if before == "None":
        pytest.skip("the system does not tell")
    assert int(peak) >= int(before) + 40_000_000
