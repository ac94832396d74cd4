"""`firebit bench` as a user meets it; what runs as torch is a module that answers at once, but for the slow test."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from firebit.engine.bench import Peer, contender
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.train import RunFolder, make_recipe
from firebit.train.run import save_model
from firebit.zoo import untrained_relu

Run = Callable[..., tuple[int, str, str]]
QUICK = ("--rounds", 1, "--seconds", 0.001, "--batch", 2, "--threads", 1)


def plan(side: int = 28, classes: int = 10) -> Plan:
    """16 units of random weights, and random votes for each class."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-9, 10, (16, side * side), np.int16)
    layer = Layer("fire", (Term("input", weights),), np.zeros((1, 16), np.int32), np.ones(16, np.int8))
    last = Term("fire", rng.integers(-9, 10, (classes, 16), np.int16))
    return Plan(Input((1, side, side)), (layer,), Logits("out", (last,), 0.125, rng.standard_normal(classes)))


@pytest.fixture
def run_folder(few_digits: Path, tmp_path: Path) -> Path:
    """A run with a compiled network and one with ReLUs."""
    folder = RunFolder(tmp_path / "few")
    recipe = make_recipe({"data": str(few_digits), "batch": 20, "net": {"name": "lenet", "width": 0.2}})
    folder.create(recipe, "0" * 64)
    torch.manual_seed(0)
    net = untrained_relu("lenet", width=0.2, batch_norm=True)
    save_model(folder.model_file("relu"), net, recipe, (1, 28, 28), tuple("0123456789"), "relu")
    plan().save(folder.compiled_file)
    return folder.path


@pytest.fixture
def swift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer called torch that needs no seconds to start, and computes nothing."""
    modules = tmp_path / "modules"
    modules.mkdir()
    run = "def load(file, threads, batch):\n    return lambda count: numpy.zeros((count, 10))\n"
    (modules / "swift_peer.py").write_text(f"import numpy\nprepare = len\n{run}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(modules), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setitem(contender.PEERS, "torch", Peer("swift_peer", ".safetensors", ("torch",)))


@pytest.fixture
def firebit(command_line: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return partial(command_line, "bench")


@pytest.mark.slow
def test_a_run_beside_its_relu_network(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    code, out, _ = firebit(run_folder, "--peer", "torch", *QUICK, "--limit", 30, "--plot", tmp_path / "plot", "--json")
    found = json.loads(out)
    assert code == 0
    own, peer = found["contenders"]
    assert (own["peer"], own["network"], own["architecture"]) == ("firebit", "few", "lenet × 0.2")
    assert (peer["peer"], peer["precision"], peer["architecture"]) == ("torch", "float", "lenet × 0.2")
    assert peer["agrees"] and peer["difference"] < 1e-4
    assert 0 <= own["accuracy"] <= 1 and found["pictures"] == 30
    assert [(each["batch"], each["threads"]) for each in found["settings"]] == [(2, 1)]
    assert found["same_architecture"][0]["median"] > 0
    assert (tmp_path / "plot.svg").is_file() and (tmp_path / "plot.png").is_file()


def test_tables(firebit: Run, run_folder: Path) -> None:
    code, out, _ = firebit(run_folder / "model.firebit", "--no-peers", *QUICK)
    assert code == 0
    assert "ms, batch 2, 1 thread" in out and "firebit exact" in out and "60 pictures of few-test" in out
    assert "against" not in out


def test_a_network_of_the_zoo(firebit: Run, swift: None) -> None:
    code, out, _ = firebit("lenet", "--width", 0.1, "--weights", "sign", "--peer", "torch", *QUICK)
    assert code == 0
    assert "lenet, ±1 weights" in out and "Untrained networks, on noise" in out
    # It is not what torch computes.
    assert "torch float (lenet) differs from torch" in out and "against" not in out


def test_a_file_of_unknown_origin_beside_the_relu_network_of_a_run(
    firebit: Run, swift: None, run_folder: Path, tmp_path: Path, few_digits: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "mine.firebit"
    plan().save(file)
    code, out, _ = firebit(file, "--relu", run_folder, "--peer", "torch", *QUICK, "--json")
    found = json.loads(out)
    assert code == 0 and found["pictures"] == 0 and "noise" in found["note"]
    assert [each["network"] for each in found["contenders"]] == ["mine", "few"]
    assert [each["agrees"] for each in found["contenders"]] == [True, False]
    code, out, _ = firebit(file, run_folder, "--no-peers", "--data", few_digits, *QUICK, "--json")
    accuracies = [each["accuracy"] for each in json.loads(out)["contenders"]]
    assert code == 0 and accuracies[0] == accuracies[1] is not None


def test_a_compiled_network_alone_needs_no_torch(run_folder: Path) -> None:
    program = "import sys; sys.modules['torch'] = None\nfrom firebit.cli import main; main(sys.argv[1:])"
    words = ["bench", str(run_folder), "--no-peers", *map(str, QUICK), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["contenders"][0]["accuracy"] is not None


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("lenett",), 2, "There is no network 'lenett'"),
        (("nowhere/model.firebit",), 4, "There is no run or model file"),
        (("lenet", "--data", "digits"), 2, "is not trained"),
        (("lenet", "--rounds", 0), 2, "no measurement"),
        (("lenet", "--batch", 0), 2, "batches"),
        (("lenet", "--threads", 5000), 2, "more than the"),
        (("lenet", "--peer", "theano"), 2, "no peer 'theano'"),
        (("lenet", "--peer", "torch", "--no-peers"), 2, "exclude each other"),
        (("lenet", "--width", 0.1, "--precision", "rough"), 2, "precision='rough'"),
        (("lenet", "--width", 0.1, "--weights", "ternary"), 2, "weights='ternary'"),
        (("lenet", "--width", 0.1, "--plot", "x"), 2, "no accuracy to plot"),
    ],
)
def test_what_is_refused(firebit: Run, words: tuple[object, ...], code: int, problem: str) -> None:
    found, out, err = firebit(*words)
    assert (found, out) == (code, "")
    assert problem in err


def test_networks_of_different_tasks_are_refused(firebit: Run, run_folder: Path, tmp_path: Path) -> None:
    plan(side=14).save(tmp_path / "small.firebit")
    code, _, err = firebit(run_folder, tmp_path / "small.firebit", "--no-peers")
    assert code == 2 and "takes other pictures" in err
    code, _, err = firebit(tmp_path / "small.firebit", "--relu", run_folder, "--peer", "torch")
    assert code == 2 and "ReLU network of few takes other pictures" in err
    code, _, err = firebit(run_folder, "--width", 2, "--no-peers")
    assert code == 2 and "--width builds a network of the zoo" in err


def test_encoders_and_runs_without_a_compiled_network_are_refused(
    firebit: Run, run_folder: Path, tmp_path: Path
) -> None:
    Plan(plan().input, plan().layers).save(tmp_path / "codes.firebit")
    code, _, err = firebit(tmp_path / "codes.firebit")
    assert code == 2 and "is an encoder" in err
    (run_folder / "model.firebit").unlink()
    code, _, err = firebit(run_folder)
    assert code == 4 and "no compiled network yet" in err


def test_a_peer_that_is_not_installed_is_named(firebit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contender, "find_spec", lambda name: None)
    code, _, err = firebit("lenet", "--peer", "openvino")
    assert code == 2 and "openvino needs openvino, which is not installed" in err
    assert "pip install 'firebit[peers]'" in err
