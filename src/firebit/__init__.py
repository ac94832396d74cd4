"""Neural networks whose hidden activations are bits.

The rooms of the package are imported when they are first used: ``import firebit`` is quick and imports no
torch.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from firebit.errors import (
    DataError,
    DivergedError,
    FirebitError,
    ModelFileError,
    UnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    __version__: str
    from firebit import compiler, data, engine, explain, nn, paper, pretrained, search, train, web, zoo
    from firebit.compiler.compile import compile
    from firebit.engine.network import load

__all__ = [
    "DataError",
    "DivergedError",
    "FirebitError",
    "ModelFileError",
    "UnavailableError",
    "UsageError",
    "__version__",
    "compile",
    "compiler",
    "data",
    "engine",
    "explain",
    "load",
    "nn",
    "paper",
    "pretrained",
    "search",
    "train",
    "web",
    "zoo",
]

_ROOMS = frozenset(
    {"compiler", "data", "engine", "explain", "nn", "paper", "pretrained", "search", "train", "web", "zoo"}
)
_FUNCTIONS = {"compile": "compiler", "load": "engine.network"}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _ROOMS:
        return _room(name)
    if name in _FUNCTIONS:
        return getattr(_room(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'firebit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("firebit")
    except metadata.PackageNotFoundError:
        # Run from a source tree that is not installed.
        return "0+unknown"


def _room(name: str) -> ModuleType:
    try:
        return import_module(f"firebit.{name}")
    except ModuleNotFoundError as error:
        from firebit.extras import missing

        explained = missing(error, f"firebit.{name}")
        if explained is None:
            raise
        raise explained from error
