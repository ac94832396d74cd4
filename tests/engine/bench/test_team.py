"""Contenders in turns: who is called, what is told, and whose fault a failure is."""

import json
from pathlib import Path

import numpy as np
import pytest

from firebit.engine.bench import Contender
from firebit.engine.bench.team import Worker, quantize, take_turns
from firebit.engine.bench.worker import LOGITS, PICTURES
from firebit.errors import FirebitError
from firebit.files import load_tensors, save_tensors


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    save_tensors(path, {PICTURES: np.arange(20, dtype=np.uint8).reshape(4, 5)}, {"kind": PICTURES})
    return path


def fake(folder: Path, name: str, **asked: object) -> Contender:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(asked))
    return Contender("fake", "float", name, path)


def test_in_every_round_each_is_called(fakes: Path, own: Contender, pictures: Path) -> None:
    told: list[int] = []
    team = [own, fake(fakes, "slow", seconds=0.02), fake(fakes, "quick", seconds=0.005)]
    found = take_turns(team, 1, 2, pictures, rounds=3, seconds=0.001, told=lambda: told.append(1))
    assert len(told) == 9
    assert [len(seconds) for seconds, _ in found] == [3, 3, 3]
    # Per picture, two of which are in a call.
    assert all(seconds >= 0.01 for seconds in found[1][0])
    assert min(found[2][0]) < min(found[1][0])


def test_a_worker_predicts_and_tells_its_memory(own: Contender, pictures: Path, tmp_path: Path) -> None:
    with Worker(own, 2, 3, pictures) as worker:
        worker.logits(tmp_path / "logits")
        seconds, calls = worker.time(0.001)
        memory = worker.memory()
    assert load_tensors(tmp_path / "logits")[0][LOGITS].shape == (4, 3)
    assert seconds > 0 and calls >= 1
    assert memory is None or memory > 0


@pytest.mark.parametrize(
    ("fails", "problem"),
    [
        ("load", "fake float (bad) failed: ValueError: no such operator"),
        ("run", "fake float (bad) failed: ValueError: it ran out of luck"),
        ("dies", "fake float (bad) ended without an answer (exit code 7): Segmentation fault"),
    ],
)
def test_a_failure_names_the_contender(fakes: Path, pictures: Path, fails: str, problem: str) -> None:
    with pytest.raises(FirebitError) as caught, Worker(fake(fakes, "bad", fails=fails), 1, 1, pictures):
        pass
    assert caught.value.problem == problem
    assert "peer" in caught.value.remedy


def test_files_of_8_bit_integers_are_made_in_a_process_of_their_own(fakes: Path, pictures: Path) -> None:
    quantize("fake", fakes / "net.onnx", fakes / "int8.json", pictures)
    assert json.loads((fakes / "int8.json").read_text()) == {"off": 4}
    with pytest.raises(FirebitError, match="fake, making 8-bit integers, failed: ValueError: cannot quantise"):
        quantize("fake", fakes / "wrong.onnx", fakes / "int8.json", pictures)
