"""Accuracy of a recipe over seeds: trains (or continues) one run per seed and writes mean ± sd to docs/results.

    python benchmarks/accuracy.py mnist --seeds 0 1 2
    python benchmarks/accuracy.py cifar10 --seeds 0 1 2 --set baseline.epochs=12

Last epoch, measured on the test set (or on the validation split where the recipe has one). A finished run is not
trained again. Runs for several seeds can go side by side: start the script once per seed with --no-report, then once
more with all seeds.
"""

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console

from firebit.cli.progress import PlainLines
from firebit.train import RunFolder, fit, load_recipe

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"


def run(recipe_name: str, seed: int, overrides: list[str], runs: Path, label: str) -> RunFolder:
    """Train one seed to the end, resuming what was stopped."""
    folder = RunFolder(runs / f"{label}-seed{seed}")
    recipe = load_recipe(recipe_name, [*overrides, f"seed={seed}"])
    fit(recipe, folder, resume=folder.path.exists(), reporter=PlainLines(Console(stderr=True)))
    return folder


def spread(values: list[float]) -> dict[str, Any]:
    """Mean, standard deviation (n − 1) and the values themselves."""
    return {"mean": mean(values), "sd": stdev(values) if len(values) > 1 else 0.0, "values": values}


def collect(folders: list[RunFolder]) -> list[dict[str, Any]]:
    """One row per network with the spread over seeds of accuracy and level, per layer too.

    A network that only some runs have (a baseline trained once) is spread over those.
    """
    runs = [{row["name"]: row for row in (folder.results() or {})["rows"]} for folder in folders]
    names = list(dict.fromkeys(name for run in runs for name in run))
    found = []
    for name in names:
        rows = [run[name] for run in runs if name in run]
        row: dict[str, Any] = {"name": name, "runs": len(rows)}
        for key in ("top1", "top5"):
            row[key] = spread([100 * each["metrics"][key] for each in rows])
        if rows[0]["census"]:
            row["level"] = spread([100 * each["census"]["level"] for each in rows])
            row["layers"] = {
                layer: {
                    "level": spread([100 * each["census"]["layers"][layer]["level"] for each in rows]),
                    "ones": spread([100 * each["census"]["layers"][layer]["ones_share"] for each in rows]),
                }
                for layer in rows[0]["census"]["layers"]
            }
        found.append(row)
    return found


def percent(value: dict[str, Any]) -> str:
    """A spread as text; a single value has none."""
    alone = len(value["values"]) == 1
    return f"{value['mean']:.2f}" + (" (1 seed)" if alone else f" ± {value['sd']:.2f}")


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown page."""
    layers = list(next(row["layers"] for row in report["rows"] if "layers" in row))
    lines = [
        f"# {report['label']}: {report['net']} on {report['data']}",
        "",
        f"`{report['command']}`",
        "",
        f"Seeds {report['seeds']}, last epoch, {report['measured_on']} set, mean ± sd. "
        f"{report['machine']}, {report['date']}; {report['minutes']:.0f} minutes per seed.",
        "",
        "| network | top-1 % | top-5 % | binary % | " + " | ".join(f"{layer} %" for layer in layers) + " |",
        "|---|---|---|---|" + "---|" * len(layers),
    ]
    for row in report["rows"]:
        cells = [row["name"], percent(row["top1"]), percent(row["top5"])]
        cells.append(percent(row["level"]) if "level" in row else "–")
        cells += [percent(row["layers"][layer]["level"]) if "layers" in row else "–" for layer in layers]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--label", help="name of the report; default: the recipe's")
    parser.add_argument("--no-report", action="store_true", help="train only")
    options = parser.parse_args()
    label = options.label or Path(options.recipe).stem
    folders = [run(options.recipe, seed, options.overrides, options.runs, label) for seed in options.seeds]
    if options.no_report:
        return
    results = [folder.results() for folder in folders]
    environment = json.loads((folders[0].path / "environment.json").read_text())
    overrides = "".join(f" --set {override}" for override in options.overrides)
    named = f" --label {options.label}" if options.label else ""
    seeds = " ".join(map(str, options.seeds))
    report = {
        "label": label,
        "command": f"python benchmarks/accuracy.py {options.recipe} --seeds {seeds}{overrides}{named}",
        "seeds": options.seeds,
        "date": date.today().isoformat(),
        "machine": f"{environment['processor']}, {environment['threads']} threads, torch {environment['torch']}",
        "minutes": mean(result["seconds"] for result in results if result) / 60,
        **{key: results[0][key] for key in ("net", "data", "measured_on", "layers")},  # type: ignore[index]
        "recipe": folders[0].recipe().model_dump(exclude={"seed"}),
        "rows": collect(folders),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{label}.json").write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / f"{label}.md").write_text(markdown(report))
    sys.stdout.write(markdown(report))


if __name__ == "__main__":
    main()
