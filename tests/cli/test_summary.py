"""`firebit summary` for networks of the zoo and compiled ones, and its refusals."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import firebit.cli
from firebit.engine.plan import INPUT, Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.errors import FirebitError, ModelFileError, UsageError
from firebit.files import save_tensors


def run(*words: str) -> Result:
    return CliRunner().invoke(firebit.cli.app, ["summary", *words])


def test_a_zoo_network_as_json() -> None:
    record = json.loads(run("lenet", "--json").stdout)
    # conv 20@5×5 on 28×28; conv 50@5×5 on 12×12; fc 800→500→10.
    assert record["hardened_macs"] == {"pixel × real": 288_000, "bit × real": 1_600_000 + 400_000 + 5_000}
    assert record["hidden_units"] == 20 * 144 + 50 * 16 + 500


def test_options_build_the_network() -> None:
    record = json.loads(run("lenet", "--json", "--width", "0.5", "--batch-norm", "--channels", "3").stdout)
    kinds = {layer["name"]: layer["output"] for layer in record["layers"]}
    assert record["input"] == [3, 28, 28]
    assert (kinds["conv1"], kinds["norm3"]) == ([10, 24, 24], [250])


def test_the_table_is_text_when_it_is_not_a_terminal() -> None:
    output = run("cifar10_quick", "--activation", "relu").stdout
    assert "cifar" not in output
    assert "average pool" in output
    assert "1.0 times" in output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["lenett"], "neither a network of the zoo nor a run directory"),
        (["lenet", "--network", "relu"], "does not go with lenet"),
        (["lenet", "--width", "-1"], "width=-1.0"),
        ([".", "--width", "2", "--batch-norm"], "--width, --batch-norm cannot change it"),
        (["{empty}"], "safetensors"),
    ],
)
def test_refusals(words: list[str], problem: str, tmp_path: Path) -> None:
    result = run(*(word.format(empty=tmp_path) for word in words))
    assert isinstance(result.exception, FirebitError)
    assert problem in str(result.exception)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A directory with a compiled network: 6 pixels → 5 bits → 2 classes."""
    folder = tmp_path / "digits"
    folder.mkdir()
    terms = (Term(INPUT, np.full((5, 6), 3, np.int16)),)
    layer = Layer("rect1", terms, np.zeros((1, 5), np.int32), np.ones(5, np.int8))
    logits = Logits("fc2", (Term("rect1", np.ones((2, 5), np.int16)),), 1.0, np.zeros(2))
    Plan(Input((6,)), (layer,), logits).save(folder / "model.firebit")
    return folder


# 5 · 6 and 2 · 5.
COMPILED_MACS = {"pixel × int": 30, "bit × ±1": 10}


def test_a_compiled_file_as_json(run_folder: Path) -> None:
    record = json.loads(run(str(run_folder / "model.firebit"), "--json").stdout)
    assert record["macs"] == COMPILED_MACS
    assert (record["activation_bytes"], record["relu_bytes"]) == (1, 20)


def test_the_compiled_network_of_a_run(run_folder: Path) -> None:
    record = json.loads(run(str(run_folder), "--network", "compiled", "--json").stdout)
    assert record["macs"] == COMPILED_MACS


def test_a_compiled_network_as_a_table(run_folder: Path) -> None:
    output = run(str(run_folder), "--network", "compiled").stdout
    assert [line.split()[1] for line in output.splitlines() if line.startswith("│ ")][:2] == ["rect1", "fc2"]
    assert "30 pixel × int" in output
    assert "the same network with ReLUs → compiled" in output


def test_the_content_decides_not_the_name(run_folder: Path) -> None:
    other = shutil.copy(run_folder / "model.firebit", run_folder / "other.safetensors")
    assert json.loads(run(str(other), "--json").stdout)["macs"] == COMPILED_MACS


@pytest.mark.parametrize("words", [["model.firebit"], [".", "--network", "compiled"]])
def test_a_compiled_network_needs_no_torch(run_folder: Path, words: list[str]) -> None:
    code = "import sys; sys.modules['torch'] = None; import firebit.cli; firebit.cli.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "summary", *words]
    result = subprocess.run(command, cwd=run_folder, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "30 pixel × int" in result.stdout


def test_a_file_of_that_name_does_not_hide_the_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lenet").write_text("notes")
    assert "conv1" in run("lenet").stdout


@pytest.mark.parametrize(
    ("words", "problem", "kind"),
    [
        (["{run}/model.firebit", "--network", "hardened"], "--network does not go with", UsageError),
        (["{run}/model.firebit", "--width", "2"], "--width cannot change it", UsageError),
        (["{run}", "--network", "compiled", "--classes", "2"], "--classes cannot change it", UsageError),
        (["{run}/empty", "--network", "compiled"], "has no compiled network yet", ModelFileError),
        (["{run}/none.firebit"], "There is no run or model file", ModelFileError),
        (["{run}/damaged.firebit"], "damaged", ModelFileError),
        (["{run}/notes.txt"], "not a Firebit tensor file", ModelFileError),
        (["{run}/wrong", "--network", "compiled"], "no compiled network", ModelFileError),
    ],
)
def test_refusals_of_compiled_networks(
    words: list[str], problem: str, kind: type[FirebitError], run_folder: Path
) -> None:
    (run_folder / "empty").mkdir()
    content = bytearray((run_folder / "model.firebit").read_bytes())
    content[-1] ^= 1
    (run_folder / "damaged.firebit").write_bytes(content)
    (run_folder / "notes.txt").write_text("notes")
    save_tensors(run_folder / "wrong" / "model.firebit", {"a": np.zeros(1)}, {"kind": "model"})
    result = run(*(word.format(run=run_folder) for word in words))
    assert isinstance(result.exception, kind)
    assert problem in result.exception.problem
    assert not result.stdout
