"""The process in which one contender runs: its own libraries, threads and memory.

    python -m firebit.engine.bench.worker run MODULE FILE THREADS BATCH PICTURES
    python -m firebit.engine.bench.worker quantize MODULE ONNX TARGET PICTURES

"run" loads the file, warms up, says so in a line of JSON, and answers a line of JSON for each it is given:

    {"time": 0.1}          →  {"seconds": median of the calls, "calls": how many}
    {"memory": true}       →  {"peak": bytes above what it held before it loaded, or null}
    {"logits": "a file"}   →  {} once the logits of all pictures are in that file

A failure is a line with "error" and "remedy". What libraries print goes to the error stream.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from firebit.engine.bench import memory
from firebit.errors import FirebitError
from firebit.files import load_tensors, save_tensors

PICTURES = "pictures"
LOGITS = "logits"

_WARM_CALLS = 3
_WARM_SECONDS = 0.3
_PREPARED_BYTES = 1 << 26


class Session:
    """A contender at work.

    Args:
        module: import path of its peer (:class:`firebit.engine.bench.Peer`).
        file: what it loads.
        threads: how many it may use.
        batch: pictures per call.
        pictures: pixels uint8 (N, *shape), N ≥ 1.
    """

    def __init__(self, module: str, file: Path, threads: int, batch: int, pictures: NDArray[np.uint8]) -> None:
        self._peer = import_module(module)
        self._batch, self._pictures = batch, pictures
        prepared = list(self._batches(max(1, _PREPARED_BYTES // (4 * batch * pictures[0].size))))
        self._inputs = cycle(prepared)
        self._before = memory.resident()
        memory.forget_peak()
        self._run: Callable[[Any], NDArray[np.floating[Any]]] = self._peer.load(file, threads, batch)
        self._warm()

    def _batches(self, most: int) -> Iterator[Any]:
        """At most so many batches, the last one filled up from the first pictures."""
        for start in range(0, min(len(self._pictures), most * self._batch), self._batch):
            chosen = np.arange(start, start + self._batch) % len(self._pictures)
            yield self._peer.prepare(self._pictures[chosen])

    def _warm(self) -> None:
        until = time.perf_counter() + _WARM_SECONDS
        calls = 0
        while calls < _WARM_CALLS or time.perf_counter() < until:
            self._run(next(self._inputs))
            calls += 1

    def time(self, seconds: float) -> dict[str, Any]:
        """Call it for so long, once at least: the median time of a call."""
        spent: list[float] = []
        until = time.perf_counter() + seconds
        while not spent or time.perf_counter() < until:
            given = next(self._inputs)
            began = time.perf_counter()
            self._run(given)
            spent.append(time.perf_counter() - began)
        return {"seconds": median(spent), "calls": len(spent)}

    def memory(self) -> dict[str, Any]:
        """The most memory it has held above what it held before it loaded."""
        most = memory.peak()
        return {"peak": max(0, most - self._before) if most is not None and self._before is not None else None}

    def logits(self, path: Path) -> dict[str, Any]:
        """Write the logits of all pictures to a file, float64 (N, classes)."""
        parts = [self._run(prepared) for prepared in self._batches(len(self._pictures))]
        logits = np.concatenate([np.asarray(part, np.float64) for part in parts])[: len(self._pictures)]
        save_tensors(path, {LOGITS: logits}, {"kind": LOGITS})
        return {}

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what a line asks for."""
        if "time" in asked:
            return self.time(float(asked["time"]))
        return self.logits(Path(asked["logits"])) if "logits" in asked else self.memory()


def serve(lines: TextIO, answers: TextIO, module: str, file: str, threads: str, batch: str, pictures: str) -> None:
    """Make a session and answer every line."""
    images = load_tensors(Path(pictures))[0][PICTURES]
    session = Session(module, Path(file), int(threads), int(batch), images)
    _say(answers, {"ready": True})
    for line in lines:
        _say(answers, session.answer(json.loads(line)))


def quantize(module: str, onnx: str, target: str, pictures: str) -> None:
    """Make a peer's file of 8-bit integers."""
    import_module(module).quantize(Path(onnx), Path(target), load_tensors(Path(pictures))[0][PICTURES])


def _say(answers: TextIO, values: dict[str, Any]) -> None:
    answers.write(json.dumps(values) + "\n")
    answers.flush()


def _own_output() -> TextIO:
    """The standard output, kept from libraries: what they print goes to the error stream."""
    kept = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return kept


def main(arguments: Sequence[str]) -> int:
    """Do the work and tell how it went."""
    answers = _own_output()
    try:
        if arguments[0] == "quantize":
            quantize(*arguments[1:])
            _say(answers, {"ready": True})
        else:
            serve(sys.stdin, answers, *arguments[1:])
    except FirebitError as error:
        _say(answers, {"error": error.problem, "remedy": error.remedy})
        return error.exit_code
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _say(answers, {"error": what[:500], "remedy": "Leave this peer out, or install another version of it."})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
