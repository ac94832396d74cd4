"""`firebit compile` as a user meets it: the file, the proof beside it, and what is refused."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firebit.compiler.agreement import Agreement, LayerAgreement
from firebit.data import load as load_data
from firebit.engine.network import load
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.errors import UsageError
from firebit.files import load_tensors, save_tensors
from firebit.train import RunFolder, fit, load_model, make_recipe

Run = Callable[..., tuple[int, str, str]]
SHORT: dict[str, Any] = {
    "net": {"name": "lenet", "width": 0.2},
    "batch": 20,
    "threads": 1,
    "baseline": {"enabled": False},
    "phase1": {"epochs": 1},
    "phase2": {"epochs": 0},
}


@pytest.fixture
def firebit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Run) -> Run:
    """Run the command line in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    return command_line


@pytest.fixture(scope="module")
def trained(few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; not to be written to."""
    folder = RunFolder(tmp_path_factory.mktemp("compile") / "few")
    fit(make_recipe({**SHORT, "data": str(few_digits)}), folder)
    return folder.path


@pytest.fixture
def run_folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, as one of a time before networks were compiled."""
    folder = tmp_path / "few"
    shutil.copytree(trained, folder)
    (folder / "model.firebit").unlink()
    return folder


def with_recipe(source: Path, target: Path, old: str, new: str) -> Path:
    """A copy of a model file whose recipe says something else."""
    tensors, record = load_tensors(source)
    assert old in record["recipe"]
    save_tensors(target, tensors, {**record, "recipe": record["recipe"].replace(old, new)})
    return target


def a_plan() -> Plan:
    """Another network: 6 pixels → 2 bits → 2 classes."""
    terms = (Term("input", np.ones((2, 6), np.int16)),)
    layer = Layer("a", terms, np.zeros((1, 2), np.int32), np.ones(2, np.int8))
    return Plan(Input((6,)), (layer,), Logits("b", (Term("a", np.ones((2, 2), np.int16)),), 1.0, np.zeros(2)))


# what is made


def test_a_run_gets_its_file(firebit: Run, run_folder: Path, trained: Path) -> None:
    code, out, err = firebit("compile", "few")
    assert (code, err) == (0, "")
    made = run_folder / "model.firebit"
    assert made.read_bytes() == (trained / "model.firebit").read_bytes()
    lines = out.splitlines()
    names = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert names == ["act1", "act2", "act3", "fc4"]
    # 60 pictures of 4·12·12 + 10·4·4 + 100 bits.
    assert lines[-3] == (
        "on few-test, predictions that differ between torch (float64) and compiled: 0 of 60; "
        "bits that differ: 0 of 50,160"
    )
    size = f"{made.stat().st_size / 1024:.1f} KiB"
    assert lines[-2] == f"Wrote few/model.firebit: {size}, fingerprint {load(made).fingerprint}"
    assert lines[-1] == "Run it with: firebit predict few/model.firebit IMAGES…"


def test_the_file_does_what_the_torch_network_does(firebit: Run, run_folder: Path, few_digits: Path) -> None:
    import torch

    assert firebit("compile", "few")[0] == 0
    pictures = load_data(few_digits, "test")
    network = load(run_folder / "model.firebit")
    seen = torch.from_numpy(pictures.images).float() / 255
    expected = load_model(run_folder, "hardened")(seen).detach().numpy()
    np.testing.assert_allclose(network.logits(pictures.images), expected, atol=1e-5)
    assert network.classes == pictures.classes


def test_json_has_the_whole_report(firebit: Run, run_folder: Path) -> None:
    code, out, err = firebit("compile", "few", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    made = run_folder / "model.firebit"
    assert found["file"] == "few/model.firebit"
    assert found["bytes"] == made.stat().st_size
    assert found["fingerprint"] == load(made).fingerprint
    assert (found["replaced"], found["data"], found["not_checked"]) == (False, "few-test", None)
    assert found["changes"] == {"act1": 0, "act2": 0, "act3": 0, "fc4": 0}
    assert found["cost"]["macs"] == {"pixel × int": 4 * 576 * 25, "bit × int": 10 * 64 * 100 + 160 * 100 + 1000}
    agreed = found["agreement"]
    assert (agreed["pictures"], agreed["predictions_differ"], agreed["bits_differ"]) == (60, 0, 0)
    assert agreed["layers"]["act3"] == {"bits": 60 * 100, "differ": 0}


def test_a_fast_file_says_what_it_changed(
    firebit: Run, run_folder: Path, few_digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firebit.engine.quantise.FEWEST_WEIGHTS", 100)
    assert firebit("compile", "few", "--output", "exact.firebit")[0] == 0
    code, out, _ = firebit("compile", "few", "--precision", "fast", "--json")
    assert code == 0
    found, fast = json.loads(out), load(run_folder / "model.firebit")
    assert (found["precision"], fast.plan.precision) == ("fast", "fast")
    # Only the second convolution is rounded: it alone is large and reads maps of bits.
    assert [int(np.abs(layer.terms[0].weights).max()) < 1000 for layer in fast.plan.layers] == [False, True, False]
    seen = load_data(few_digits, "test").images
    differ = (fast.bits(seen, "act2") != load("exact.firebit").bits(seen, "act2")).sum()
    assert found["agreement"]["layers"]["act2"]["differ"] == differ
    assert found["rounding"]["layers"]["act2"]["differ"] == differ, "the exact plan agrees with torch here"
    assert 0 < differ < 0.03 * found["agreement"]["layers"]["act2"]["bits"]
    assert found["agreement"]["layers"]["act1"]["differ"] == 0


def test_an_unknown_precision_is_refused(firebit: Run, run_folder: Path) -> None:
    code, _, err = firebit("compile", "few", "--precision", "quick")
    assert code == 2
    assert "--precision quick is not known." in err
    assert not (run_folder / "model.firebit").exists()


def test_what_snapping_changed_is_counted(firebit: Run, run_folder: Path) -> None:
    """Weights that are on no grid: the table says so, and the count is that of the two networks' bits."""
    path = run_folder / "hardened.safetensors"
    tensors, record = load_tensors(path)
    tensors["conv1.weight"] = tensors["conv1.weight"] * np.float32(1 / 3)
    save_tensors(path, tensors, record)
    found = json.loads(firebit("compile", "few", "--json")[1])
    assert 0 < found["changes"]["act1"] <= 2**-14
    assert found["changes"]["act2"] == 0
    text = firebit("compile", "few")[1]
    first = next(line for line in text.splitlines() if line.startswith("│ act1"))
    assert f"≤ {100 * found['changes']['act1']:.2g} %" in first


def test_differences_are_shown(firebit: Run, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Agreement(1060, {"act1": LayerAgreement(2000, 7), "act2": LayerAgreement(500, 1)}, 3, 0.5)
    monkeypatch.setattr("firebit.train.compile.agreement", lambda *_: found)
    assert firebit("compile", "few")[1].splitlines()[-3] == (
        "on few-test, predictions that differ between torch (float64) and compiled: 3 of 1,060; "
        "bits that differ: 8 of 2,500"
    )


def test_an_old_file_is_replaced_and_said_so(firebit: Run, run_folder: Path, trained: Path) -> None:
    target = run_folder / "model.firebit"
    for content in (b"torn", (trained / "model.firebit").read_bytes()):
        target.write_bytes(content)
        code, out, _ = firebit("compile", "few")
        assert code == 0
        assert out.splitlines()[-2].startswith("Replaced few/model.firebit: ")
        assert target.read_bytes() == (trained / "model.firebit").read_bytes()
    assert json.loads(firebit("compile", "few", "--json")[1])["replaced"] is True


def test_a_compiled_network_of_any_name_is_replaced(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    a_plan().save(tmp_path / "old.bin")
    assert firebit("compile", "few", "--output", "old.bin")[0] == 0
    assert load(tmp_path / "old.bin").layers == ("act1", "act2", "act3")


def test_a_model_file_by_itself(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    shutil.move(run_folder / "hardened.safetensors", tmp_path / "digits v2.safetensors")
    shutil.rmtree(run_folder)
    code, out, err = firebit("compile", "digits v2.safetensors")
    assert (code, err) == (0, "")
    assert "0 of 60; bits that differ: 0 of 50,160" in out
    assert out.splitlines()[-1] == "Run it with: firebit predict 'digits v2.firebit' IMAGES…"
    assert load(tmp_path / "digits v2.firebit").layers == ("act1", "act2", "act3")


def test_another_output(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    assert firebit("compile", "few", "--output", "new folder/a.firebit", "--network", "hardened")[0] == 0
    assert load(tmp_path / "new folder" / "a.firebit").layers
    assert not (run_folder / "model.firebit").exists()


# what it is compared on


def test_no_check(firebit: Run, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firebit.train.compile.held_out", lambda _: pytest.fail("it looked for the data"))
    code, out, err = firebit("compile", "few", "--no-check")
    assert (code, err) == (0, "")
    assert out.splitlines()[-3] == "not checked: --no-check was given."
    assert (run_folder / "model.firebit").is_file()


def test_without_its_data_it_is_compiled_and_said_to_be_unchecked(
    firebit: Run, run_folder: Path, few_digits: Path, tmp_path: Path
) -> None:
    path = run_folder / "hardened.safetensors"
    with_recipe(path, path, str(few_digits), "nowhere")
    code, out, err = firebit("compile", "few")
    assert (code, err) == (0, "")
    assert out.splitlines()[-3] == "not checked: There is no data set or folder 'nowhere'."
    assert load(run_folder / "model.firebit").layers
    found = json.loads(firebit("compile", "few", "--json")[1])
    assert (found["data"], found["agreement"]) == (None, None)
    assert found["not_checked"] == "There is no data set or folder 'nowhere'."
    with_recipe(path, path, "nowhere", "mnist")
    assert "not checked: The data set mnist is not in" in firebit("compile", "few")[1]


def test_data_that_no_longer_fit_are_not_compared(firebit: Run, run_folder: Path, few_digits: Path) -> None:
    path = run_folder / "hardened.safetensors"
    colours = run_folder.parent / "colours"
    for split in ("train", "test"):
        write_pictures(colours / split)
    with_recipe(path, path, str(few_digits), str(colours))
    code, out, _ = firebit("compile", "few")
    assert code == 0
    assert out.splitlines()[-3] == "not checked: colours-test has pictures of 3×28×28, not 1×28×28."


def write_pictures(folder: Path) -> None:
    from PIL import Image

    for kind in "ab":
        (folder / kind).mkdir(parents=True)
        Image.new("RGB", (28, 28), (250, 3, 7)).save(folder / kind / "1.png")


def test_a_run_with_a_validation_set_is_compared_on_that(
    firebit: Run, run_folder: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run_folder / "hardened.safetensors"
    with_recipe(path, path, "validation = 0.0", "validation = 0.25")
    found = json.loads(firebit("compile", "few", "--json")[1])
    assert found["agreement"]["pictures"] == pytest.approx(30, abs=5)
    assert found["agreement"]["predictions_differ"] == 0


# refusals


@pytest.mark.parametrize(
    ("words", "code", "problem", "remedy"),
    [
        (["nowhere"], 4, "There is no run or model file nowhere.", "runs/NAME"),
        (["empty"], 2, "empty is not a run directory.", "firebit train"),
        (["unfinished"], 4, "unfinished has no hardened network yet.", "--resume"),
        (["few", "--network", "model"], 2, "few/model.safetensors: The network is not hardened", "compile few"),
        (["few", "--network", "phase1"], 2, "few/phase1.safetensors: The network is not hardened", "compile few"),
        (["few", "--network", "relu"], 4, "few has no relu network yet.", "another --network"),
        (["few", "--network", "compiled"], 2, "A run has no network 'compiled'.", "hardened"),
        (["few/model.safetensors"], 2, "The network is not hardened", "hardened network of the run"),
        (["few/hardened.safetensors", "--network", "hardened"], 2, "--network does not go with few/", "Leave it out."),
        (["torn.safetensors"], 4, "torn.safetensors is damaged", "copy"),
        (["notes.txt"], 4, "notes.txt is not a Firebit tensor file.", "Firebit has written"),
        (["few/checkpoints/{checkpoint}"], 4, "is not a model of format 1.", "model file of a run"),
        (["done.firebit"], 2, "done.firebit is a compiled network already.", "firebit predict done.firebit IMAGES…"),
        (["few", "--output", "few/recipe.toml"], 2, "few/recipe.toml exists and is no compiled", "--output"),
        (["few", "--output", "few/hardened.safetensors"], 2, "exists and is no compiled", ".firebit"),
        (["few", "--output", "empty"], 2, "empty exists and is no compiled network.", "--output"),
        (["few", "--output", "notes.txt/a.firebit"], 2, "Cannot write notes.txt/a.firebit", "folder"),
        (["few", "--output", "a" * 300], 2, "Cannot write aaa", "--output"),
        (["few", "--output", "dangling/a.firebit"], 2, "Cannot write dangling/a.firebit", "folder"),
    ],
)
def test_what_is_wrong_is_said_in_two_lines_and_nothing_is_written(
    firebit: Run, run_folder: Path, tmp_path: Path, words: list[str], code: int, problem: str, remedy: str
) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copytree(run_folder, tmp_path / "unfinished", ignore=shutil.ignore_patterns("hardened.*"))
    content = (run_folder / "hardened.safetensors").read_bytes()
    (tmp_path / "torn.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "dangling").symlink_to("gone")
    a_plan().save(tmp_path / "done.firebit")
    checkpoint = next((run_folder / "checkpoints").iterdir()).name
    before = contents(tmp_path)
    found, out, err = firebit("compile", *(word.format(checkpoint=checkpoint) for word in words))
    assert (found, out) == (code, "")
    first, second = err.splitlines()
    assert problem in first.removeprefix("error: ")
    assert remedy in second.removeprefix("  → ")
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"net": {"rectified": "last"}, "layers": "last"}, "is a ReLU: its activations are real numbers"),
        ({"layers": "last"}, "The network is not hardened: 'act1', 'act2' are bounded rectifiers."),
    ],
)
def test_a_network_with_binary_and_real_layers(
    firebit: Run, few_digits: Path, tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    net = {**SHORT["net"], **options.pop("net", {})}
    fit(make_recipe({**SHORT, "data": str(few_digits), **options, "net": net}), RunFolder(tmp_path / "part"))
    code, out, err = firebit("compile", "part")
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("error: part/hardened.safetensors: ")
    assert problem in first
    assert "--set layers=all" in second
    assert not (tmp_path / "part" / "model.firebit").exists()


def test_an_error_without_advice_of_ours_keeps_its_own(
    firebit: Run, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UsageError("Layer 'act1' is too wide.", "Make it narrower.")

    monkeypatch.setattr("firebit.train.compile.compiled", refuse)
    code, out, err = firebit("compile", "few")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "error: few/hardened.safetensors: Layer 'act1' is too wide.",
        "  → Make it narrower.",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_full_disk_leaves_the_old_file_whole(run_folder: Path) -> None:
    a_plan().save(run_folder / "model.firebit")
    before = contents(run_folder)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))\n"
        "from firebit import cli\n"
        "cli.main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "compile", str(run_folder)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert (result.returncode, result.stdout) == (1, ""), result.stderr
    assert result.stderr.startswith(f"error: No space left to write {run_folder}/model.firebit.")
    assert contents(run_folder) == before


def test_names_from_files_cannot_drive_the_terminal(firebit: Run, run_folder: Path, few_digits: Path) -> None:
    path = run_folder / "hardened.safetensors"
    with_recipe(path, path, str(few_digits), "no\\u001b[31mwhere")
    code, out, err = firebit("compile", "few")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "not checked: There is no data set or folder" in out
