"""Contenders in processes of their own, and what they are asked in turn."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from firebit.engine.bench.contender import PEERS, Contender
from firebit.errors import FirebitError

_MODULE = "firebit.engine.bench.worker"
_PATIENCE = 10.0
_PAUSE = 0.01


class Worker:
    """The process of one contender (:mod:`firebit.engine.bench.worker`), to be used in a `with` block.

    Args:
        contender: what it runs.
        threads: how many it may use.
        batch: pictures per call.
        pictures: a file with pixels.

    Raises:
        FirebitError: it could not load the file, or has died.
    """

    def __init__(self, contender: Contender, threads: int, batch: int, pictures: Path) -> None:
        peer = PEERS[contender.peer]
        self._name = f"{contender.name} ({contender.network})"
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._process = _start(
            ["run", peer.module, str(contender.file), str(threads), str(batch), str(pictures)],
            self._errors,
            dict(peer.variables),
        )

    def __enter__(self) -> Self:
        try:
            self._read()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def time(self, seconds: float) -> tuple[float, int]:
        """Call it for so long: the median time of a call in seconds, and the number of calls."""
        found = self._ask({"time": seconds})
        return float(found["seconds"]), int(found["calls"])

    def memory(self) -> int | None:
        """Peak bytes above what the process held before it loaded the file; None where that is not known."""
        found: int | None = self._ask({"memory": True})["peak"]
        return found

    def logits(self, path: Path) -> None:
        """Let it write the logits of all pictures."""
        self._ask({"logits": str(path)})

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        # What it said before it died, or that it died, is read below.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return _answer(line, self._name, self._process, self._errors)

    def _stop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def quantize(peer: str, onnx: Path, target: Path, pictures: Path) -> None:
    """Make a peer's file of 8-bit integers, in a process of its own.

    Raises:
        FirebitError: it failed.
    """
    with tempfile.TemporaryFile() as errors:
        process = _start(["quantize", PEERS[peer].module, str(onnx), str(target), str(pictures)], errors, {})
        assert process.stdout is not None and process.stdin is not None
        line = process.stdout.readline()
        process.stdout.close()
        process.stdin.close()
        process.wait()
        _answer(line, f"{peer}, making 8-bit integers,", process, errors)


def take_turns(
    contenders: Sequence[Contender],
    threads: int,
    batch: int,
    pictures: Path,
    *,
    rounds: int,
    seconds: float,
    told: Callable[[], None] = lambda: None,
) -> list[tuple[list[float], int | None]]:
    """Measure contenders side by side: in every round each is called for a short while, in an order of its own.

    Args:
        contenders: what to measure.
        threads: of each.
        batch: pictures per call.
        pictures: a file with pixels.
        rounds: how many.
        seconds: that each is called per round.
        told: called after every turn.

    Returns:
        Per contender its seconds per picture in every round, and its peak memory in bytes.
    """
    order = random.Random(0)
    with ExitStack() as stack:
        team = [stack.enter_context(Worker(each, threads, batch, pictures)) for each in contenders]
        found: list[list[float]] = [[] for _ in team]
        for _ in range(rounds):
            for index in order.sample(range(len(team)), len(team)):
                found[index].append(team[index].time(seconds)[0] / batch)
                # Threads that wait in a loop for the next call must not slow down the next contender.
                time.sleep(_PAUSE)
                told()
        return [(spent, worker.memory()) for spent, worker in zip(found, team, strict=True)]


def _start(arguments: list[str], errors: IO[bytes], variables: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", _MODULE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, **variables},
    )


def _answer(line: str, name: str, process: "subprocess.Popen[str]", errors: IO[bytes]) -> dict[str, Any]:
    """What a line says.

    Raises:
        FirebitError: it says what went wrong, or there is none: the process has died.
    """
    if line:
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            raise FirebitError(f"{name} failed: {found['error']}", found["remedy"])
        return found
    code = process.wait()
    errors.seek(0)
    last = " ".join(errors.read().decode(errors="replace").strip().rpartition("\n")[2].split())
    raise FirebitError(
        f"{name} ended without an answer (exit code {code}){f': {last}' if last else '.'}",
        "Leave this peer out, or install another version of it.",
    )
