"""The model card of a run: what was trained, how, on what, and how well."""

from typing import TYPE_CHECKING, Any

from firebit.train.recipe import Recipe
from firebit.train.results import difference_line

if TYPE_CHECKING:
    from firebit.train.run import RunFolder

_NAMES = {
    "relu": "ReLU baseline",
    "phase1": "phase 1 (soft)",
    "phase2": "phase 2 (soft)",
    "weights": "±1 weights (soft)",
    "weights steps": "±1 weights, steps",
    "weights steps, recalibrated": "±1 weights, steps, recalibrated",
    "compiled": "compiled",
}


def model_card(recipe: Recipe, results: dict[str, Any], folder: "RunFolder") -> str:
    """The run's README.md as Markdown."""
    return "\n".join(
        [
            f"# {recipe.net.name} on {results['data']}",
            "",
            f"Binary layers: {_layers(recipe)}. Seed {recipe.seed}, one run, {_state(recipe)}.",
            *method(recipe),
            "",
            *result_table(results["rows"]),
            "",
            *_difference(results),
            f"Measured on the {results['measured_on']} set ({results['rows'][0]['metrics']['count']:,} pictures). "
            "Binary: share of (unit, picture) pairs at exactly 0 or 1; a unit is a channel at a position.",
            "",
            "## Files",
            "",
            *(["- `model.firebit`: the network compiled, to run without torch"] if results.get("compiled") else []),
            *(_of_phases(recipe) if recipe.has_phases else []),
            *(["- `relu.safetensors`: the ReLU baseline"] if recipe.baseline.enabled else []),
            *(["- `teacher.safetensors`: the ReLU network it learned from"] if _foreign_teacher(recipe) else []),
            "- `recipe.toml`, `metrics.jsonl`, `results.json`, `environment.json`",
            "",
            "## Made with",
            "",
            *made_with(folder),
            "",
            "## Limits",
            "",
            "Trained on one data set of small pictures; nothing is known of its behaviour on others.",
            "",
            "## Recipe",
            "",
            "```toml",
            recipe.to_toml().rstrip(),
            "```",
            "",
        ]
    )


def method(recipe: Recipe) -> list[str]:
    """What is special about how the network was trained, a line each."""
    return [*_straight(recipe), *_weights(recipe), *_teacher(recipe)]


def made_with(folder: "RunFolder") -> list[str]:
    """Versions, processor and data of a run, as lines."""
    environment = folder.environment()
    # Runs that were started before this was noted trained in what their recipe says.
    trained = f", trained in {environment['precision']}" if "precision" in environment else ""
    return [
        f"Firebit {environment['firebit']}, torch {environment['torch']}, Python {environment['python']}, "
        f"{environment['processor']}, {environment['threads']} threads{trained}.",
        f"Training pictures: SHA-256 `{environment['data']}`.",
    ]


def _layers(recipe: Recipe) -> str:
    if not recipe.has_phases:
        return "none"
    if isinstance(recipe.layers, str):
        return {"all": "every hidden layer", "last": "the last hidden layer"}[recipe.layers]
    return ", ".join(recipe.layers)


def _of_phases(recipe: Recipe) -> list[str]:
    return [
        f"- `hardened.safetensors`: the network with steps{' and weights of ±1' if _has_signs(recipe) else ''}",
        *(["- `weights.safetensors`: the same before steps were put in"] if _has_signs(recipe) else []),
        f"- `model.safetensors`: the network after phase 2, with {_activations(recipe)}",
        "- `phase1.safetensors`: the network after phase 1",
    ]


def _state(recipe: Recipe) -> str:
    decay = recipe.average.decay
    return f"moving average of the weights (decay {decay:g})" if decay else "last epoch"


def _teacher(recipe: Recipe) -> list[str]:
    if not recipe.loss.distillation:
        return []
    return [f"Taught by {_teachers_name(recipe)}: {100 * recipe.loss.distillation:g} % of the loss."]


def _teachers_name(recipe: Recipe) -> str:
    if _foreign_teacher(recipe):
        return "the ReLU baseline of another run"
    own = recipe.baseline.width
    return "its own ReLU baseline" if own is None else f"its own ReLU baseline, of width {own:g}"


def _activations(recipe: Recipe) -> str:
    return "bounded rectifiers (soft)" if recipe.net.is_soft else "straight-through steps"


def _straight(recipe: Recipe) -> list[str]:
    if recipe.net.is_soft:
        return []
    return ["Trained with straight-through steps, a baseline for bounded rectifiers: bits from the first step on."]


def _has_signs(recipe: Recipe) -> bool:
    return recipe.weights.kind != "real"


def _weights(recipe: Recipe) -> list[str]:
    options = recipe.weights
    if not _has_signs(recipe):
        return []
    left = [*(() if options.first else ("the first layer's",)), *(() if options.last else ("the last layer's",))]
    left += [f"those of {name}" for name in options.exclude]
    real = f"; real: {', '.join(left)}" if left else ""
    scale = " times a scale per output channel" if options.scaled else ""
    return [f"Weights: ±1{scale}, {options.kind}{real}."]


def _foreign_teacher(recipe: Recipe) -> bool:
    return recipe.loss.distillation > 0 and recipe.loss.teacher is not None


def _difference(results: dict[str, Any]) -> list[str]:
    line = difference_line(results)
    return [f"{line[0].upper()}{line[1:].rstrip('.')}.", ""] if line else []


def result_table(rows: list[dict[str, Any]]) -> list[str]:
    """A row per network of a run, as Markdown lines."""
    lines = ["| network | top-1 % | top-5 % | loss | binary % |", "|---|---|---|---|---|"]
    for row in rows:
        metrics, census = row["metrics"], row["census"]
        level = f"{100 * census['level']:.1f}" if census else "–"
        lines.append(
            f"| {_NAMES.get(row['name'], row['name'])} | {100 * metrics['top1']:.2f} | {100 * metrics['top5']:.2f} "
            f"| {metrics['loss']:.4f} | {level} |"
        )
    return lines
