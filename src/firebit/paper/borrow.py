"""Begin a run where a finished one with the same recipe but for its weights has ended.

The stage that makes weights ±1 comes last (:mod:`firebit.train.weights`), so a run with it and one without are the same
up to there. Continued from the other's last checkpoint, it gives the very numbers that it gives when it is run whole.
"""

import os
import shutil
from pathlib import Path

from firebit.errors import FirebitError
from firebit.files import write_text
from firebit.train.checkpoint import newest_checkpoint
from firebit.train.recipe import Recipe, Weights
from firebit.train.run import COMPILED_FILE, RunFolder

_OF_THE_END = ("results.json", "README.md", COMPILED_FILE)


def borrow(recipe: Recipe, folder: RunFolder) -> Path | None:
    """Copy a finished run beside `folder` into it, to be resumed with the stage that makes weights ±1.

    Args:
        recipe: of the run to come.
        folder: where it goes; nothing happens if it exists.

    Returns:
        The run that was copied; None if there is none that will do, and nothing was made.
    """
    if recipe.weights.kind == "real" or folder.path.exists():
        return None
    real = recipe.model_copy(update={"weights": Weights()})
    for path in sorted(folder.path.parent.glob("*/results.json")):
        donor = RunFolder(path.parent)
        if _will_do(donor, real):
            _copy(donor, recipe, folder)
            return donor.path
    return None


def _will_do(donor: RunFolder, real: Recipe) -> bool:
    try:
        found = donor.recipe()
        same = found.weights.kind == "real" and found.model_copy(update={"weights": Weights()}) == real
        return same and newest_checkpoint(donor.checkpoints) is not None
    except FirebitError:
        # A run that cannot be read is none to begin from; whoever asks for that one is told.
        return False


def _copy(donor: RunFolder, recipe: Recipe, folder: RunFolder) -> None:
    begun = folder.path.with_name(f".{folder.path.name}.{os.getpid()}")
    try:
        shutil.copytree(donor.path, begun, ignore=shutil.ignore_patterns(*_OF_THE_END))
        write_text(begun / folder.recipe_file.name, recipe.to_toml())
        begun.rename(folder.path)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
