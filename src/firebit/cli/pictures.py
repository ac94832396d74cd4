"""Which pictures a network is measured on."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.data import ImageSet


def own_data(run: Path, command: str) -> str:
    """The data set of a run's recipe, which is read here as plain TOML: recipes need libraries of training.

    Args:
        run: a run directory.
        command: what to type to name another.

    Raises:
        UsageError: there is no recipe, or it names no data set.
    """
    path = run / "recipe.toml"
    try:
        found = tomllib.loads(path.read_text("utf-8")).get("data")
    except (OSError, ValueError) as error:
        reason = "it is missing" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
        raise UsageError(f"{path} cannot be read: {reason}.", f"Name a data set: {command}.") from error
    if not isinstance(found, str):
        raise UsageError(f"{path} does not say which data set to use.", f"Name one: {command}.")
    return found


def load_fitting(source: str, split: str, shape: tuple[int, ...], classes: int) -> "ImageSet":
    """Pictures for a network, those of a folder brought to its size.

    Args:
        source: a data set or folder.
        split: "train" or "test".
        shape: (C, H, W) that the network takes.
        classes: how many it tells apart.

    Raises:
        UsageError: the pictures do not fit the network.
        DataError: they are missing or damaged.
    """
    from firebit.data import load, names

    square = len(shape) == 3 and shape[1] == shape[2]
    pictures = load(source, split, size=shape[2] if square and source not in names() else None)
    found = pictures.images.shape[1:]
    if shape != found or len(pictures.classes) != classes:
        raise UsageError(
            f"The network takes pictures of {_sides(shape)} in {classes} classes; {pictures.name} has "
            f"{_sides(found)} in {len(pictures.classes)}.",
            "Choose a data set of that shape.",
        )
    return pictures


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
