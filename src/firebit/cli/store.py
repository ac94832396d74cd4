"""Which network the codes of a store on the command line come from."""

from pathlib import Path
from typing import TYPE_CHECKING

from firebit.cli.model import compiled_file
from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.search import CodeStore

DEFAULT_STORE = "photos.db"


def network_of(store: "CodeStore", name: str, model: Path | None) -> Path:
    """The file of the network that was asked for, else of the one that the store names.

    Args:
        store: that is open.
        name: what it is called.
        model: as of --model.

    Raises:
        UsageError: nothing names a network.
        ModelFileError: there is none of that name.
    """
    if model is None and not store.model:
        raise UsageError(f"{name} does not name its network.", "Name it: --model cifar10-quick, or a .firebit file.")
    return compiled_file(model or Path(store.model))


def layer_of(store: "CodeStore") -> str | None:
    """The layer of a compiled network that the codes of a store come from; None where its fingerprint names none."""
    return store.fingerprint.partition(":")[2] or None
