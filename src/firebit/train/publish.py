"""A finished run as a network of the package: its compiled file, and a card for those who only have these two."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from firebit.compiler.agreement import rounding
from firebit.engine.plan import PRECISIONS
from firebit.engine.quantise import quantise
from firebit.engine.record import load
from firebit.errors import UsageError
from firebit.files import write_atomically, write_text
from firebit.train.card import made_with, method, result_table
from firebit.train.compile import held_out, plan_row
from firebit.train.recipe import Recipe
from firebit.train.results import difference_line
from firebit.train.run import RunFolder

LARGEST = 5_000_000
"""Bytes of a file that may come with the package."""


@dataclass(frozen=True)
class Claims:
    """What a card says of its file.

    Attributes:
        rows: of the run's table; the last is what the file does.
        agreement: in how many predictions it differs from what it was made of, in a line.
        precision: of its plan.
    """

    rows: list[dict[str, Any]]
    agreement: str
    precision: str


def publish(run: RunFolder, name: str, folder: Path, today: date, precision: str = "exact") -> Path:
    """Write NAME.firebit and NAME.md of a finished run.

    The exact file is the run's own. The fast one is made of it, and measured on the run's test set for the card.

    Args:
        run: a finished run that was measured on its test set.
        name: lower-case letters, digits and hyphens.
        folder: where both files go.
        today: the day that the card bears.
        precision: "exact", or "fast": large layers rounded, in a smaller file
            (:func:`firebit.engine.quantise.quantise`).

    Returns:
        The compiled file.

    Raises:
        UsageError: the run is not finished, not compiled or measured on a validation split; the file is too large; or
            there is no such name or precision.
        ModelFileError: the compiled file is damaged.
        DataError: the run's test set is not here, for a fast file.
    """
    results = run.results()
    if results is None or not results.get("compiled"):
        what = "is not finished" if results is None else "has no compiled network"
        raise UsageError(f"{run.path} {what}.", "Give a finished run whose hidden layers are all binary.")
    if results["measured_on"] != "test":
        raise UsageError(f"{run.path} is measured on the {results['measured_on']} set.", "Train it with validation=0.")
    if not name.replace("-", "").isalnum() or name != name.lower() or not name.isascii():
        raise UsageError(f"{name!r} is no name of a network.", "Use lower-case letters, digits and hyphens.")
    if precision not in PRECISIONS:
        raise UsageError(f"There is no precision {precision!r}.", f"Choose one of: {', '.join(PRECISIONS)}.")
    content, claims = _exact(run, results) if precision == "exact" else _fast(run, results)
    if len(content) > LARGEST:
        what = f"The {precision} file of {run.path}"
        raise UsageError(f"{what} has {len(content):,} bytes.", f"At most {LARGEST:,} may be published.")
    target = folder / f"{name}.firebit"
    write_atomically(target, content)
    write_text(folder / f"{name}.md", card(run, name, claims, today))
    return target


def _exact(run: RunFolder, results: dict[str, Any]) -> tuple[bytes, Claims]:
    """The compiled file of a run as it is."""
    return run.compiled_file.read_bytes(), Claims(results["rows"], difference_line(results), "exact")


def _fast(run: RunFolder, results: dict[str, Any]) -> tuple[bytes, Claims]:
    """The fast file made of a run's exact one, its row below the run's own, and what rounding changed."""
    exact, pictures = load(run.compiled_file), held_out(run.recipe())
    plan = quantise(exact)
    with TemporaryDirectory() as folder:
        file = Path(folder) / run.compiled_file.name
        plan.save(file)
        content = file.read_bytes()
    row, found = plan_row("compiled, fast", plan, pictures), rounding(exact, plan, pictures.images)
    line = f"predictions that differ between exact and fast: {found.predictions_differ:,} of {found.pictures:,}"
    return content, Claims([*results["rows"], row], f"{difference_line(results)}; {line}", "fast")


def card(run: RunFolder, name: str, claims: Claims, today: date) -> str:
    """The card of a network of the package: facts, use, results and how it was made, as Markdown."""
    recipe, own = run.recipe(), claims.rows[-1]["metrics"]
    data, count = recipe.data, own["count"]
    facts = {
        "data": data,
        "net": recipe.net.name,
        "width": f"{recipe.net.width:g}",
        "weights": _weights(recipe, claims.precision),
        "top1": f"{100 * own['top1']:.2f}",
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
            *result_table(claims.rows),
            "",
            f"{claims.agreement[0].upper()}{claims.agreement[1:]}.",
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


def _weights(recipe: Recipe, precision: str) -> str:
    kind = recipe.weights.kind
    if precision == "exact":
        return "16 bits" if kind == "real" else f"±1, {kind}"
    return "8 bits, fast" if kind == "real" else f"±1, {kind}, fast"


def _portable(recipe: Recipe) -> Recipe:
    """The recipe without the place of another run on this machine; its name stays."""
    if recipe.loss.teacher is None:
        return recipe
    teacher = Path(recipe.loss.teacher).name
    return recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"teacher": teacher})})
