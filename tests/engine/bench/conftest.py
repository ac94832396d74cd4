"""Contenders that need no library: a module of a peer that lies in a folder of its own, and a compiled network."""

import os
from pathlib import Path

import numpy as np
import pytest

from firebit.engine.bench import PEERS, Contender, Peer
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term

FAKE = '''
"""A peer whose file says how long it takes, by how much its logits are off, and how it fails."""

import json
import os
import sys
import time

import numpy as np


def prepare(pictures):
    return pictures


def load(file, threads, batch):
    print("noise that a library prints")
    asked = json.loads(file.read_text())
    if asked.get("fails") == "load":
        raise ValueError("no such operator")
    if asked.get("fails") == "dies":
        print("Segmentation fault", file=sys.stderr, flush=True)
        os._exit(7)
    held = []

    def run(given):
        assert len(given) == batch
        held.append(bytearray(asked.get("bytes", 0)))
        del held[1:]
        if asked.get("fails") == "run":
            raise ValueError("it ran out of luck")
        time.sleep(asked.get("seconds", 0.0))
        wanted = given.reshape(len(given), -1)[:, :3].astype(np.float32)
        return wanted + asked.get("off", 0.0) + threads * 0

    return run


def quantize(onnx, target, pictures):
    if onnx.name == "wrong.onnx":
        raise ValueError("cannot quantise")
    target.write_text(json.dumps({"off": len(pictures)}))
'''


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for files of the peer "fake", which is installed."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "fake_peer.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(modules), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setitem(PEERS, "fake", Peer("fake_peer", ".json", ("numpy",), ("numpy",)))
    return tmp_path


def argmax_plan() -> Plan:
    """Votes for the class whose pixel, of the first three of five, is 128 or more."""
    weights = np.eye(3, 5, dtype=np.int16)
    fire = Layer("fire", (Term("input", weights),), np.full((1, 3), 128, np.int32), np.ones(3, np.int8))
    votes = Logits("vote", (Term("fire", np.eye(3, dtype=np.int16)),), 1.0, np.zeros(3))
    return Plan(Input((5,)), (fire,), votes)


@pytest.fixture
def own(tmp_path: Path) -> Contender:
    """A compiled network that tells which pixel is bright."""
    argmax_plan().save(tmp_path / "argmax.firebit")
    return Contender("firebit", "exact", "argmax", tmp_path / "argmax.firebit", "tiny")
