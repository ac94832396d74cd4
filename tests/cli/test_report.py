"""`firebit report` as a user meets it."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term

Run = Callable[..., tuple[int, str, str]]

SCORES = {"loss": 1.0, "top1": 0.5, "top5": 1.0, "count": 60}


def plan() -> Plan:
    """16 units of random weights over digits, and random votes for each class."""
    rng = np.random.default_rng(0)
    layer = Layer(
        "fire",
        (Term("input", rng.integers(-9, 10, (16, 784), np.int16)),),
        np.zeros((1, 16), np.int32),
        np.ones(16, np.int8),
    )
    last = Term("fire", rng.integers(-9, 10, (10, 16), np.int16))
    return Plan(Input((1, 28, 28)), (layer,), Logits("out", (last,), 0.125, np.zeros(10)), tuple("0123456789"))


@pytest.fixture
def run_folder(few_digits: Path, tmp_path: Path) -> Path:
    """A finished run on few digits."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.toml").write_text(f"data = {json.dumps(str(few_digits))}\n")
    row = {"name": "compiled", "metrics": SCORES, "census": None, "activation_bytes": 2, "weight_bytes": 30}
    facts = {"data": "few-train", "measured_on": "test", "seed": 0, "net": "sixteen", "layers": "all", "seconds": 1}
    (folder / "results.json").write_text(json.dumps({**facts, "rows": [row]}))
    plan().save(folder / "model.firebit")
    return folder


@pytest.fixture
def firebit(command_line: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return partial(command_line, "report")


def test_a_report(firebit: Run, run_folder: Path) -> None:
    code, out, err = firebit(run_folder, "--smallest", 1)
    page = run_folder / "report.html"
    assert (code, err) == (0, "")
    assert out == f"Wrote {page}: {page.stat().st_size:,} bytes, one file that fetches nothing.\n"
    assert "over 60 pictures of few-test" in page.read_text()


def test_other_data_another_layer_and_place(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    words = ("--data", "digits", "--layer", "fire", "--smallest", 0, "--output", tmp_path / "page.html")
    assert firebit(run_folder, *words)[0] == 0
    assert "over 2,000 pictures of digits-test" in (tmp_path / "page.html").read_text()


def test_units_are_named_by_a_hierarchy(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "names.toml").write_text('[concepts]\nround = ["0", "6", "8", "9"]\n')
    assert firebit(run_folder, "--names", tmp_path / "names.toml", "--smallest", 0)[0] == 0
    assert "No name." in (run_folder / "report.html").read_text()
    code, _, err = firebit(run_folder, "--names", tmp_path / "none.toml")
    assert code == 3 and "none.toml" in err


def test_without_data(firebit: Run, run_folder: Path) -> None:
    assert firebit(run_folder, "--no-data")[0] == 0
    text = (run_folder / "report.html").read_text()
    assert "It needs the labelled pictures" in text and 'id="confusion"' not in text


def test_data_that_are_not_here_are_left_out(firebit: Run, run_folder: Path) -> None:
    (run_folder / "recipe.toml").write_text('data = "mnist"\n')
    code, out, err = firebit(run_folder)
    assert code == 0 and out.startswith("Wrote ")
    assert "The data set mnist is not in" in err and "goes without confusion and units" in err


def test_data_that_were_asked_for_must_be_here(firebit: Run, run_folder: Path) -> None:
    code, out, err = firebit(run_folder, "--data", "mnist")
    assert (code, out) == (3, "") and "firebit data fetch mnist" in err
    assert not (run_folder / "report.html").exists()


def test_a_run_without_compiled_network(firebit: Run, run_folder: Path) -> None:
    (run_folder / "model.firebit").unlink()
    assert firebit(run_folder)[0] == 0
    assert "There is no compiled network" in (run_folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nowhere",), 2, "is not a run directory"),
        (("run", "--share", "0.2"), 2, "share=0.2"),
        (("run", "--layer", "fir"), 2, "Did you mean 'fire'?"),
        (("run", "--split", "all"), 2, "split='all'"),
        (("run", "--data", "digits", "--output", "/proc/none/page.html"), 2, "/proc/none/page.html"),
    ],
)
def test_wrong_usage(firebit: Run, run_folder: Path, words: tuple[str, ...], code: int, said: str) -> None:
    found, _, err = firebit(*words)
    assert (found, said in err) == (code, True), err
    assert err.count("\n") == 2


def test_a_damaged_network_is_named(firebit: Run, run_folder: Path) -> None:
    path = run_folder / "model.firebit"
    path.write_bytes(path.read_bytes()[:-1])
    code, _, err = firebit(run_folder)
    assert code == 4 and "model.firebit" in err
