"""`firebit eval`: what is measured, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from firebit import cli
from firebit.data import load
from firebit.train import RunFolder, evaluate, fit, load_model, make_recipe

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run_folder(few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "few")
    tree = {
        "data": str(few_digits),
        "net": {"name": "lenet", "width": 0.2},
        "batch": 20,
        "threads": 1,
        "phase1": {"epochs": 1},
        "phase2": {"epochs": 1},
    }
    fit(make_recipe(tree), folder)
    return folder


@pytest.fixture
def firebit(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(["eval", *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return run


@pytest.mark.parametrize("network", ["hardened", "model", "phase1", "relu"])
def test_the_networks_of_a_run_as_json(firebit: Run, run_folder: RunFolder, few_digits: Path, network: str) -> None:
    code, out, _ = firebit(run_folder.path, "--network", network, "--json")
    metrics, census = evaluate(load_model(run_folder.path, network), load(few_digits, "test"))
    kind = {"hardened": "hardened", "relu": "relu"}.get(network, "rectifier")
    assert code == 0
    assert json.loads(out) == {
        "network": kind,
        "data": "few-test",
        "metrics": metrics.to_dict(),
        "census": census.to_dict() if census else None,
    }


def test_text_and_table(firebit: Run, run_folder: RunFolder) -> None:
    code, out, _ = firebit(run_folder.path)
    assert code == 0
    assert out.startswith("hardened network on few-test: top-1 ")
    assert "over 60 pictures" in out
    rows = [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")]
    assert rows == ["act1", "act2", "act3", "all"]


def test_another_split_and_other_data(firebit: Run, run_folder: RunFolder) -> None:
    assert json.loads(firebit(run_folder.path, "--split", "train", "--json")[1])["metrics"]["count"] == 120
    found = json.loads(firebit(run_folder.model_file("model"), "digits", "--json")[1])
    assert (found["data"], found["metrics"]["count"]) == ("digits-test", 2000)


def test_pictures_of_a_folder_are_brought_to_the_size_of_the_run(
    firebit: Run, run_folder: RunFolder, tmp_path: Path
) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for label in range(10):
            (tmp_path / part / str(label)).mkdir(parents=True)
            Image.new("L", (40, 50), 20 * label).save(tmp_path / part / str(label) / "1.png")
    code, out, err = firebit(run_folder.path, tmp_path, "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["count"] == 10
    copy = tmp_path / "run"
    shutil.copytree(run_folder.path, copy)
    recipe = run_folder.recipe().model_copy(update={"data": str(tmp_path)})
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
def test_refusals(firebit: Run, run_folder: RunFolder, words: list[str], code: int, problem: str) -> None:
    found, out, err = firebit(run_folder.path, *words)
    assert (found, out) == (code, "")
    assert problem in err.splitlines()[0]
    assert len(err.splitlines()) == 2


def test_a_file_does_not_say_which_data(firebit: Run, run_folder: RunFolder) -> None:
    code, _, err = firebit(run_folder.model_file("model"))
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


def test_a_run_that_is_not_finished(firebit: Run, run_folder: RunFolder, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_folder.path, copy)
    (copy / "hardened.safetensors").unlink()
    code, _, err = firebit(copy)
    assert code == 4
    assert "has no hardened network yet" in err.splitlines()[0]
    assert "--resume" in err.splitlines()[1]


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_damaged_file_is_4(firebit: Run, run_folder: RunFolder, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(run_folder.model_file("hardened").read_bytes()[:cut])
    code, out, err = firebit(path, "digits")
    assert (code, out) == (4, "")
    assert path.name in err.splitlines()[0]
    assert len(err.splitlines()) == 2


def test_pictures_of_another_shape_are_refused(firebit: Run, run_folder: RunFolder, tmp_path: Path) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (28, 28)).save(tmp_path / part / name / "1.png")
    code, _, err = firebit(run_folder.path, tmp_path)
    assert code == 2
    assert "takes pictures of 1×28×28 in 10 classes" in err
    assert "has 3×28×28 in 2" in err
