"""Begin a run with what another has trained alike, where both would train it to the very same numbers.

Every stage starts from the recipe's seed, so what it trains follows from the recipe and the network before it. Runs of
one experiment often share their ReLU baseline, phase 1, or all but the stage that makes weights ±1, which comes last.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firebit.errors import FirebitError
from firebit.files import write_text
from firebit.train.checkpoint import Progress, newest_checkpoint, save_checkpoint
from firebit.train.recipe import Classifier, Loss, Net, Phase, Recipe, Weights
from firebit.train.run import RunFolder
from firebit.train.stage import stages
from firebit.train.teach import TEACHER_FILE

# Options of a network that change nothing where all activations are ReLUs.
_OF_BITS = {"activation", "rectified", "centred", "slope_init", "shift_init"}
_NOTHING: dict[str, Any] = {"state": {}, "param_groups": []}


def borrow(recipe: Recipe, folder: RunFolder) -> Path | None:
    """Make a run directory, to be resumed, from a run beside it that has trained the same as far as it goes.

    The further, the better: everything but the stage that makes weights ±1; else up to the end of phase 1; else the
    ReLU baseline.

    Args:
        recipe: of the run to come.
        folder: where it goes; nothing happens if it exists.

    Returns:
        The run that was borrowed from; None if there is none that will do, and nothing was made.
    """
    if folder.path.exists():
        return None
    donors = [RunFolder(path.parent) for path in sorted(folder.path.parent.glob("[!.]*/recipe.toml"))]
    names = [stage.name for stage in stages(recipe)]
    for part in (part for part in _PARTS if part.until in names[1:]):
        for donor in donors:
            if (progress := _trained(donor, recipe, part)) is not None:
                _copy(donor, recipe, folder, part, progress)
                return donor.path
    return None


def _of_baseline(recipe: Recipe) -> Recipe:
    """The recipe with everything reset that does not reach the ReLU network."""
    net = Net(**recipe.baseline_net.model_dump(exclude=_OF_BITS))
    own = {"epochs": recipe.baseline_epochs, "width": None, "dropout": None}
    update = {
        "net": net,
        "layers": "all",
        "optimizer": recipe.baseline_optimizer,
        "loss": Loss(label_smoothing=recipe.loss.label_smoothing),
        "baseline": recipe.baseline.model_copy(update=own),
        "phase1": Phase(),
    }
    return _of_phase1(recipe).model_copy(update=update)


def _of_phase1(recipe: Recipe) -> Recipe:
    """The recipe with everything reset that comes behind phase 1."""
    update = {
        "recalibrate": True,
        "baseline": recipe.baseline.model_copy(update={"epochs": recipe.baseline_epochs}),
        "phase2": Phase(),
        "classifier": Classifier(),
    }
    return _without_weights(recipe).model_copy(update=update)


def _without_weights(recipe: Recipe) -> Recipe:
    return recipe.of_training.model_copy(update={"weights": Weights()})


@dataclass(frozen=True)
class _Part:
    """What of a run another may go on from.

    Attributes:
        until: the stage that it ends before.
        of: the recipe with everything reset that does not reach it.
        last: the model that is written at its end.
        models: what is written up to there; those that are missing were not asked for.
        rows: whether a row of the table is one of it, by name.
    """

    until: str
    of: Callable[[Recipe], Recipe]
    last: str
    models: tuple[str, ...]
    rows: Callable[[str], bool]


_PARTS = (
    _Part("weights", _without_weights, "model", ("relu", "phase1", "model"), lambda row: "weights" not in row),
    _Part("phase2", _of_phase1, "phase1", ("relu", "phase1"), lambda row: row == "relu" or "phase1" in row),
    _Part("phase1", _of_baseline, "relu", ("relu",), lambda row: row == "relu"),
)


def _trained(donor: RunFolder, recipe: Recipe, part: _Part) -> Progress | None:
    """How far a run is at the end of that part; None if it is not there, or trains otherwise."""
    # A run that cannot be read is none to borrow from; whoever asks for that one is told.
    with suppress(FirebitError):
        if part.of(donor.recipe()) != part.of(recipe) or not donor.model_file(part.last).exists():
            return None
        if (table := _table(donor, part)) is None:
            return None
        at = [stage.name for stage in stages(recipe)].index(part.until)
        shared = {stage.name for stage in stages(recipe)[:at]}
        records = [record for record in donor.journal.records() if record["stage"] in shared]
        rows = [row for row in table if part.rows(row["name"])]
        return Progress(stage=at, steps=records[-1]["step"] if records else 0, journal=len(records), results=rows)
    return None


def _table(donor: RunFolder, part: _Part) -> list[dict[str, Any]] | None:
    """The rows of a run that has all stages of that part behind it; None of one that has not."""
    if (results := donor.results()) is not None:
        return [row for row in results.get("rows", ()) if row["name"] != "compiled"] or None
    names = [stage.name for stage in stages(donor.recipe())]
    newest = newest_checkpoint(donor.checkpoints)
    # A finished run has no checkpoint behind its last stage; one without that stage is past it when it is finished.
    if newest is None or part.until not in names or newest.progress.stage < names.index(part.until):
        return None
    return newest.progress.results


def _copy(donor: RunFolder, recipe: Recipe, folder: RunFolder, part: _Part, progress: Progress) -> None:
    files = [donor.path / "environment.json", donor.path / TEACHER_FILE, *map(donor.model_file, part.models)]
    with _begun(folder) as begun:
        write_text(begun.recipe_file, recipe.to_toml())
        for path in filter(Path.exists, files):
            shutil.copy2(path, begun.path)
        for record in donor.journal.records()[: progress.journal]:
            begun.journal.add(record)
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
