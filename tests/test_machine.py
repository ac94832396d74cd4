"""What the system tells of the processor."""

from pathlib import Path

import pytest

from firebit import machine

INTEL = "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nflags\t\t: fpu sse4_1 avx2 fma avx512_vnni\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\n"


def told(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "cpuinfo")


def test_names_and_instruction_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told(INTEL, monkeypatch, tmp_path)
    assert machine.processor() == "Some CPU @ 3 GHz"
    assert machine.instruction_sets() == ("sse4_1", "avx2", "fma", "avx512_vnni")
    assert machine.has_vnni()
    told(INTEL.replace(" avx512_vnni", ""), monkeypatch, tmp_path)
    assert not machine.has_vnni()
    told(ARM, monkeypatch, tmp_path)
    assert machine.instruction_sets() == ("asimd", "asimddp")


def test_a_system_that_tells_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "none")
    assert machine.processor()
    assert machine.instruction_sets() == ()
    assert not machine.has_vnni()


def test_cores() -> None:
    assert machine.usable_cores() >= 1
