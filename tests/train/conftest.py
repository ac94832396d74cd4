"""A recipe that trains in a second, and a run made with it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from firebit.data import ImageSet, load
from firebit.nn.harden import estimate_statistics
from firebit.train import Recipe, RunFolder, fit, make_recipe
from firebit.zoo.backbone import Backbone

WORKER = Path(__file__).with_name("worker.py")
TINY: dict[str, Any] = {
    "net": {"name": "lenet", "width": 0.2},
    "batch": 20,
    "size": 28,
    "threads": 1,
    "augment": {"crop": 2},
    "baseline": {"epochs": 1},
    "phase1": {"epochs": 2, "growth": 1e-3},
    "phase2": {"epochs": 1, "growth": 1e-2},
    "checkpoint_steps": 4,
}


@pytest.fixture(scope="session")
def tiny(few_digits: Path) -> Callable[..., Recipe]:
    """Make the tiny recipe; keyword arguments replace fields, tables are merged."""

    def make(**changes: Any) -> Recipe:
        tree: dict[str, Any] = {**TINY, "data": str(few_digits)}
        for key, value in changes.items():
            tree[key] = {**tree.get(key, {}), **value} if isinstance(value, dict) else value
        return make_recipe(tree)

    return make


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def start_ranks() -> Callable[..., list[dict[str, Any]]]:
    """Run worker.py as so many ranks, with the variables that torchrun sets; what each of them says."""
    return _ranks


def _ranks(size: int, *words: object) -> list[dict[str, Any]]:
    """Run the worker as so many ranks, with the variables that torchrun sets, and return what each said."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(size)}
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), *map(str, words)],
            env={**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    said = [process.communicate(timeout=600) for process in processes]
    for _, err in said:
        assert "Traceback" not in err, err
    return [json.loads(out) if out else {} for out, _ in said]


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that is said to multiply bfloat16 numbers itself."""
    monkeypatch.setattr("firebit.train.precision.native_bfloat16", lambda _device: True)


@pytest.fixture(scope="session")
def train_set(few_digits: Path) -> ImageSet:
    return load(few_digits)


@pytest.fixture(scope="session")
def finished(tiny: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished tiny run with a tuned classifier; not to be written to."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "few")
    fit(tiny(classifier={"epochs": 1}), folder)
    return folder


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """A backbone of random weights whose features differ between pictures; of the smallest side."""
    torch.manual_seed(0)
    net = Backbone("efficientnet_lite0", 32).requires_grad_(False)
    estimate_statistics(net, [torch.rand(32, 3, 32, 32)])
    return net.eval()
