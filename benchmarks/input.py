"""The input pipeline beside the training step that it feeds, and its memory over many minutes.

    OMP_NUM_THREADS=1 taskset -c 1 python benchmarks/input.py rates [--rounds 5]
    OMP_NUM_THREADS=1 nice -n 10 taskset -c 1 python benchmarks/input.py memory [--minutes 20]

Pictures: JPEG files of 500 × 375 pixels, quality 95, each a random part of one of the photographs that come with
scikit-image and scikit-learn, written to tar shards with `firebit.data.pack`.

`rates`, in turns: one worker process decodes shards for training (random resized crops of 227 × 227, mirrored or not);
and AlexNet with rectifiers (the network of the recipe for ImageNet) takes training steps on pictures that are there.
Both on one thread. Rates are pictures per second of processor time, ratios those of one round.

`memory`: shards are streamed by one worker, epoch after epoch, and the resident memory of the process that trains and
of its worker is sampled every second.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import skimage.data
import sklearn.datasets
import torch
import torch.nn.functional as F
from PIL import Image

from firebit import zoo
from firebit.data.crop import CentreCrop, RandomCrop
from firebit.data.pack import pack
from firebit.data.shards import open_shards, shards_of
from firebit.data.streamed import StreamedSet, streamed
from firebit.data.tree import open_tree
from firebit.machine import processor
from firebit.nn import SlopeGrowth, param_groups
from firebit.train.evaluate import as_input
from firebit.train.feed import StreamedFeed
from firebit.zoo.block import ImageNetOptions

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
SIDE, BATCH, CLASSES = 227, 64, 20
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


def photographs() -> list[Image.Image]:
    """Photographs in colour that come with the two packages."""
    ours = [getattr(skimage.data, name)() for name in PHOTOS]
    return [Image.fromarray(pixels) for pixels in (*ours, *sklearn.datasets.load_sample_images().images)]


def write_shards(folder: Path, count: int) -> list[Path]:
    """Write `count` pictures as shards of 50 MB and give their paths."""
    rng, photos = np.random.default_rng(0), photographs()
    for number in range(count):
        photo = photos[number % len(photos)]
        share = rng.uniform(0.5, 1.0)
        wide, tall = int(photo.width * share), int(photo.height * share)
        left, top = rng.integers(photo.width - wide + 1), rng.integers(photo.height - tall + 1)
        part = photo.resize((500, 375), Image.Resampling.BICUBIC, (left, top, left + wide, top + tall))
        path = folder / "tree" / "train" / f"class-{number % CLASSES:02}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part.save(path, quality=95)
    pack({"train": open_tree(folder / "tree", "train", "photos-train")}, folder / "shards", 50_000_000)
    shutil.rmtree(folder / "tree")
    return shards_of(folder / "shards", "train")


def opened(paths: list[Path]) -> StreamedSet:
    """The shards as a set that one worker decodes."""
    return streamed(open_shards(paths, "photos-train"), CentreCrop(SIDE), 1)


def used() -> float:
    """Processor seconds of this process and of its workers that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(call: Callable[[], int]) -> dict[str, float]:
    """Pictures per second of processor time and of time on the wall."""
    wall, began = time.perf_counter(), used()
    count = call()
    return {"processor": count / (used() - began), "wall": count / (time.perf_counter() - wall)}


def stepper(batch: int) -> Callable[[], int]:
    """A function that takes one training step of AlexNet with rectifiers and gives the number of its pictures."""
    torch.manual_seed(0)
    net = zoo.build("alexnet", batch_norm=True, dropout=0.5).to(memory_format=torch.channels_last)
    growth = SlopeGrowth(net, strength=2e-6)
    optimizer = torch.optim.SGD(param_groups(net, weight_decay=5e-4), lr=0.02, momentum=0.9)
    pixels = torch.randint(0, 256, (batch, 3, SIDE, SIDE), dtype=torch.uint8)
    labels = torch.randint(0, ImageNetOptions().classes, (batch,))

    def step() -> int:
        optimizer.zero_grad()
        F.cross_entropy(net(as_input(pixels)), labels).backward()
        optimizer.step()
        growth.step()
        return batch

    step()
    return step


def rates(rounds: int, count: int, folder: Path) -> dict[str, Any]:
    """Rates of both, round by round."""
    data = opened(write_shards(folder, count))
    feed = StreamedFeed(data, BATCH, RandomCrop(SIDE))
    step = stepper(32)
    found: dict[str, list[dict[str, float]]] = {"pipeline": [], "training step": []}
    for turn in range(rounds):
        ways: dict[str, Callable[[], int]] = {
            "pipeline": lambda turn=turn: sum(len(batch.labels) for batch in feed.epoch(0, turn)),
            "training step": lambda: step() + step(),
        }
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            found[name].append(timed(ways[name]))
            print(name, {key: round(value, 1) for key, value in found[name][-1].items()}, flush=True)
    sizes = data.source.sizes  # type: ignore[attr-defined]
    return {"rounds": found, "pictures": count, "mean_bytes": float(sizes.mean()), "batch": 32}


def resident(process: psutil.Process) -> tuple[int, int, int]:
    """Bytes resident in the process, in it and its workers together, and how many workers there are."""
    own, workers = process.memory_info().rss, 0
    together = own
    for child in process.children():
        try:
            together += child.memory_info().rss
            workers += 1
        except psutil.NoSuchProcess:
            continue
    return own, together, workers


def memory(minutes: float, count: int, folder: Path) -> dict[str, Any]:
    """Stream for a time, and sample what is resident."""
    feed = StreamedFeed(opened(write_shards(folder, count)), BATCH, RandomCrop(SIDE))
    print("streaming", flush=True)
    process, began, sampled, seen, epoch = psutil.Process(), time.monotonic(), 0.0, 0, 0
    samples: list[tuple[float, int, int, int]] = []
    while (passed := time.monotonic() - began) < 60 * minutes:
        for batch in feed.epoch(0, epoch):
            seen += len(batch.labels)
            passed = time.monotonic() - began
            if passed - sampled >= 1:
                sampled = passed
                samples.append((round(passed, 1), *resident(process)))
            if passed >= 60 * minutes:
                break
        epoch += 1
    return {
        "minutes": minutes,
        "pictures": count,
        "seen": seen,
        "epochs": epoch,
        "by_minute": by_minute(samples),
        "samples": len(samples),
        "share": spread(samples),
    }


def by_minute(samples: list[tuple[float, int, int, int]]) -> list[dict[str, float]]:
    """The median of every minute, in MB, of samples with the worker there."""
    there = [sample for sample in samples if sample[3] == 1]
    minutes = sorted({int(sample[0] // 60) for sample in there})
    return [
        {
            "minute": minute,
            "process": median(each[1] for each in there if each[0] // 60 == minute) / 1e6,
            "with_worker": median(each[2] for each in there if each[0] // 60 == minute) / 1e6,
        }
        for minute in minutes
    ]


def spread(samples: list[tuple[float, int, int, int]]) -> dict[str, list[float]]:
    """Lowest and highest sample behind the first minute, as shares of the median."""
    there = [sample for sample in samples if sample[3] == 1 and sample[0] >= 60]
    found = {}
    for at, name in ((1, "process"), (2, "with_worker")):
        values = [sample[at] for sample in there]
        found[name] = [min(values) / median(values), max(values) / median(values)] if values else []
    return found


def page(record: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    lines = ["# Input pipeline", ""]
    if (part := record.get("rates")) is not None:
        ratios = [
            fed["processor"] / trained["processor"]
            for fed, trained in zip(part["rounds"]["pipeline"], part["rounds"]["training step"], strict=True)
        ]
        lines += [
            f"`{part['command']}`",
            "",
            f"{part['machine']}, one thread each, {part['date']}. {part['note']}".rstrip(),
            f"{part['pictures']:,} JPEG files of 500 × 375 pixels, {part['mean_bytes'] / 1e3:.0f} kB on average,",
            "in tar shards. One worker cuts out random parts of 227 × 227; AlexNet with rectifiers and batch norm",
            f"takes steps of {part['batch']} pictures.",
            "",
            "| | pictures per second of processor time, median (lowest, highest) | on the wall, median |",
            "|---|---|---|",
        ]
        for name, each in part["rounds"].items():
            busy, wall = [one["processor"] for one in each], [one["wall"] for one in each]
            lines.append(f"| {name} | {median(busy):.1f} ({min(busy):.1f}, {max(busy):.1f}) | {median(wall):.1f} |")
        lines += [
            "",
            f"The pipeline gives {median(ratios):.1f} times what the step consumes (median of {len(ratios)} rounds,",
            f"lowest {min(ratios):.1f}, highest {max(ratios):.1f}).",
            "",
        ]
    if (part := record.get("memory")) is not None:
        share = part["share"]
        lines += [
            "## Memory",
            "",
            f"`{part['command']}`",
            "",
            f"{part['machine']}, {part['date']}. {part['note']}".rstrip(),
            f"{part['seen']:,} pictures streamed from shards of {part['pictures']:,} in {part['minutes']:g} minutes,",
            f"{part['epochs']} epochs begun, one worker; {part['samples']:,} samples of resident memory.",
            f"Behind the first minute every sample of the process lies {_range(share['process'])} of the median,",
            f"of the process and its worker together {_range(share['with_worker'])}.",
            "",
            "| minute | process, MB | with its worker, MB |",
            "|---|---|---|",
            *(f"| {row['minute']} | {row['process']:.1f} | {row['with_worker']:.1f} |" for row in part["by_minute"]),
            "",
        ]
    return "\n".join(lines)


def _range(shares: list[float]) -> str:
    low, high = (100 * (share - 1) for share in shares)
    return f"from {low:+.1f} % to {high:+.1f} %"


def main() -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("rates", "memory"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--pictures", type=int, default=0, help="256 for rates, 1000 for memory")
    parser.add_argument("--note", default="", help="what else the machine did")
    parser.add_argument("--out", type=Path, default=RESULTS / "input.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "rates":
            found = rates(options.rounds, options.pictures or 256, Path(folder))
            command = f"python benchmarks/input.py rates --rounds {options.rounds}"
        else:
            found = memory(options.minutes, options.pictures or 1000, Path(folder))
            command = f"python benchmarks/input.py memory --minutes {options.minutes:g}"
    found |= {"command": command, "machine": processor(), "date": date.today().isoformat(), "note": options.note}
    record = json.loads(options.out.read_text("utf-8")) if options.out.is_file() else {}
    record[options.what] = found
    options.out.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    options.out.with_suffix(".md").write_text(page(record), "utf-8")


if __name__ == "__main__":
    main()
