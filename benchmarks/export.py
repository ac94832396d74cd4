"""Compiled networks as ONNX files, over whole test sets: logits, bits and predictions in which ONNX Runtime differs.

    python benchmarks/export.py mnist-lenet cifar10-quick

Of each pretrained network it makes the ONNX file with all hidden layers as outputs, and runs it and the plan (NumPy)
over the test set of its data. Writes docs/results/export.json and .md.
"""

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import firebit as fb
from firebit.engine.onnx import LOGITS, PICTURES, to_onnx
from firebit.engine.reference import Walk
from firebit.machine import processor
from firebit.metrics import measure
from firebit.pretrained import entry

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
BATCH = 500


def measured(name: str) -> dict[str, Any]:
    """All figures of one network."""
    plan = fb.load(name).plan
    pictures = fb.data.load(entry(name).facts["data"], "test")
    content = to_onnx(plan, [layer.name for layer in plan.layers]).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = {"bits": 0, "bits_differ": 0, "logits": 0, "logits_differ": 0, "predictions_differ": 0}
    logits = []
    for start in range(0, len(pictures), BATCH):
        part = pictures.images[start : start + BATCH]
        theirs = dict(zip(names, session.run(names, {PICTURES: part}), strict=True))
        walk = Walk(plan, part)
        for state in walk.states():
            found["bits"] += state.bits.size
            found["bits_differ"] += int((theirs[state.layer.name] != state.bits).sum())
        ours = walk.logits()
        found["logits"] += ours.size
        found["logits_differ"] += int((theirs[LOGITS] != ours).sum())
        found["predictions_differ"] += int((theirs[LOGITS].argmax(1) != ours.argmax(1)).sum())
        logits.append(theirs[LOGITS])
    top1 = 100 * measure(np.concatenate(logits), pictures.labels).top1
    return {"network": name, "data": pictures.name, "pictures": len(pictures), "top1": top1, **found}


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = [
        "# ONNX files against plans",
        "",
        f"`{report['command']}`",
        "",
        f"Whole test sets. {report['machine']}, {report['date']}.",
        "",
        "| network | pictures | top-1 % in ONNX Runtime | bits, and how many differ | logits, and how many differ "
        "| predictions that differ |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['network']} | {row['pictures']:,} ({row['data']}) | {row['top1']:.2f} "
        f"| {row['bits']:,}: {row['bits_differ']:,} | {row['logits']:,}: {row['logits_differ']:,} "
        f"| {row['predictions_differ']:,} |"
        for row in report["rows"]
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME")
    options = parser.parse_args()
    report = {
        "command": " ".join(["python benchmarks/export.py", *options.names]),
        "machine": f"{processor()}, onnxruntime {onnxruntime.__version__}",
        "date": date.today().isoformat(),
        "rows": [measured(name) for name in options.names],
    }
    (RESULTS / "export.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    (RESULTS / "export.md").write_text(markdown(report), "utf-8")
    print(markdown(report))


if __name__ == "__main__":
    main()
