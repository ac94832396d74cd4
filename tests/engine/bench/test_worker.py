"""A contender's process: what it answers, and what it keeps to itself."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from firebit.engine.bench.worker import LOGITS, PICTURES, Session
from firebit.files import load_tensors, save_tensors

IMAGES = np.arange(7 * 5, dtype=np.uint8).reshape(7, 5)


def file(folder: Path, **asked: object) -> Path:
    path = folder / "net.json"
    path.write_text(json.dumps(asked))
    return path


@pytest.fixture
def session(fakes: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.syspath_prepend(fakes / "modules")
    return Session("fake_peer", file(fakes, seconds=0.01, off=0.5, bytes=30_000_000), 1, 3, IMAGES)


def test_it_calls_for_so_long_and_tells_the_median(session: Session) -> None:
    found = session.time(0.05)
    assert 0.01 <= found["seconds"] < 1
    assert 1 <= found["calls"] <= 5
    assert session.time(1e-9)["calls"] == 1


def test_logits_are_those_of_all_pictures_in_order(session: Session, tmp_path: Path) -> None:
    assert session.answer({"logits": str(tmp_path / "logits")}) == {}
    found = load_tensors(tmp_path / "logits")[0][LOGITS]
    assert found.dtype == np.float64
    # The last batch of three was filled up, and the filling is gone.
    assert np.array_equal(found, IMAGES[:, :3] + 0.5)


def start(fakes: Path, request: str = '{"time": 0.001}', **asked: object) -> "subprocess.CompletedProcess[str]":
    pictures = fakes / "pictures"
    save_tensors(pictures, {PICTURES: IMAGES}, {"kind": PICTURES})
    words = ["run", "fake_peer", str(file(fakes, **asked)), "1", "2", str(pictures)]
    command = [sys.executable, "-m", "firebit.engine.bench.worker", *words]
    return subprocess.run(command, input=f"{request}\n", capture_output=True, text=True, check=False)


def test_a_process_answers_in_json_and_what_libraries_print_goes_elsewhere(fakes: Path) -> None:
    found = start(fakes)
    first, second = map(json.loads, found.stdout.splitlines())
    assert first == {"ready": True} and second["calls"] >= 1
    assert "noise that a library prints" in found.stderr
    assert found.returncode == 0


def test_memory_is_counted_from_before_it_loaded(fakes: Path) -> None:
    # In a process of its own: one that has run other tests may have that much to spare already.
    answers = start(fakes, '{"memory": true}', bytes=30_000_000).stdout.splitlines()
    peak = json.loads(answers[1])["peak"]
    assert peak is None or 20_000_000 < peak < 200_000_000


def test_a_failure_is_an_answer_too(fakes: Path) -> None:
    found = start(fakes, fails="load")
    assert json.loads(found.stdout)["error"] == "ValueError: no such operator"
    assert found.returncode == 1
