"""What all ranks of a training must share, and how a rank that has something else is found at the start."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import torch

import firebit
from firebit.errors import UsageError
from firebit.train.distributed import Ranks
from firebit.train.recipe import Recipe


def check_alike(ranks: Ranks, recipe: Recipe, data: str) -> None:
    """See that every rank trains by the same recipe, on the same data, with the same code.

    Args:
        ranks: all of them call this.
        recipe: this rank's recipe.
        data: the fingerprint of this rank's training pictures.

    Raises:
        UsageError: a rank has something else; every rank says which and what.
    """
    found = [json.loads(text) for text in ranks.texts(json.dumps(_fingerprint(recipe, data)))]
    for rank, other in enumerate(found):
        for what, value in other.items():
            if value != found[0][what]:
                difference = _difference(found[0][what], value) if what == "recipe" else ""
                raise UsageError(
                    f"Rank {rank} has another {what} than rank 0{difference}.",
                    "Start all ranks with the same command, the same data and the same version of Firebit and torch.",
                )


def _fingerprint(recipe: Recipe, data: str) -> dict[str, str]:
    return {
        "recipe": recipe.to_toml(),
        "training set": data,
        "version of Firebit": f"{firebit.__version__} {code_digest()}",
        "version of torch": torch.__version__,
    }


def code_digest() -> str:
    """SHA-256 over the package's Python files and their names."""
    root = Path(firebit.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _difference(first: str, other: str) -> str:
    """The field in which two recipes differ first, and how."""
    left, right = (_flat(tomllib.loads(text)) for text in (first, other))
    key = next((key for key in {**left, **right} if left.get(key) != right.get(key)), None)
    return "" if key is None else f": {key} = {right.get(key)!r}, not {left.get(key)!r}"


def _flat(tree: dict[str, Any]) -> dict[str, Any]:
    tables = {key: value for key, value in tree.items() if isinstance(value, dict)}
    plain = {key: value for key, value in tree.items() if key not in tables}
    return plain | {f"{table}.{key}": value for table, values in tables.items() for key, value in values.items()}
