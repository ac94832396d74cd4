"""Which pictures a network is measured on."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from firebit.cli.error import print_problem
from firebit.cli.model import named
from firebit.errors import DataError, UsageError

if TYPE_CHECKING:
    from firebit.data import ImageSet
    from firebit.engine.network import Network


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


def data_of(target: Path, command: str) -> str | None:
    """The data set of a run or of a pretrained network; None where TARGET is a file, which does not say.

    Args:
        target: a run directory, a model file, or the name of a pretrained network.
        command: what to type to name another.

    Raises:
        UsageError: as of :func:`own_data`.
        ModelFileError: there is no such file or network.
    """
    if target.is_dir():
        return own_data(target, command)
    if named(target) == target:
        return None
    from firebit.pretrained import entry

    return entry(str(target)).facts["data"]


def load_at_hand(data: str | None, own: str | None, split: str, network: "Network", without: str) -> "ImageSet | None":
    """Labelled pictures for a network; None where it tells no classes, or where nobody named any and none are here.

    Args:
        data: what was asked for.
        own: what goes with the network, where nothing was.
        split: "train" or "test".
        network: that is to see them.
        without: what is said where its own are missing or damaged.

    Raises:
        DataError: the data that were asked for are missing or damaged.
        UsageError: they do not fit the network.
    """
    source, logits = data or own, network.plan.logits
    if source is None or logits is None:
        return None
    try:
        return load_fitting(source, split, network.input_shape, len(logits.bias), network.plan.classes)
    except DataError as error:
        if data is not None:
            raise
        print_problem(DataError(f"{error.problem} {without}", error.remedy))
        return None


def load_fitting(
    source: str, split: str, shape: tuple[int, ...], classes: int | None = None, order: tuple[str, ...] = ()
) -> "ImageSet":
    """Pictures for a network, those of a folder brought to its size.

    Args:
        source: a data set or folder.
        split: "train" or "test".
        shape: (C, H, W) that the network takes.
        classes: how many it tells apart; None: the pictures' may be others.
        order: their names in the network's order: labels of pictures of the same classes are brought to that.

    Raises:
        UsageError: the pictures do not fit the network.
        DataError: they are missing or damaged.
    """
    from firebit.data import load, names

    square = len(shape) == 3 and shape[1] == shape[2]
    pictures = load(source, split, size=shape[2] if square and source not in names() else None)
    found = pictures.images.shape[1:]
    if shape != found or classes not in (None, len(pictures.classes)):
        told, has = ("", "") if classes is None else (f" in {classes} classes", f" in {len(pictures.classes)}")
        raise UsageError(
            f"The network takes pictures of {_sides(shape)}{told}; {pictures.name} has {_sides(found)}{has}.",
            "Choose a data set of that shape.",
        )
    return pictures.ordered(order) if set(order) == set(pictures.classes) else pictures


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
