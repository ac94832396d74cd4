"""What a benchmark found, and the two ways to compare it: at the same architecture, and at the same accuracy."""

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from statistics import median
from typing import Any

import firebit
from firebit.engine.bench.contender import Contender
from firebit.engine.native import instruction_set
from firebit.machine import instruction_sets, processor, usable_cores

LARGEST_DIFFERENCE = 1e-3
"""How far a logit of a float peer may be from torch's, as a share of the largest logit where that is over 1."""


@dataclass(frozen=True)
class Machine:
    """Where it ran.

    Attributes:
        processor: its name.
        instruction_sets: of the processor, as Linux calls them.
        cores: that the process may use.
        load: load average of the last minute before it began; None where the system does not tell.
        native: the instruction set of Firebit's own kernels.
    """

    processor: str
    instruction_sets: tuple[str, ...]
    cores: int
    load: float | None
    native: str
    platform: str
    python: str

    @classmethod
    def here(cls) -> "Machine":
        """This machine, now."""
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        versions = (platform.platform(), platform.python_version())
        return cls(processor(), instruction_sets(), usable_cores(), load, instruction_set(), *versions)


@dataclass(frozen=True)
class Timing:
    """A contender at one batch and number of threads.

    Attributes:
        batch: pictures per call.
        threads: that it may use.
        seconds: per picture, in every round; of the calls of a round, the median.
        memory: peak bytes above what its process held before it loaded the file; None where that is not known.
    """

    batch: int
    threads: int
    seconds: tuple[float, ...]
    memory: int | None

    @property
    def median(self) -> float:
        """Seconds per picture."""
        return median(self.seconds)


@dataclass(frozen=True)
class Figures:
    """What was measured of a contender.

    Attributes:
        contender: what it is.
        version: of its library.
        file_bytes: size of its files.
        timings: one per batch and number of threads.
        accuracy: share of pictures whose label it predicts, 0 … 1; None without labels.
        difference: of a float peer, the largest difference of a logit from torch's, as a share of the largest logit
            where that is over 1; None where there is nothing to compare with.
    """

    contender: Contender
    version: str
    file_bytes: int
    timings: tuple[Timing, ...]
    accuracy: float | None = None
    difference: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether it computes what torch computes, as far as that was asked."""
        return self.difference is None or self.difference <= LARGEST_DIFFERENCE

    def timing(self, batch: int, threads: int) -> Timing:
        """The timing at a setting."""
        return next(timing for timing in self.timings if (timing.batch, timing.threads) == (batch, threads))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values; no paths."""
        contender = self.contender
        return {
            **{"peer": contender.peer, "precision": contender.precision, "network": contender.network},
            **{"architecture": contender.architecture, "version": self.version, "file_bytes": self.file_bytes},
            **{"accuracy": self.accuracy, "difference": self.difference, "agrees": self.agrees},
            "timings": [{**asdict(timing), "median": timing.median} for timing in self.timings],
        }


@dataclass(frozen=True)
class Ratio:
    """How many times faster one contender is than another, round by round: median, smallest and largest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g}× ({self.low:.3g}–{self.high:.3g})"


@dataclass(frozen=True)
class Comparison:
    """A file of ours against one of a peer's, at one batch and number of threads."""

    own: Figures
    peer: Figures
    batch: int
    threads: int

    @property
    def ratio(self) -> Ratio:
        """The peer's time over ours, per round."""
        mine, theirs = (who.timing(self.batch, self.threads).seconds for who in (self.own, self.peer))
        ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
        return Ratio(median(ratios), min(ratios), max(ratios))

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON-able values."""
        return {
            **{"batch": self.batch, "threads": self.threads, **asdict(self.ratio)},
            **{"own": _key(self.own), "peer": _key(self.peer)},
        }


@dataclass(frozen=True)
class Record:
    """A benchmark.

    Attributes:
        figures: per contender.
        settings: (batch, threads), in the order in which they were measured.
        rounds: of each setting.
        seconds: that each contender was called per round.
        data: name of the pictures.
        pictures: how many were predicted.
        machine: where it ran.
        note: what a reader must know, such as that the networks were not trained; or "".
        date: when, YYYY-MM-DD.
        firebit: version.
    """

    figures: tuple[Figures, ...]
    settings: tuple[tuple[int, int], ...]
    rounds: int
    seconds: float
    data: str
    pictures: int
    machine: Machine = field(default_factory=Machine.here)
    note: str = ""
    date: str = field(default_factory=lambda: date.today().isoformat())
    firebit: str = firebit.__version__

    @property
    def own(self) -> tuple[Figures, ...]:
        """Of Firebit's files."""
        return tuple(found for found in self.figures if found.contender.is_own)

    @property
    def peers(self) -> tuple[Figures, ...]:
        """Of the peers' files."""
        return tuple(found for found in self.figures if not found.contender.is_own)

    def same_architecture(self) -> list[Comparison]:
        """Every file of ours against every peer's file of the same architecture that computes what it should."""
        return [
            Comparison(own, peer, batch, threads)
            for own in self.own
            for peer in self.peers
            if own.contender.rivals(peer.contender) and peer.agrees
            for batch, threads in self.settings
        ]

    def same_accuracy(self) -> list[Comparison]:
        """Every file of ours against the fastest of the peers' files that are not more accurate, whatever they are."""
        return [found for own in self.own for found in self._fastest(own)]

    def best(self, batch: int, threads: int) -> Comparison | None:
        """Of :meth:`same_accuracy`, our most accurate file that has a rival; None where there is none."""
        found = [each for each in self.same_accuracy() if (each.batch, each.threads) == (batch, threads)]
        return max(found, key=lambda each: each.own.accuracy or 0.0, default=None)

    def _fastest(self, own: Figures) -> Iterator[Comparison]:
        if own.accuracy is None:
            return
        rivals = [p for p in self.peers if p.agrees and p.accuracy is not None and p.accuracy <= own.accuracy]
        for batch, threads in self.settings if rivals else ():
            fastest = min(rivals, key=lambda peer: peer.timing(batch, threads).median)
            yield Comparison(own, fastest, batch, threads)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values."""
        return {
            **{"firebit": self.firebit, "date": self.date, "machine": asdict(self.machine), "note": self.note},
            **{"data": self.data, "pictures": self.pictures, "rounds": self.rounds, "seconds": self.seconds},
            "settings": [{"batch": batch, "threads": threads} for batch, threads in self.settings],
            "contenders": [found.to_dict() for found in self.figures],
            "same_architecture": [found.to_dict() for found in self.same_architecture()],
            "same_accuracy": [found.to_dict() for found in self.same_accuracy()],
        }


def _key(figures: Figures) -> dict[str, Any]:
    contender = figures.contender
    return {"peer": contender.peer, "precision": contender.precision, "network": contender.network}
