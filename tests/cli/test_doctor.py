import json
import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import firebit
from firebit import cli, extras
from firebit.cli import doctor
from firebit.engine import native


def diagnose(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["doctor", *arguments])
    return result.exit_code, result.stdout


def test_the_table_tells_what_is_here() -> None:
    code, out = diagnose()
    assert code == 0
    for word in (
        firebit.__version__,
        platform.python_version(),
        native.instruction_set(),
        np.__version__,
        "self-test",
        "ok",
    ):
        assert word in out


def test_json_tells_the_same() -> None:
    code, out = diagnose("--json")
    report = json.loads(out)
    assert code == 0
    assert report["firebit"] == firebit.__version__
    assert report["native"]["instruction_set"] == native.instruction_set()
    assert report["native"]["usable"] == list(native.instruction_sets())
    assert report["native"]["agrees_with_numpy"] is True
    assert report["libraries"]["numpy"] == np.__version__
    assert set(report["libraries"]) == {"numpy", "safetensors", "pillow", "typer", "rich", *extras.OPTIONAL}
    assert 1 <= report["threads"]["usable"] <= report["threads"]["cores"] == os.cpu_count()


def test_every_required_library_is_one_the_package_requires() -> None:
    try:
        requirements = metadata.requires("firebit") or []
    except metadata.PackageNotFoundError:
        pytest.skip("firebit runs from a source tree")
    plain = {requirement.partition(">")[0] for requirement in requirements if "extra ==" not in requirement}
    assert plain == set(doctor.examine().libraries) - set(extras.OPTIONAL)


def test_a_missing_library_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "version", lambda library: None)
    assert json.loads(diagnose("--json")[1])["libraries"]["torch"] is None
    assert "not installed: pip install 'firebit[train]'" in diagnose()[1]


def test_the_instruction_set_follows_the_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREBIT_ISA", "numpy")
    assert json.loads(diagnose("--json")[1])["native"]["instruction_set"] == "numpy"


def test_wrong_native_code_is_found_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(native, "hamming", lambda a, b: np.zeros((len(a), len(b)), np.int32))
    with pytest.raises(SystemExit) as caught:
        cli.main(["doctor"])
    out, err = capsys.readouterr()
    assert caught.value.code == 1
    assert "FAILED" in out
    assert err.startswith(f"error: The native code for {native.instruction_set()} does not compute what NumPy does.")


def test_data_sets_are_looked_for_in_the_data_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIREBIT_DATA", str(tmp_path))
    data = json.loads(diagnose("--json")[1])["data"]
    assert data["root"] == str(tmp_path)
    assert data["present"]["digits"] is True
    assert data["present"]["mnist"] is False
