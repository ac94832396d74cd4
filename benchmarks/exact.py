"""Exact rectification of trained ReLU networks: the same logits, in float64, over the full test set.

    python benchmarks/exact.py runs/mnist-seed0 runs/cifar10-seed0

Each run directory gives its ReLU baseline. M is found in three ways: over the test pictures themselves, over the
training pictures with the default margin, and by interval bounds, which no picture can exceed.
"""

import argparse
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from firebit.data import ImageSet, load
from firebit.machine import processor
from firebit.nn import clipped_units, rectify
from firebit.train import RunFolder, load_model_file

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
BATCH = 500


class Doubles:
    """A set's pictures as float64 batches, x/255 rounded to float32 as in training; can be read again."""

    def __init__(self, data: ImageSet, limit: int | None = None) -> None:
        self.images = data.images[:limit]

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, len(self.images), BATCH):
            yield (torch.from_numpy(self.images[start : start + BATCH]).float() / 255).double()


@torch.no_grad()
def logits(model: nn.Module, pictures: Doubles) -> Tensor:
    """All logits, float64 (N, classes)."""
    return torch.cat([model(batch) for batch in pictures])


def compare(run: Path, limit: int | None) -> list[dict[str, Any]]:
    """One row per way to find M."""
    folder = RunFolder(run)
    recipe = folder.recipe()
    loaded = load_model_file(folder.model_file("relu"))
    relu, example = loaded.model.double().eval(), loaded.example.double()
    test, train = (Doubles(load(recipe.data, split), limit) for split in ("test", "train"))
    expected = logits(relu, test)
    rows = []
    for name, exact in (("test pictures", test), ("training pictures, margin 0.25", train), ("bound", "bound")):
        rectified = rectify(relu, example, exact=exact)  # type: ignore[arg-type]
        found = logits(rectified, test)
        rows.append(
            {
                "net": recipe.net.name,
                "data": recipe.data,
                "batch_norm": recipe.net.batch_norm,
                "pictures": len(found),
                "m": name,
                "largest_difference": (found - expected).abs().max().item(),
                "predictions_changed": int((found.argmax(1) != expected.argmax(1)).sum()),
                "clipped": sum(clipped_units(rectified, test).values()),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="run directories with a ReLU baseline")
    parser.add_argument("--limit", type=int, help="only so many pictures; prints, writes no report")
    options = parser.parse_args()
    rows = [row for run in options.runs for row in compare(run, options.limit)]
    if options.limit:
        return
    header = f"{processor()}, torch {torch.__version__}, {date.today().isoformat()}"
    lines = [
        "# Exact rectification of trained ReLU networks",
        "",
        f"`python benchmarks/exact.py {' '.join(map(str, options.runs))}`, {header}. Float64, full test sets.",
        "",
        "| network | batch norm | M from | pictures | largest difference of a logit | predictions changed | clipped |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['net']} on {row['data']} | {'yes' if row['batch_norm'] else 'no'} | {row['m']} | {row['pictures']:,} "
        f"| {row['largest_difference']:.2g} | {row['predictions_changed']} | {row['clipped']:,} |"
        for row in rows
    ]
    (RESULTS / "exact.json").write_text(json.dumps({"environment": header, "rows": rows}, indent=1) + "\n")
    (RESULTS / "exact.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
