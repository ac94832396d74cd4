"""`firebit encode` beside the engine's own throughput on CIFAR-10.

    python benchmarks/search_encode.py [--pictures 60000] [--workers 2] [--rounds 3] [--clock]

In turns: the engine alone on all pictures in memory, `network.codes(images)` with a thread per worker; a job that
encodes the data set to Parquet shards by worker threads; and the same job on a folder of PNG files, which worker
processes decode. Rates are pictures per second of processor time, or with --clock of the clock, for a machine that does
nothing else; ratios those of one round. Reading, planning, starting workers and writing are part of a job.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

import firebit as fb
from firebit.engine import native
from firebit.machine import processor
from firebit.pretrained import find as model_file
from firebit.search.encode import Job, prepare, run
from firebit.search.encode import job as jobs
from firebit.search.encode import pictures as sources

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
MODEL = "cifar10-quick"


def images(count: int) -> np.ndarray:
    """Pictures of CIFAR-10, in the order of their ids."""
    parts = [fb.data.load("cifar10", split).images for split in ("train", "test")]
    both: np.ndarray = np.concatenate(parts)[:count]
    return both


def folder_of(pictures: np.ndarray, where: Path) -> Path:
    """The pictures as PNG files, a thousand to a folder."""
    for number, picture in enumerate(pictures):
        path = where / f"{number // 1000:02}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.transpose(1, 2, 0)).save(path)
    return where


def cut(job: Job, count: int) -> Job:
    """The first pictures of a job."""
    found = [picture for shard in job.shards for picture in shard][:count]
    shards = tuple(tuple(found[at : at + jobs.PER_SHARD]) for at in range(0, len(found), jobs.PER_SHARD))
    return jobs.Job(job.work, job.folder, shards, job.bits, job.fingerprint, job.source)


def timed(call: Callable[[], object], clock: bool = False) -> float:
    """Seconds of a call: of processors, those of workers too, since others use the machine; or of the clock."""
    # A data set that an earlier round has read is read again.
    sources._loaded.cache_clear()
    now = time.perf_counter if clock else used
    start = now()
    call()
    return now() - start


def used() -> float:
    """Processor seconds of this process and of the children that ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def rounds(
    count: int, workers: int, number: int, folder: Path, with_files: bool, clock: bool
) -> dict[str, list[float]]:
    """Pictures per second of every way, round by round."""
    pictures, model = images(count), model_file(MODEL)
    network = fb.load(model, threads=workers)
    files = folder_of(pictures, folder / "png") if with_files else folder
    rates: dict[str, list[float]] = {"engine": [], "data set": [], "PNG files": []}
    for turn in range(number):
        ways: dict[str, Callable[[], object]] = {
            "engine": lambda: network.codes(pictures),
            "data set": lambda turn=turn: run(
                cut(prepare("cifar10", model, folder / f"set-{turn}"), count), workers, lambda _: None
            ),
            "PNG files": lambda turn=turn: run(prepare(files, model, folder / f"png-{turn}"), workers, lambda _: None),
        }
        if not with_files:
            del ways["PNG files"]
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            rates[name].append(count / timed(ways[name], clock))
            print(name, f"{rates[name][-1]:,.0f} pictures/s", flush=True)
    return rates


def main() -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=60_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-files", action="store_true", help="leave PNG files out")
    parser.add_argument("--clock", action="store_true", help="time by the clock, on a machine that does nothing else")
    parser.add_argument("--note", default="", help="what else the machine did")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = (options.pictures, options.workers, options.rounds, Path(folder))
        rates = rounds(*given, with_files=not options.no_files, clock=options.clock)
    command = "python benchmarks/search_encode.py"
    command += f" --pictures {options.pictures} --workers {options.workers} --rounds {options.rounds}"
    command += "".join(f" --{name.replace('_', '-')}" for name in ("no_files", "clock") if getattr(options, name))
    record = {"command": command, "machine": processor(), "date": date.today().isoformat(), "rates": rates}
    (RESULTS / "search-encode.json").write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    unit = "pictures per second" + ("" if options.clock else " of processor time")
    lines = [
        "# Encoding pictures",
        "",
        f"`{command}`",
        "",
        f"`{MODEL}`, {options.pictures:,} pictures of CIFAR-10, {options.workers} workers; {processor()},",
        f"{native.instruction_set()}; {date.today().isoformat()}. {options.note}".rstrip(),
        "",
        f"| | {unit}, best | share of the engine, median of rounds |",
        "|---|---|---|",
    ]
    for name, each in ((name, each) for name, each in rates.items() if each):
        shares = [own / alone for own, alone in zip(each, rates["engine"], strict=True)]
        lines.append(f"| {name} | {max(each):,.0f} | {100 * median(shares):.0f} % |")
    (RESULTS / "search-encode.md").write_text("\n".join([*lines, ""]), "utf-8")


if __name__ == "__main__":
    main()
