"""Begin a run with what another has trained alike, where both would train it to the very same numbers.

Every stage starts from the recipe's seed, so what it trains follows from the recipe and the network before it. Runs of
one experiment often share their ReLU baseline, or all but the stage that makes weights ±1, which comes last.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from firebit.errors import FirebitError
from firebit.files import write_text
from firebit.train.checkpoint import Progress, newest_checkpoint, save_checkpoint
from firebit.train.recipe import Classifier, Loss, Net, Phase, Recipe, Weights
from firebit.train.run import COMPILED_FILE, RunFolder

_OF_THE_END = ("results.json", "README.md", COMPILED_FILE)
# Options of a network that change nothing where all activations are ReLUs.
_OF_BITS = {"activation", "rectified", "centred", "slope_init", "shift_init"}
_NOTHING: dict[str, Any] = {"state": {}, "param_groups": []}


def borrow(recipe: Recipe, folder: RunFolder) -> Path | None:
    """Make a run directory, to be resumed, from a run beside it that has trained the same as far as it goes.

    Either everything but the stage that makes weights ±1, of a finished run, or else the ReLU baseline, of any.

    Args:
        recipe: of the run to come.
        folder: where it goes; nothing happens if it exists.

    Returns:
        The run that was borrowed from; None if there is none that will do, and nothing was made.
    """
    if folder.path.exists():
        return None
    donors = [RunFolder(path.parent) for path in sorted(folder.path.parent.glob("[!.]*/recipe.toml"))]
    if recipe.weights.kind != "real":
        for donor in donors:
            if donor.results_file.exists() and _alike(donor, recipe, _without_weights) and _is_real(donor):
                _copy(donor, recipe, folder)
                return donor.path
    if recipe.baseline.enabled:
        for donor in donors:
            if donor.model_file("relu").exists() and _alike(donor, recipe, _of_baseline):
                _copy_baseline(donor, recipe, folder)
                return donor.path
    return None


def _alike(donor: RunFolder, recipe: Recipe, part: Callable[[Recipe], Recipe]) -> bool:
    # A run that cannot be read is none to borrow from; whoever asks for that one is told.
    with suppress(FirebitError):
        return part(donor.recipe()) == part(recipe) and newest_checkpoint(donor.checkpoints) is not None
    return False


def _is_real(donor: RunFolder) -> bool:
    return donor.recipe().weights.kind == "real"


def _without_weights(recipe: Recipe) -> Recipe:
    return recipe.of_training.model_copy(update={"weights": Weights()})


def _of_baseline(recipe: Recipe) -> Recipe:
    """The recipe with everything reset that does not reach the ReLU network."""
    net = Net(**recipe.baseline_net.model_dump(exclude=_OF_BITS))
    update = {
        "net": net,
        "layers": "all",
        "optimizer": recipe.baseline_optimizer,
        "recalibrate": True,
        "loss": Loss(label_smoothing=recipe.loss.label_smoothing),
        "baseline": recipe.baseline.model_copy(
            update={"epochs": recipe.baseline_epochs, "width": None, "dropout": None}
        ),
        **{"phase1": Phase(), "phase2": Phase(), "classifier": Classifier(), "weights": Weights()},
    }
    return recipe.of_training.model_copy(update=update)


def _copy(donor: RunFolder, recipe: Recipe, folder: RunFolder) -> None:
    with _begun(folder) as begun:
        shutil.copytree(donor.path, begun.path, ignore=shutil.ignore_patterns(*_OF_THE_END))
        write_text(begun.recipe_file, recipe.to_toml())


def _copy_baseline(donor: RunFolder, recipe: Recipe, folder: RunFolder) -> None:
    records = [record for record in donor.journal.records() if record["stage"] == "relu"]
    newest = newest_checkpoint(donor.checkpoints)
    rows = [row for row in newest.progress.results if row["name"] == "relu"] if newest else []
    with _begun(folder) as begun:
        write_text(begun.recipe_file, recipe.to_toml())
        for path in (donor.path / "environment.json", donor.model_file("relu")):
            shutil.copy2(path, begun.path)
        for record in records:
            begun.journal.add(record)
        progress = Progress(stage=1, steps=records[-1]["step"], journal=len(records), results=rows)
        save_checkpoint(begun.checkpoints, progress, {}, _NOTHING, None)


@contextmanager
def _begun(folder: RunFolder) -> Iterator[RunFolder]:
    """A folder that becomes `folder` when all of it is there."""
    path = folder.path.with_name(f".{folder.path.name}.{os.getpid()}")
    try:
        yield RunFolder(path)
        path.rename(folder.path)
    finally:
        shutil.rmtree(path, ignore_errors=True)
