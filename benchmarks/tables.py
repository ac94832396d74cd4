"""Fills the tables in README.md and docs from what the other scripts measured.

    python benchmarks/tables.py --digits runs/digits

Markers name what stands between them: `table:digits` and `output:digits` the table of a finished run of the main job,
`table:results` a row per page of docs/results.
"""

import argparse
import io
import json
import re
from pathlib import Path
from typing import Any

from rich.console import Console

from firebit.train import RunFolder
from firebit.train.results import difference_line, results_table

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/quickstart.md", "docs/results/index.md")
TASKS = {
    "mnist-last": "MNIST, LeNet, last hidden layer binary",
    "mnist": "MNIST, LeNet, every hidden layer binary",
    "cifar10": "CIFAR-10, cifar10_quick, every hidden layer binary",
}
COLUMNS = {
    "ReLU": "relu",
    "phase 1": "phase1",
    "phase 2": "phase2",
    "steps": "phase2 steps",
    "steps, recalibrated": "steps, recalibrated",
    "compiled, without torch": "compiled",
}


def digits_table(run: Path) -> str:
    """What `firebit train digits` prints at its end, as a code block."""
    results = RunFolder(run).results()
    if results is None:
        raise SystemExit(f"{run} is not a finished run.")
    console = Console(file=io.StringIO(), width=100)
    console.print(results_table(results))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [*text.splitlines(), difference_line(results)]
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```"


def cell(rows: dict[str, dict[str, Any]], name: str) -> str:
    """Top-1 accuracy of a row, mean ± sd."""
    if name not in rows:
        return "–"
    values = rows[name]["top1"]
    return f"{values['mean']:.2f}" + (f" ± {values['sd']:.2f}" if len(values["values"]) > 1 else " (1 seed)")


def results_rows() -> str:
    """One row per measured task."""
    lines = [
        "| task | " + " | ".join(COLUMNS) + " | binary after phase 2, % |",
        "|---|" + "---|" * (len(COLUMNS) + 1),
    ]
    for name, title in TASKS.items():
        path = ROOT / "docs" / "results" / f"{name}.json"
        if not path.exists():
            continue
        rows = {row["name"]: row for row in json.loads(path.read_text())["rows"]}
        cells = [cell(rows, key) for key in COLUMNS.values()]
        level = f"{rows['phase2']['level']['mean']:.1f}"
        lines.append("| " + " | ".join([title, *cells, level]) + " |")
    return "\n".join(lines)


def fill(page: Path, marker: str, content: str) -> None:
    """Put `content` between the page's markers, if it has them."""
    text = page.read_text()
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    page.write_text(pattern.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=Path, help="a finished run of the main job")
    options = parser.parse_args()
    for name in PAGES:
        page = ROOT / name
        fill(page, "table:results", results_rows())
        if options.digits:
            fill(page, "table:digits", digits_table(options.digits))
            fill(page, "output:digits", digits_table(options.digits))


if __name__ == "__main__":
    main()
