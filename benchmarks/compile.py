"""What compiling changes, over whole test sets: bits, logits and predictions of trained networks, and their files.

    python benchmarks/compile.py runs/mnist-seed0 runs/cifar10-seed0

Of each run it takes the hardened network, compiles it, and runs over the run's test set

- the plan (NumPy, integers) against the same plan in torch's own operations (float64): every bit, every logit;
- the plan against the hardened torch network, in float64 and in float32: bits and predictions that differ;
- the network of phase 2 hardened without snapping its weights first, and compiled: what rounding alone would change;
- the size of the file, and the time to load it (median of 20, a fresh object each).

Writes docs/results/compile.json and .md.
"""

import argparse
import copy
import json
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

import firebit as fb
from firebit.compiler import compile_with_report
from firebit.compiler.agreement import agreement
from firebit.compiler.snapped import SnappedNetwork
from firebit.data import ImageSet
from firebit.engine import reference
from firebit.engine.plan import Plan
from firebit.metrics import measure
from firebit.nn.harden import harden
from firebit.train import RunFolder
from firebit.train.run import load_model_file, processor

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
BATCH = 500
LOADS = 20


def against_torch(plan: Plan, pictures: ImageSet) -> dict[str, int]:
    """Bits and logits in which the reference and torch's float64 operations differ on the same plan."""
    twin, bits, differ, logits = SnappedNetwork(plan), 0, 0, 0
    for start in range(0, len(pictures), BATCH):
        pixels = pictures.images[start : start + BATCH]
        expected = twin(torch.from_numpy(pixels)).numpy()
        walk = reference.Walk(plan, pixels)
        for state in walk.states():
            bits += state.bits.size
            differ += int((state.bits != twin.bits[state.layer.name].numpy()).sum())
        logits += int((walk.logits() != expected).sum())
    return {"bits": bits, "bits_differ": differ, "logits_differ": logits}


def accuracy(plan: Plan, pictures: ImageSet) -> float:
    """Top-1 accuracy in per cent."""
    logits = [reference.logits(plan, pictures.images[at : at + BATCH]) for at in range(0, len(pictures), BATCH)]
    return 100 * measure(np.concatenate(logits), pictures.labels).top1


def file_of(plan: Plan) -> dict[str, float]:
    """Size in MB (10⁶ bytes) and median time to load in ms."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.firebit"
        plan.save(path)
        times = []
        for _ in range(LOADS):
            start = time.perf_counter()
            fb.load(path)
            times.append(1000 * (time.perf_counter() - start))
        return {"megabytes": path.stat().st_size / 1e6, "load_ms": statistics.median(times)}


def measured(run: Path) -> dict[str, Any]:
    """All figures of one run."""
    folder = RunFolder(run)
    hardened, soft = (load_model_file(folder.model_file(name)) for name in ("hardened", "model"))
    recipe = folder.recipe()
    pictures = fb.data.load(recipe.data, "test")
    plan, report = compile_with_report(hardened.model, hardened.example, classes=hardened.classes)
    unsnapped = harden(soft.model, soft.example)
    rounded, _ = compile_with_report(unsnapped, soft.example)
    return {
        "run": run.name,
        "net": recipe.net.name,
        "data": pictures.name,
        "pictures": len(pictures),
        "top1": accuracy(plan, pictures),
        "weights_changed": max(change.largest for change in report.changes),
        "reference_against_torch": against_torch(plan, pictures),
        "against_float64": agreement(copy.deepcopy(hardened.model).double(), plan, pictures.images).to_dict(),
        "against_float32": agreement(hardened.model, plan, pictures.images).to_dict(),
        "without_snapping": agreement(copy.deepcopy(unsnapped).double(), rounded, pictures.images).to_dict(),
        "file": file_of(plan),
    }


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = [
        "# Compiled networks against torch",
        "",
        f"`{report['command']}`",
        "",
        f"Whole test sets. {report['machine']}, {report['date']}.",
        "",
        "*Reference against torch*: the plan in NumPy integers and the same plan by torch's convolutions, products and "
        "poolings in float64. *Against the network*: the plan and the hardened network it came from. *Without "
        "`nn.snap`*: the network of phase 2, hardened without its weights on 16-bit grids, and its plan: what rounding "
        "alone changes.",
        "",
        "| run | top-1 % | bits per test set | reference against torch: bits, logits that differ "
        "| against the network, float64: bits, predictions | float32: bits, predictions "
        "| without `nn.snap`: bits, predictions | file, MB | load, ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        torch_, file = row["reference_against_torch"], row["file"]
        pairs = [
            f"{row[key]['bits_differ']:,}, {row[key]['predictions_differ']:,}"
            for key in ("against_float64", "against_float32", "without_snapping")
        ]
        lines.append(
            f"| {row['run']} ({row['net']}) | {row['top1']:.2f} | {torch_['bits']:,} | {torch_['bits_differ']:,}, "
            f"{torch_['logits_differ']:,} | {' | '.join(pairs)} | {file['megabytes']:.2f} | {file['load_ms']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    options = parser.parse_args()
    report = {
        "command": " ".join(["python benchmarks/compile.py", *(f"runs/{run.name}" for run in options.runs)]),
        "machine": f"{processor()}, torch {torch.__version__}, 1 thread",
        "date": date.today().isoformat(),
        "rows": [measured(run) for run in options.runs],
    }
    (RESULTS / "compile.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    (RESULTS / "compile.md").write_text(markdown(report), "utf-8")
    print(markdown(report))


if __name__ == "__main__":
    main()
