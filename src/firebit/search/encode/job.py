"""A job that encodes pictures: planned once, worked at in parts, gone on with after any stop."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from firebit.engine.network import Network
from firebit.errors import DataError, UsageError
from firebit.files import remove_temporaries, write_text
from firebit.search.encode.encoded import Bad
from firebit.search.encode.pictures import Picture, find
from firebit.search.encode.pool import worked
from firebit.search.encode.shard import MANIFEST, SCHEMA, Done, Work, Worker, finished
from firebit.search.encoder import LayerEncoder

PER_SHARD = 2048


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be encoded, and where codes go.

    Attributes:
        work: what decides bytes.
        folder: where shards go.
        shards: pictures of each shard.
        bits: per code.
        fingerprint: of the encoder.
        source: as the user named it.
    """

    work: Work
    folder: Path
    shards: tuple[tuple[Picture, ...], ...]
    bits: int
    fingerprint: str
    source: str

    @property
    def pictures(self) -> int:
        """How many there are."""
        return sum(map(len, self.shards))


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Attributes:
        done: pictures that were looked at, those of earlier starts too.
        total: pictures of the job.
        bad: of those done, how many could not be read.
        rate: pictures per second, of this start.
    """

    done: int
    total: int
    bad: int
    rate: float

    @property
    def seconds_left(self) -> float:
        """At this rate; infinite before there is one."""
        return (self.total - self.done) / self.rate if self.rate else float("inf")


@dataclass(frozen=True)
class Summary:
    """What a finished job did.

    Attributes:
        folder: where the codes are.
        pictures: that were encoded.
        bad: that could not be read.
        shards: how many there are.
        resumed: shards that were there already.
        seconds: of this start.
        rate: pictures per second, of this start.
    """

    folder: str
    pictures: int
    bad: tuple[Bad, ...]
    shards: int
    resumed: int
    seconds: float
    rate: float


Report = Callable[[Progress], None]
Execute = Callable[[Job, Sequence[int], int], Iterator[Done]]


def prepare(
    source: str | Path, network: str | Path, folder: str | Path, layer: str | None = None, size: int = PER_SHARD
) -> Job:
    """Plan a job.

    Args:
        source: as :func:`firebit.search.encode.pictures.find` takes it.
        network: path of a `.firebit` file.
        folder: where shards go; one of the same job is gone on with.
        layer: whose codes; None: the last.
        size: pictures per shard, ≥ 1.

    Raises:
        UsageError: there is no such layer, `size` is out of range, or the folder holds another job's codes.
        DataError: the source has no pictures.
        ModelFileError: the network is none.
    """
    from firebit.engine.record import load

    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise UsageError(f"size={size!r} is no number of pictures.", "Give a whole number from 1.")
    encoder = LayerEncoder(Network(load(network), 1), layer)
    encoder.check_pictures()
    found = find(source)
    shards = tuple(tuple(found[at : at + size]) for at in range(0, len(found), size))
    digest = hashlib.sha256(json.dumps([SCHEMA, encoder.fingerprint, size]).encode())
    digest.update(json.dumps([[each.id, each.label, each.start, each.size] for each in found]).encode())
    work = Work(str(network), encoder.layer, digest.hexdigest())
    job = Job(work, Path(folder), shards, encoder.bits, encoder.fingerprint, str(source))
    _check_folder(job)
    return job


def run(job: Job, workers: int, report: Report, strict: bool = False, execute: Execute | None = None) -> Summary:
    """Work at a job until it is done. Killed at any moment, it can be run again, and goes on.

    Args:
        job: what to do.
        workers: how many, ≥ 1; one works in this process.
        report: is told how far it is, after every shard.
        strict: end at the first picture that cannot be read; what was encoded stays.
        execute: how shards are made; None: by workers of this machine.

    Raises:
        DataError: `strict`, and a picture cannot be read.
        FirebitError: a worker ended, or the disk is full.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    remove_temporaries(job.folder)
    ready = [finished(job.folder, number, job.work.job) for number in range(len(job.shards))]
    done = [each for each in ready if each is not None]
    _write_manifest(job, done, is_finished=False)
    left = [number for number, each in enumerate(ready) if each is None]
    start, resumed = time.perf_counter(), sum(len(job.shards[each.number]) for each in done)
    for each in (execute or _here)(job, left, workers) if left else ():
        done.append(each)
        if strict and each.bad:
            raise DataError(f"{each.bad[0].id}: {each.bad[0].reason}", "Replace or remove it; the job then goes on.")
        seen = sum(len(job.shards[one.number]) for one in done)
        rate = (seen - resumed) / (time.perf_counter() - start)
        report(Progress(seen, job.pictures, sum(len(one.bad) for one in done), rate))
    _write_manifest(job, done, is_finished=True)
    seconds = time.perf_counter() - start
    done.sort(key=lambda one: one.number)
    bad = tuple(bad for one in done for bad in one.bad)
    rate = (job.pictures - resumed) / seconds
    count = sum(one.pictures for one in done)
    return Summary(str(job.folder), count, bad, len(done), len(job.shards) - len(left), seconds, rate)


def _here(job: Job, numbers: Sequence[int], workers: int) -> Iterator[Done]:
    """Shards as they are done, by workers of this machine; data sets are in memory, and threads share them."""
    parts = [(number, job.shards[number]) for number in numbers]
    is_ready = parts[0][1][0].is_ready
    return worked(partial(Worker, job.work, str(job.folder)), parts, workers, is_ready)


def _check_folder(job: Job) -> None:
    path = job.folder / MANIFEST
    if job.folder.exists() and not job.folder.is_dir():
        raise UsageError(f"{job.folder} is a file.", "Give a folder with --out.")
    if not path.exists():
        return
    try:
        known = json.loads(path.read_text("utf-8"))["job"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        known = None
    if known != job.work.job:
        raise UsageError(
            f"{job.folder} holds codes of other pictures, or of another network or layer.",
            "Give a new folder with --out.",
        )


def _write_manifest(job: Job, done: Sequence[Done], is_finished: bool) -> None:
    bad = [asdict(bad) for one in sorted(done, key=lambda one: one.number) for bad in one.bad]
    about = {
        **{"schema": SCHEMA, "job": job.work.job, "source": job.source, "layer": job.work.layer, "bits": job.bits},
        **{"fingerprint": job.fingerprint, "shards": len(job.shards), "finished": is_finished},
        **{"pictures": sum(one.pictures for one in done), "bad": bad},
    }
    write_text(job.folder / MANIFEST, json.dumps(about, indent=2) + "\n")
