"""`firebit eval`: what is measured, and what it refuses."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from firebit.data import load
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.train import RunFolder, evaluate, load_model

Run = Callable[..., tuple[int, str, str]]


def plan(votes: bool = True, classes: int = 10) -> Plan:
    """16 units of random weights on 28 × 28 pixels, and random votes for each class."""
    rng = np.random.default_rng(0)
    weights, thresholds = rng.integers(-9, 10, (16, 784), np.int16), rng.integers(-9999, 10000, (1, 16), np.int32)
    layer = Layer("fire", (Term("input", weights),), thresholds, np.ones(16, np.int8))
    last = Term("fire", rng.integers(-9, 10, (classes, 16), np.int16))
    logits = Logits("out", (last,), 0.125, rng.standard_normal(classes))
    return Plan(Input((1, 28, 28)), (layer,), logits if votes else None)


def expected(of: Plan, data: Path | str) -> dict[str, float]:
    """Metrics of the plan above on test pictures, computed here."""
    assert of.logits is not None
    pictures, layer = load(data, "test"), of.layers[0]
    loss, first, five = 0.0, 0, 0
    for image, label in zip(pictures.images, pictures.labels, strict=True):
        sums = layer.terms[0].weights.astype(int) @ image.reshape(-1).astype(int)
        votes = of.logits.terms[0].weights.astype(int) @ (sums >= layer.threshold[0])
        logits = (votes * of.logits.scale + of.logits.bias).tolist()
        loss += math.log(sum(math.exp(value) for value in logits)) - logits[label]
        place = sorted(range(len(logits)), key=lambda index: (-logits[index], index)).index(label)
        first, five = first + (place < 1), five + (place < 5)
    count = len(pictures)
    return {"loss": loss / count, "top1": first / count, "top5": five / count, "count": count}


@pytest.fixture
def compiled(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of the run with a compiled network, which is another network than it has trained."""
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    plan().save(copy / "model.firebit")
    return copy


@pytest.fixture
def firebit(command_line: Run) -> Run:
    return partial(command_line, "eval")


@pytest.mark.parametrize("network", ["hardened", "model", "phase1", "relu"])
def test_the_networks_of_a_run_as_json(firebit: Run, run_folder: Path, few_digits: Path, network: str) -> None:
    code, out, _ = firebit(run_folder, "--network", network, "--json")
    metrics, census = evaluate(load_model(run_folder, network), load(few_digits, "test"))
    kind = {"hardened": "hardened", "relu": "relu"}.get(network, "rectifier")
    assert code == 0
    assert json.loads(out) == {
        "network": kind,
        "data": "few-test",
        "metrics": metrics.to_dict(),
        "census": census.to_dict() if census else None,
    }


def test_text_and_table(firebit: Run, run_folder: Path) -> None:
    code, out, _ = firebit(run_folder)
    assert code == 0
    assert out.startswith("hardened network on few-test: top-1 ")
    assert "over 60 pictures" in out
    rows = [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")]
    assert rows == ["act1", "act2", "act3", "all"]


def test_another_split_and_other_data(firebit: Run, run_folder: Path) -> None:
    assert json.loads(firebit(run_folder, "--split", "train", "--json")[1])["metrics"]["count"] == 120
    found = json.loads(firebit(RunFolder(run_folder).model_file("model"), "digits", "--json")[1])
    assert (found["data"], found["metrics"]["count"]) == ("digits-test", 2000)


def test_pictures_of_a_folder_are_brought_to_the_size_of_the_run(
    firebit: Run, run_folder: Path, tmp_path: Path
) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for label in range(10):
            (tmp_path / part / str(label)).mkdir(parents=True)
            Image.new("L", (40, 50), 20 * label).save(tmp_path / part / str(label) / "1.png")
    code, out, err = firebit(run_folder, tmp_path, "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["count"] == 10
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    recipe = RunFolder(run_folder).recipe().model_copy(update={"data": str(tmp_path)})
    (copy / "recipe.toml").write_text(recipe.to_toml())
    code, out, err = firebit(copy, "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["count"] == 10


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--network", "best"], 2, "A run has no network 'best'."),
        (["--split", "val"], 2, "split='val' is not known."),
        (["mnist"], 3, "The data set mnist is not in"),
        (["nowhere"], 3, "There is no data set or folder 'nowhere'."),
    ],
)
def test_refusals(firebit: Run, run_folder: Path, words: list[str], code: int, problem: str) -> None:
    found, out, err = firebit(run_folder, *words)
    assert (found, out) == (code, "")
    assert problem in err.splitlines()[0]
    assert len(err.splitlines()) == 2


def test_a_file_does_not_say_which_data(firebit: Run, run_folder: Path) -> None:
    code, _, err = firebit(RunFolder(run_folder).model_file("model"))
    assert code == 2
    assert "does not say which data set to use" in err


def test_a_target_that_is_not_there(firebit: Run, tmp_path: Path) -> None:
    for words in ([tmp_path / "none"], [tmp_path / "none", "digits"]):
        code, _, err = firebit(*words)
        assert code == 4
        assert err.splitlines()[0] == f"error: There is no run or model file {tmp_path / 'none'}."


def test_a_folder_that_is_no_run(firebit: Run, tmp_path: Path) -> None:
    code, _, err = firebit(tmp_path)
    assert code == 2
    assert f"{tmp_path} is not a run directory." in err


def test_a_run_that_is_not_finished(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder, copy)
    (copy / "hardened.safetensors").unlink()
    code, _, err = firebit(copy)
    assert code == 4
    assert "has no hardened network yet" in err.splitlines()[0]
    assert "--resume" in err.splitlines()[1]


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_damaged_file_is_4(firebit: Run, run_folder: Path, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(RunFolder(run_folder).model_file("hardened").read_bytes()[:cut])
    code, out, err = firebit(path, "digits")
    assert (code, out) == (4, "")
    assert path.name in err.splitlines()[0]
    assert len(err.splitlines()) == 2


def test_pictures_of_another_shape_are_refused(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (28, 28)).save(tmp_path / part / name / "1.png")
    code, _, err = firebit(run_folder, tmp_path)
    assert code == 2
    assert "takes pictures of 1×28×28 in 10 classes" in err
    assert "has 3×28×28 in 2" in err


@pytest.mark.parametrize("way", ["file", "run", "run and data"])
def test_a_compiled_network_is_measured(firebit: Run, compiled: Path, few_digits: Path, way: str) -> None:
    words = {
        "file": [compiled / "model.firebit", few_digits],
        "run": [compiled, "--network", "compiled"],
        "run and data": [compiled, few_digits, "--network", "compiled"],
    }
    code, out, err = firebit(*words[way], "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["metrics"].pop("loss") == pytest.approx(expected(plan(), few_digits)["loss"], rel=1e-12)
    metrics = {key: value for key, value in expected(plan(), few_digits).items() if key != "loss"}
    assert found == {"network": "compiled", "data": "few-test", "metrics": metrics, "census": None}


def test_a_compiled_network_as_text(firebit: Run, compiled: Path, few_digits: Path) -> None:
    figures = expected(plan(), few_digits)
    code, out, _ = firebit(compiled / "model.firebit", few_digits)
    assert code == 0
    assert out == (
        f"compiled network on few-test: top-1 {100 * figures['top1']:.2f} %, top-5 {100 * figures['top5']:.2f} %, "
        f"loss {figures['loss']:.4f} over 60 pictures\n"
    )


def test_names_are_no_markup_and_lines_are_not_folded(
    firebit: Run, compiled: Path, few_digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shutil.copytree(few_digits, compiled / "[bold]few")
    code, out, _ = firebit(compiled / "model.firebit", compiled / "[bold]few")
    assert (code, len(out.splitlines())) == (0, 1)
    assert out.startswith("compiled network on [bold]few-test: top-1 ")


def test_the_content_decides_what_a_file_is(firebit: Run, compiled: Path, few_digits: Path) -> None:
    (compiled / "model.firebit").rename(compiled / "plan.safetensors")
    assert json.loads(firebit(compiled / "plan.safetensors", few_digits, "--json")[1])["network"] == "compiled"
    (compiled / "hardened.safetensors").rename(compiled / "hardened.firebit")
    assert json.loads(firebit(compiled / "hardened.firebit", few_digits, "--json")[1])["network"] == "hardened"


@pytest.mark.parametrize("run", [False, True])
def test_a_compiled_network_needs_no_torch(compiled: Path, few_digits: Path, run: bool) -> None:
    words = [str(compiled), "--network", "compiled"] if run else [str(compiled / "model.firebit"), str(few_digits)]
    code = (
        "import sys\n"
        "from firebit import cli\n"
        f"try:\n    cli.main(['eval', *{words}])\n"
        "except SystemExit as end:\n    print(end.code)\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'torch'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-2:] == ["0", "[]"], result.stderr


def test_pictures_of_a_folder_are_brought_to_the_size_of_a_compiled_network(firebit: Run, tmp_path: Path) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for label in range(10):
            (tmp_path / part / str(label)).mkdir(parents=True)
            Image.new("L", (40, 50), 20 * label).save(tmp_path / part / str(label) / "1.png")
    plan().save(tmp_path / "a.firebit")
    code, out, err = firebit(tmp_path / "a.firebit", tmp_path, "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["count"] == 10


def test_a_run_without_a_compiled_network(firebit: Run, compiled: Path) -> None:
    (compiled / "model.firebit").unlink()
    code, out, err = firebit(compiled, "--network", "compiled")
    assert (code, out) == (4, "")
    assert err.splitlines()[0] == f"error: {compiled} has no compiled network yet: there is no model.firebit in it."
    assert err.splitlines()[1] == f"  → Make it: firebit compile {compiled}"


@pytest.mark.parametrize("name", ["hardened.safetensors", "model.firebit"])
def test_a_file_leaves_no_network_to_choose(firebit: Run, compiled: Path, name: str) -> None:
    code, out, err = firebit(compiled / name, "digits", "--network", "relu")
    assert (code, out) == (2, "")
    assert "--network does not go with" in err.splitlines()[0]


def test_compiled_networks_that_cannot_be_measured(firebit: Run, tmp_path: Path, few_digits: Path) -> None:
    plan(votes=False).save(tmp_path / "coder.firebit")
    plan(classes=9).save(tmp_path / "nine.firebit")
    plan().save(tmp_path / "cut.firebit")
    (tmp_path / "cut.firebit").write_bytes((tmp_path / "cut.firebit").read_bytes()[:-1])
    for name, expected_code, problem in (
        ("coder", 2, "is an encoder"),
        ("nine", 2, "takes pictures of 1×28×28 in 9 classes; few-test has 1×28×28 in 10"),
        ("cut", 4, "damaged"),
    ):
        code, out, err = firebit(tmp_path / f"{name}.firebit", few_digits)
        assert (code, out) == (expected_code, "")
        assert problem in err.splitlines()[0]
        assert len(err.splitlines()) == 2


@pytest.mark.parametrize(
    ("recipe", "problem"),
    [
        (None, "it is missing"),
        ("data = [", "cannot be read"),
        ("data = 3", "does not say which data set"),
        ("", "does not say which data set"),
        (b"data = '\xff'", "cannot be read"),
    ],
)
def test_recipes_that_do_not_say_which_data(
    firebit: Run, compiled: Path, recipe: str | bytes | None, problem: str
) -> None:
    path = compiled / "recipe.toml"
    path.unlink()
    if recipe is not None:
        path.write_bytes(recipe if isinstance(recipe, bytes) else recipe.encode())
    code, out, err = firebit(compiled, "--network", "compiled")
    assert (code, out) == (2, "")
    assert problem in err.splitlines()[0]
    assert str(path) in err.splitlines()[0]
    assert "firebit eval RUN DATA" in err.splitlines()[1]
    assert firebit(compiled, "digits", "--network", "compiled", "--json")[0] == 0
