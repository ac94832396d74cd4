"""`firebit evaluate search`: what is measured, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from firebit import cli
from firebit.data import load
from firebit.engine.plan import Input, Layer, Plan, Term
from firebit.search.evaluate import measure


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 bits of digits, each a random weighing of 20 others."""
    random = np.random.default_rng(0)
    one = random.integers(-9, 10, (20, 784), np.int16)
    two = random.integers(-9, 10, (24, 20), np.int16)
    first = Layer("fire", (Term("input", one),), np.zeros((1, 20), np.int32), np.ones(20, np.int8))
    last = Layer("code", (Term("fire", two),), np.zeros((1, 24), np.int32), np.ones(24, np.int8))
    path = tmp_path_factory.mktemp("model") / "encoder.firebit"
    Plan(Input((1, 28, 28)), (first, last)).save(path)
    return path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([str(word) for word in ("evaluate", "search", *words)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_figures_of_a_compiled_network_are_those_of_its_codes(
    encoder: Path, few_digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(encoder, few_digits, "--json", "--baselines", "--prefixes") == 0
    found = json.loads(capsys.readouterr().out)
    import firebit

    network = firebit.load(encoder)
    train, test = (load(few_digits, part) for part in ("train", "test"))
    expected = measure(24, network.codes(test.images), test.labels, network.codes(train.images), train.labels)
    assert found["codes"]["codes"] == json.loads(json.dumps(expected.to_dict()))
    assert list(found["codes"]) == ["codes", "first 12 bits", "first 16 bits", "LSH"]
    assert found["protocol"] == "cifar10-2"


def test_the_table_says_how_to_read_it(encoder: Path, few_digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(encoder, few_digits, "--protocol", "unseen", "--layer", "fire") == 0
    text = capsys.readouterr().out
    assert "mAP@1000" in text
    assert "protocol unseen" in text
    assert "trained without the classes that ask" in text


def test_curves_are_written(encoder: Path, few_digits: Path, tmp_path: Path) -> None:
    assert run(encoder, few_digits, "--plots", tmp_path / "curves") == 0
    assert (tmp_path / "curves.svg").exists()


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--protocol", "cifar100"], 2, "no protocol 'cifar100'"),
        (["--protocol", "cifar10"], 2, "this protocol takes 600"),
        (["--layer", "nothing"], 2, "'nothing'"),
        (["--layer", "fire", "--baselines"], 4, "what its codes are made of"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    encoder: Path, few_digits: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, problem: str
) -> None:
    assert run(encoder, few_digits, *words) == code
    error = capsys.readouterr().err
    assert problem in error
    assert len(error.strip().splitlines()) == 2


def test_a_file_needs_a_data_set_and_has_to_be_there(
    encoder: Path, few_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(encoder) == 2
    assert "which data set" in capsys.readouterr().err
    assert run(tmp_path / "no.firebit", few_digits) == 4
    assert run(encoder, "no-such-data") == 3


def test_a_run_with_some_real_layers_is_measured_in_torch(
    few_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from firebit.train import RunFolder, fit, make_recipe

    tree = {
        "data": str(few_digits),
        "net": {"name": "lenet", "width": 0.2, "code": 16, "rectified": "last"},
        "layers": "last",
        "batch": 20,
        "threads": 1,
        "baseline": {"enabled": False},
        "phase1": {"epochs": 1},
        "phase2": {"epochs": 1},
    }
    fit(make_recipe(tree), RunFolder(tmp_path / "run"))
    assert run(tmp_path / "run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["codes"]["codes"]["bits"] == 16
    assert run(tmp_path / "run", "--layer", "act1") == 2
    assert "gives no bits" in capsys.readouterr().err
