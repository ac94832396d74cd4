"""Convolutions over bits against the float matrix product of the same size: what a look-up gains.

    python benchmarks/kernels.py [--rounds 40] [--instruction-set avx2] [--gigahertz 3.3]

One thread. In every round each layer takes its turn: as float32 product of (outputs × inputs) and (inputs × places) by
NumPy's BLAS; as plan with exact sums, as fast plan and with weights of ±1, panels, thresholds and packing included.
Figures are CPU times; ratios are medians over rounds with their range. The layer's own time is that of two layers less
that of the first, which makes bits of pixels. The limits count instructions, as docs/concepts/engine.md does.
"""

# ruff: noqa: E402  (a BLAS reads its number of threads when it is loaded)
import os

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np

from firebit.engine import native
from firebit.engine.executor import NativeExecutor
from firebit.engine.plan import Input, Layer, Plan
from firebit.engine.quantise import quantise
from firebit.engine.term import Term

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
LIMITS = {"avx2": {"fast": 205, "±1": 300}, "avx512": {"exact": 96, "fast": 192, "±1": 341}}
"""Multiplications per cycle that the count of instructions allows; no figure: the limit is another."""


@dataclass(frozen=True)
class Shape:
    """A convolution of a known network: channels, kernel, side of its square map."""

    name: str
    outputs: int
    inputs: int
    kernel: int
    side: int

    @property
    def columns(self) -> int:
        """Places of the map."""
        return self.side**2

    @property
    def macs(self) -> int:
        """Multiply-accumulates, padding included."""
        return self.outputs * self.inputs * self.kernel**2 * self.columns


SHAPES = (
    Shape("cifar10_quick, conv 2", 32, 32, 5, 16),
    Shape("VGG-small, conv 2", 128, 128, 3, 32),
    Shape("VGG-small, conv 6", 512, 512, 3, 8),
    Shape("AlexNet, conv 3", 384, 256, 3, 13),
    Shape("ResNet-18, 64 channels", 64, 64, 3, 56),
)


def plan(shape: Shape, signs: bool) -> Plan:
    """Bits of one pixel each, then the convolution; about half of all bits fire."""
    random = np.random.default_rng(0)
    threshold = random.integers(64, 192, (1, shape.inputs)).astype(np.int32)
    see = Term("input", np.ones((shape.inputs, 1, 1, 1), np.int16))
    seen = Layer("seen", (see,), threshold, np.ones(shape.inputs, np.int8))
    drawn = random.normal(0, 8000, (shape.outputs, shape.inputs, shape.kernel, shape.kernel)).clip(-32_767, 32_767)
    weights = np.where(drawn > 0, 1, -1) if signs else drawn
    pad = shape.kernel // 2
    term = Term("seen", weights.astype(np.int16), padding=(pad, pad, pad, pad))
    made = Layer("made", (term,), np.zeros((1, shape.outputs), np.int32), np.ones(shape.outputs, np.int8))
    return Plan(Input((1, shape.side, shape.side)), (seen, made))


def seconds(call: Callable[[], object], calls: int) -> float:
    """CPU time of a call, the least of some."""
    least = float("inf")
    for _ in range(calls):
        start = time.thread_time()
        call()
        least = min(least, time.thread_time() - start)
    return least


def contenders(shape: Shape, instruction_set: str) -> dict[str, Callable[[], float]]:
    """Ways to compute a layer, each a function that times it."""
    random = np.random.default_rng(1)
    calls = max(1, 100_000_000 // shape.macs)
    weights = random.normal(size=(shape.outputs, shape.inputs * shape.kernel**2)).astype(np.float32)
    columns = random.integers(0, 2, (shape.inputs * shape.kernel**2, shape.columns)).astype(np.float32)
    picture = random.integers(0, 256, (1, 1, shape.side, shape.side), np.uint8)
    out = np.empty((shape.outputs, shape.columns), np.float32)
    found: dict[str, Callable[[], float]] = {
        "float": lambda: seconds(lambda: np.matmul(weights, columns, out=out), calls)
    }

    def timed(which: Plan) -> Callable[[], float]:
        engine = NativeExecutor(which, instruction_set, 1)
        first = NativeExecutor(replace(which, layers=which.layers[:1]), instruction_set, 1)
        return lambda: (
            seconds(lambda: engine.codes(picture, "made"), calls) - seconds(lambda: first.codes(picture, "seen"), calls)
        )

    exact = plan(shape, signs=False)
    return found | {"exact": timed(exact), "fast": timed(quantise(exact)), "±1": timed(plan(shape, signs=True))}


def rows(instruction_set: str, rounds: int, gigahertz: float) -> list[str]:
    """A line of the table per shape."""
    limits = LIMITS.get(instruction_set, {})
    found = []
    for shape in SHAPES:
        ways = contenders(shape, instruction_set)
        times = {name: [] for name in ways}
        for number in range(rounds):
            for name in list(ways)[:: 1 if number % 2 else -1]:
                times[name].append(ways[name]())
        cells = [shape.name, f"{shape.outputs}×{shape.inputs * shape.kernel**2}×{shape.columns}"]
        cells.append(f"{shape.macs / min(times['float']) / 1e9:.0f}")
        for name in ("exact", "fast", "±1"):
            ratios = sorted(a / b for a, b in zip(times["float"], times[name], strict=True))
            best = shape.macs / min(times[name]) / 1e9
            share = f", {100 * best / gigahertz / limits[name]:.0f} %" if name in limits else ""
            cells.append(f"{best:.0f}{share}: **{median(ratios):.1f}×** ({ratios[0]:.1f}–{ratios[-1]:.1f})")
        found.append(f"| {' | '.join(cells)} |")
        print(found[-1], flush=True)
    return found


def main() -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument(
        "--instruction-set", choices=native.instruction_sets()[:-1], default=native.instruction_sets()[0]
    )
    parser.add_argument("--gigahertz", type=float, default=clock(), help="clock while it runs, for shares of the limit")
    parser.add_argument("--note", default="", help="what else the machine did")
    options = parser.parse_args()
    table = rows(options.instruction_set, options.rounds, options.gigahertz)
    page = [
        f"# Convolutions over bits: {options.instruction_set}",
        "",
        f"10⁹ multiply-accumulates per second (the least time of {options.rounds} rounds), their share of what the",
        "count of instructions allows at the clock that the system tells (a boost exceeds it), and **how many times as",
        "quick as the float product**, the median over rounds (range).",
        f"`python benchmarks/kernels.py --instruction-set {options.instruction_set}`, one thread, CPU time;",
        f"{machine()}, {options.gigahertz:.2f} GHz, NumPy {np.__version__} with {blas()}.",
        f"{date.today().isoformat()}. {options.note}".rstrip(),
        "",
        "| layer | outputs × inputs × places | float | exact | fast | ±1 |",
        "|---|---|---|---|---|---|",
        *table,
        "",
    ]
    (RESULTS / f"kernels-{options.instruction_set}.md").write_text("\n".join(page), "utf-8")


def clock() -> float:
    """The clock that the system tells, in GHz; 3 where it tells none."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    told = [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]
    return max(told, default=3000.0) / 1000


def machine() -> str:
    """Name of the processor."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def blas() -> str:
    """The library behind NumPy's products."""
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index]
    return f"{found['name']} {found['version']}"


if __name__ == "__main__":
    main()
