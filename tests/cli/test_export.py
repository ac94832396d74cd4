"""`firebit export`: an ONNX file that computes the very same, or a refusal."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import firebit
from firebit.data import load

onnx = pytest.importorskip("onnx")

SCHEMA_1 = Path(__file__).parents[1] / "engine" / "plans" / "schema-1.firebit"

Export = Callable[..., tuple[int, str, str]]


@pytest.fixture
def export(command_line: Export) -> Export:
    return partial(command_line, "export")


def test_a_pretrained_network_predicts_in_onnx_runtime_as_in_firebit(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    code, out, _ = export("mnist-lenet", "--layer", "act3")
    assert code == 0
    assert "the very same for 64 random pictures" in out
    assert "Wrote mnist-lenet.onnx: " in out
    digits = load("digits", "test").images[:300]
    session = runtime.InferenceSession(tmp_path / "mnist-lenet.onnx", providers=["CPUExecutionProvider"])
    logits, bits = session.run(["logits", "act3"], {"pictures": digits})
    network = firebit.load("mnist-lenet")
    np.testing.assert_array_equal(logits, network.logits(digits))
    np.testing.assert_array_equal(bits, network.bits(digits, "act3"))


def test_json_and_where_the_file_goes(export: Export, tmp_path: Path) -> None:
    model = tmp_path / "model.firebit"
    shutil.copy(SCHEMA_1, model)
    code, out, _ = export(model, "--json", "--no-check")
    facts = json.loads(out)
    assert code == 0
    assert facts["file"] == str(tmp_path / "model.onnx")
    assert facts["bytes"] == (tmp_path / "model.onnx").stat().st_size
    assert (facts["checked"], facts["not_checked"]) == (0, "--no-check was given.")
    code, out, _ = export(tmp_path, "--output", tmp_path / "other.onnx", "--json")
    assert code == 0
    assert (tmp_path / "other.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()


def test_without_the_runtime_it_says_so(export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    code, out, _ = export(SCHEMA_1, "--output", tmp_path / "a.onnx")
    assert code == 0
    assert "not checked: Checking an ONNX file needs onnxruntime, which is not installed." in out
    assert (tmp_path / "a.onnx").exists()


def test_what_differs_is_not_written(export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firebit.engine.onnx.unequal", lambda *_: ["logits"])
    code, _, err = export(SCHEMA_1, "--output", tmp_path / "a.onnx")
    assert code == 1
    assert "computes 'logits' otherwise than the plan" in err
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused(export: Export, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("precious")
    code, _, err = export(SCHEMA_1, "--output", text)
    assert (code, text.read_text()) == (2, "precious")
    assert "exists and is no ONNX file" in err
    code, _, err = export(SCHEMA_1, "--output", tmp_path / "a.onnx", "--layer", "nowhere")
    assert code == 2
    assert "The plan has no layer 'nowhere'." in err
    code, _, err = export(tmp_path / "none.firebit")
    assert code == 4
    code, _, err = export(text)
    assert code == 4
