"""A finished run as a network of the package: its compiled file, and a card for those who only have these two."""

from datetime import date
from pathlib import Path
from typing import Any

from firebit.errors import UsageError
from firebit.files import write_atomically, write_text
from firebit.train.card import made_with, method, result_table
from firebit.train.recipe import Recipe
from firebit.train.results import difference_line
from firebit.train.run import RunFolder

LARGEST = 5_000_000
"""Bytes of a file that may come with the package."""


def publish(run: RunFolder, name: str, folder: Path, today: date) -> Path:
    """Write NAME.firebit and NAME.md of a finished run.

    Args:
        run: a finished run that was measured on its test set.
        name: lower-case letters, digits and hyphens.
        folder: where both files go.
        today: the day that the card bears.

    Returns:
        The compiled file.

    Raises:
        UsageError: the run is not finished, not compiled or measured on a validation split; the file is too large; or
            the name is none.
    """
    results = run.results()
    if results is None or not results.get("compiled"):
        what = "is not finished" if results is None else "has no compiled network"
        raise UsageError(f"{run.path} {what}.", "Give a finished run whose hidden layers are all binary.")
    if results["measured_on"] != "test":
        raise UsageError(f"{run.path} is measured on the {results['measured_on']} set.", "Train it with validation=0.")
    if not name.replace("-", "").isalnum() or name != name.lower() or not name.isascii():
        raise UsageError(f"{name!r} is no name of a network.", "Use lower-case letters, digits and hyphens.")
    content = run.compiled_file.read_bytes()
    if len(content) > LARGEST:
        raise UsageError(f"{run.compiled_file} has {len(content):,} bytes.", f"At most {LARGEST:,} may be published.")
    target = folder / f"{name}.firebit"
    write_atomically(target, content)
    write_text(folder / f"{name}.md", card(run, name, results, today))
    return target


def card(run: RunFolder, name: str, results: dict[str, Any], today: date) -> str:
    """The card of a network of the package: facts, use, results and how it was made, as Markdown."""
    recipe, agreement = run.recipe(), difference_line(results)
    compiled = next(row for row in results["rows"] if row["name"] == "compiled")
    data, count = recipe.data, compiled["metrics"]["count"]
    facts = {
        "data": data,
        "net": recipe.net.name,
        "width": f"{recipe.net.width:g}",
        "weights": "16 bits" if recipe.weights.kind == "real" else f"±1, {recipe.weights.kind}",
        "top1": f"{100 * compiled['metrics']['top1']:.2f}",
        "pictures": str(count),
        "seed": str(recipe.seed),
        "date": today.isoformat(),
    }
    return "\n".join(
        [
            "---",
            *(f"{key}: {value}" for key, value in facts.items()),
            "---",
            "",
            f"# {name}: {recipe.net.name} on {data}",
            "",
            f"{facts['top1']} % of the {count:,} test pictures of {data}. One run, seed {recipe.seed}.",
            *method(recipe),
            "",
            "```console",
            f"$ firebit predict {name} picture.png",
            "```",
            "",
            *result_table(results),
            "",
            f"{agreement[0].upper()}{agreement[1:]}.",
            "The last row is what this file does; the others are stages on the way to it.",
            "",
            "## Made with",
            "",
            *made_with(run),
            f"Published on {today.isoformat()}.",
            "",
            "## Limits",
            "",
            f"Trained on {data} alone: pictures of another kind get one of its classes all the same.",
            "",
            "## Recipe",
            "",
            "```toml",
            _portable(recipe).to_toml().rstrip(),
            "```",
            "",
        ]
    )


def _portable(recipe: Recipe) -> Recipe:
    """The recipe without the place of another run on this machine; its name stays."""
    if recipe.loss.teacher is None:
        return recipe
    teacher = Path(recipe.loss.teacher).name
    return recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"teacher": teacher})})
