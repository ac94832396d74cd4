"""A benchmark from end to end: what every contender predicts, then how fast it is beside the others."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.engine.bench.contender import FLOAT, PEERS, Contender, Pictures
from firebit.engine.bench.record import Figures, Machine, Record, Timing
from firebit.engine.bench.team import Worker, take_turns
from firebit.engine.bench.worker import LOGITS, PICTURES
from firebit.errors import UsageError
from firebit.files import load_tensors, save_tensors
from firebit.machine import usable_cores

_TIMED = 256
_PREDICTED_AT_ONCE = 50

Logits = NDArray[np.floating[Any]]
Told = Callable[[str, float], None]


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        batches: pictures per call.
        threads: of each contender.
        rounds: in each of which every contender is called, in an order of its own.
        seconds: that it is called for per round, once at least.
    """

    batches: tuple[int, ...] = (1, 64)
    threads: tuple[int, ...] = (1, 2)
    rounds: int = 15
    seconds: float = 0.1

    def __post_init__(self) -> None:
        for name, numbers in (("batches", self.batches), ("threads", self.threads)):
            if not numbers or min(numbers) < 1 or len(set(numbers)) < len(numbers):
                raise UsageError(f"{name}={numbers} are no settings.", "Give whole numbers from 1, each of them once.")
        if self.rounds < 1 or not 0 < self.seconds <= 600:
            raise UsageError(
                f"rounds={self.rounds} of {self.seconds} seconds are no measurement.",
                "Give 1 round or more, of above 0 to 600 seconds.",
            )
        if max(self.threads) > usable_cores():
            raise UsageError(
                f"threads={max(self.threads)} is more than the {usable_cores()} cores that can be used here.",
                "Measure no more threads than there are cores.",
            )

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Every (batch, threads)."""
        return tuple(itertools.product(self.batches, self.threads))


def bench(
    contenders: Sequence[Contender],
    pictures: Pictures,
    settings: Settings | None = None,
    *,
    references: Mapping[str, Logits] | None = None,
    note: str = "",
    told: Told = lambda what, share: None,
) -> Record:
    """Measure contenders side by side, each in a process of its own.

    Args:
        contenders: files that libraries run; one of Firebit's at least.
        pictures: what they see. With labels, each is asked for all of them, and its accuracy is told.
        settings: how to measure; None: the defaults, with as many threads as there are cores.
        references: by name of a network, torch's logits (n, classes) for the first n pictures, which those of float
            peers must be.
        note: what a reader of the record must know.
        told: what is being done, and which share of it is.

    Raises:
        UsageError: nothing to measure.
        FirebitError: a contender failed; it is named.
    """
    if not any(contender.is_own for contender in contenders):
        raise UsageError("There is no compiled network to measure.", "Give a .firebit file, or a run that has one.")
    chosen = settings or Settings(threads=tuple(n for n in (1, 2) if n <= usable_cores()))
    machine = Machine.here()
    with TemporaryDirectory() as folder:
        seen = _files(pictures, chosen, Path(folder))
        predicted = _predict(contenders, pictures, seen[0], references or {}, told)
        timings = _time(contenders, seen[1], chosen, told)
    figures = tuple(replace(found, timings=tuple(each)) for found, each in zip(predicted, timings, strict=True))
    count = len(pictures) if pictures.labels is not None else 0
    return Record(figures, chosen.pairs, chosen.rounds, chosen.seconds, pictures.name, count, machine, note)


def _files(pictures: Pictures, settings: Settings, folder: Path) -> tuple[Path, Path]:
    """All pictures to predict, and the few to be timed on, as files."""
    every, few = folder / "every", folder / "few"
    # Without labels, a few predictions show whether float peers agree with torch.
    asked = pictures.images if pictures.labels is not None else pictures.cycled(_PREDICTED_AT_ONCE)
    save_tensors(every, {PICTURES: asked}, {"kind": PICTURES})
    count = max(max(settings.batches), min(len(pictures), _TIMED))
    save_tensors(few, {PICTURES: pictures.cycled(count)}, {"kind": PICTURES})
    return every, few


def _predict(
    contenders: Sequence[Contender], pictures: Pictures, file: Path, references: Mapping[str, Logits], told: Told
) -> list[Figures]:
    """What each contender is, how accurate, and how far from torch."""
    found = []
    for index, contender in enumerate(contenders):
        told(f"predictions of {contender.name}", index / len(contenders))
        reference = references.get(contender.network) if contender.precision == FLOAT else None
        accuracy = difference = None
        if pictures.labels is not None or reference is not None:
            logits = _logits(contender, file)
            if pictures.labels is not None:
                accuracy = float((logits.argmax(1) == pictures.labels).mean())
            if reference is not None:
                difference = _difference(logits, reference)
        version = PEERS[contender.peer].version
        found.append(Figures(contender, version, contender.file_bytes, (), accuracy, difference))
    return found


def _logits(contender: Contender, pictures: Path) -> Logits:
    target = pictures.with_name("logits")
    with Worker(contender, usable_cores(), _PREDICTED_AT_ONCE, pictures) as worker:
        worker.logits(target)
    return load_tensors(target)[0][LOGITS]


def _difference(logits: Logits, reference: Logits) -> float:
    """The largest difference, as a share of the largest logit where that is over 1."""
    count = min(len(logits), len(reference))
    size = max(1.0, float(np.abs(reference[:count]).max()))
    return float(np.abs(logits[:count] - reference[:count]).max()) / size


def _time(contenders: Sequence[Contender], file: Path, settings: Settings, told: Told) -> list[list[Timing]]:
    """Per contender its timings at every setting."""
    found: list[list[Timing]] = [[] for _ in contenders]
    turns = itertools.count(1)
    every = len(settings.pairs) * settings.rounds * len(contenders)
    for batch, threads in settings.pairs:
        what = f"batch {batch}, {threads} thread{'s' if threads > 1 else ''}"
        measured = take_turns(
            contenders,
            threads,
            batch,
            file,
            rounds=settings.rounds,
            seconds=settings.seconds,
            told=lambda what=what: told(what, next(turns) / every),  # type: ignore[misc]
        )
        for timings, (seconds, memory) in zip(found, measured, strict=True):
            timings.append(Timing(batch, threads, tuple(seconds), memory))
    return found
