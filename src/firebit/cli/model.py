"""Which network MODEL means on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING

from firebit.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from firebit.engine.network import Network

COMPILED = "compiled"
"""The value of --network that means the compiled network of a run."""


def named(model: Path) -> Path:
    """MODEL itself, or the file of the pretrained network of that name where nothing is at that path.

    Raises:
        ModelFileError: it reads like a name, and there is no network of that name.
    """
    from firebit.pretrained import find

    return find(model)


def check_there(model: Path) -> None:
    """Refuse a model that does not exist.

    Raises:
        ModelFileError: there is neither a file nor a folder of that name.
    """
    try:
        there = model.exists()
    except OSError as error:
        raise ModelFileError(f"Cannot read {model}: {error.strerror}.", "Check the path.") from error
    if not there:
        raise ModelFileError(f"There is no run or model file {model}.", "Give runs/NAME, or a model file inside one.")


def check_no_choice(model: Path, network: str | None) -> None:
    """Refuse --network beside a model that is one file and leaves nothing to choose.

    Raises:
        UsageError: `network` is given.
    """
    if network is not None:
        raise UsageError(f"--network does not go with {model}, which is one file.", "Leave it out.")


def compiled_file(model: Path) -> Path:
    """The file of a compiled network: MODEL itself, model.firebit of a run directory, or a pretrained network's.

    Raises:
        ModelFileError: it does not exist.
    """
    model = named(model)
    check_there(model)
    if not model.is_dir():
        return model
    path = model / "model.firebit"
    if not path.is_file():
        raise ModelFileError(
            f"{model} has no compiled network yet: there is no {path.name} in it.", f"Make it: firebit compile {model}"
        )
    return path


def load_classifier(path: Path) -> "Network":
    """Load a compiled network that predicts classes.

    Raises:
        ModelFileError: the file is missing, damaged, or holds no compiled network.
        UsageError: the network is an encoder.
    """
    from firebit.engine.network import load

    network = load(path)
    if network.is_encoder:
        raise UsageError(
            f"{path} is an encoder: it gives codes, and predicts no classes.",
            "Use firebit.load(…).codes(images) in Python, or compile the network with its last layer.",
        )
    return network
