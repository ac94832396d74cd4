"""What explanations cost: a firing matrix of CIFAR-10, smallest pictures of small and of large networks.

    python benchmarks/explain.py

Times are CPU seconds of one thread, the least of the repeats where something is repeated: on a machine that does other
things too, CPU time is what comes nearest to that of a quiet one. Every smallest picture is verified: the bit holds,
and flips when any one segment goes. The large network is AlexNet with random weights and thresholds that half of the
pictures pass, on CIFAR-10's pictures enlarged to its size: it tells nothing apart, but costs what a trained one does.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

import firebit as fb
from firebit import zoo
from firebit.data import ImageSet, to_float
from firebit.data.picture import resized
from firebit.engine.network import Network
from firebit.explain import Minimal, firing, is_minimal, minimal, selectivity
from firebit.explain.columns import columns
from firebit.machine import processor

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
UNITS, ROWS = 8, 6
SEGMENTS = 64
BALANCED_ON = 16
TOGETHER = 10


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        what: was done.
        bar: in seconds on two cores, as the aim says; None where there is none.
        seconds: CPU seconds of one thread.
        of: what they were spent on: "all", or "picture".
        detail: counts that belong to it.
    """

    what: str
    bar: float | None
    seconds: float
    of: str
    detail: str


def timed(action: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The least CPU seconds of some repeats, and the result."""
    least, result = float("inf"), None
    for _ in range(repeats):
        began = time.process_time()
        result = action()
        least = min(least, time.process_time() - began)
    return least, result


def both_sets() -> ImageSet:
    """CIFAR-10's 60,000 pictures."""
    train, test = fb.data.load("cifar10"), fb.data.load("cifar10", "test")
    images, labels = np.concatenate([train.images, test.images]), np.concatenate([train.labels, test.labels])
    return ImageSet(images, labels, train.classes, "cifar10")


def matrix(network: Network, pictures: ImageSet, repeats: int) -> Row:
    """The firing matrix of the last layer."""
    seconds, found = timed(lambda: firing(network, pictures.images, pictures.labels, pictures.classes), repeats)
    engine, _ = timed(lambda: network.codes(pictures.images), repeats)
    detail = f"{found.units} units, {found.pictures:,} pictures; the codes alone take {engine:.2f} s"
    return Row("firing matrix of cifar10-quick's last layer", 10, seconds, "all", detail)


def small(network: Network, test: ImageSet, mode: str, method: str, repeats: int) -> Row:
    """Smallest pictures of six positive and six negative classes (in turns) of eight units."""
    found = selectivity(firing(network, test.images, test.labels, test.classes), 0.9)
    units = [int(unit) for unit in found.ranked() if found.positive[:, unit].any() and found.negative[:, unit].any()]

    def make() -> list[Minimal]:
        made = columns(
            *(network, test.images, test.labels, found, units[:UNITS]),
            count=ROWS,
            mode=mode,
            method=method,
            segments=SEGMENTS,
        )
        return [each for column in made for each in (*column.positive, *column.negative)]

    seconds, made = timed(make, repeats)
    what = f"12 pictures × {UNITS} units of 32 × 32, {mode}, {method}"
    return Row(what, 60, seconds, "all", verified(network, made))


def alexnet(pictures: np.ndarray) -> Network:
    """AlexNet with random weights, half of whose units fire for a picture, compiled with fast tables."""
    torch.manual_seed(0)
    seen = torch.from_numpy(to_float(pictures[:BALANCED_ON]))
    model = zoo.untrained("alexnet", pictures=seen)
    return Network(fb.compile(model, seen[:1], precision="fast"), threads=1)


def large(count: int) -> list[Row]:
    """Smallest pictures of one unit each, through AlexNet, with segments along edges and with as many as a grid has."""
    test = fb.data.load("cifar10", "test")
    pictures = resized(test.images[: max(count, BALANCED_ON)], zoo.example("alexnet").shape[-1])
    network = alexnet(pictures)
    units = np.random.default_rng(0).integers(0, network.units()[0], count)
    return [through(network, pictures[:count], units, method) for method in ("felzenszwalb", "grid")]


def through(network: Network, pictures: np.ndarray, units: np.ndarray, method: str) -> Row:
    """Smallest pictures of the large network's last layer, cut in that way."""
    made: list[Minimal] = []
    began = time.process_time()
    for at in range(0, len(pictures), TOGETHER):
        part = slice(at, at + TOGETHER)
        made += minimal(network, pictures[part], units[part], mode="fast", method=method, segments=SEGMENTS)
    seconds = (time.process_time() - began) / len(pictures)
    side = pictures.shape[-1]
    what = f"{len(pictures):,} pictures of {side} × {side} through AlexNet's plan, last layer, fast, {method}"
    return Row(what, 1, seconds, "picture", verified(network, made))


def verified(network: Network, made: Sequence[Minimal]) -> str:
    """How many are blank and verified, and what they took."""
    good = sum(is_minimal(network, each) for each in made)
    segments, forwards = (np.mean(values) for values in ([len(m.kept) for m in made], [m.forwards for m in made]))
    blank = sum(each.blank for each in made)
    left = np.mean([each.kept.sum() for each in made if not each.blank])
    return (
        f"{good} of {len(made)} verified, {blank} blank; on average {segments:.0f} segments, {left:.1f} left, "
        f"{forwards:.0f} pictures computed"
    )


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown page."""
    lines = [
        "# What explanations cost",
        "",
        f"`{report['command']}`, {report['machine']}, {report['date']}. CPU seconds of one thread, the least of "
        f"{report['repeats']} run(s), but for the last two rows; aims are wall times on two cores. "
        "Pictures enlarged from 32 × 32 are smooth and have few regions; the grid always has 64.",
        "",
        "| what | CPU s | aim, s | |",
        "|---|---|---|---|",
    ]
    for row in report["rows"]:
        each = " per picture" if row["of"] == "picture" else ""
        bar = "–" if row["bar"] is None else f"{row['bar']:g}{each}"
        lines.append(f"| {row['what']} | {row['seconds']:.2f}{each} | {bar} | {row['detail']} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--large", type=int, default=1000, help="pictures through AlexNet's plan")
    parser.add_argument("--no-report", action="store_true", help="print only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network, test = fb.load("cifar10-quick", threads=1), fb.data.load("cifar10", "test")
    rows = [matrix(network, both_sets(), options.repeats)]
    for mode in ("exact", "fast"):
        for method in ("grid", "felzenszwalb"):
            rows.append(small(network, test, mode, method, options.repeats))
    rows += large(options.large)
    report = {
        "command": f"python benchmarks/explain.py --repeats {options.repeats} --large {options.large}",
        "machine": f"{processor()}, Python {platform.python_version()}",
        "date": date.today().isoformat(),
        "repeats": options.repeats,
        "rows": [asdict(row) for row in rows],
    }
    print(markdown(report))
    if not options.no_report:
        (RESULTS / "explain.json").write_text(json.dumps(report, indent=1) + "\n")
        (RESULTS / "explain.md").write_text(markdown(report))


if __name__ == "__main__":
    main()
