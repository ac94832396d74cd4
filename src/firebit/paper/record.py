"""What a finished run leaves of itself for the tables: a JSON file, which is the cache too."""

import json
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from firebit.errors import ModelFileError
from firebit.files import write_text


@dataclass(frozen=True)
class Record:
    """One finished run.

    Attributes:
        recipe: as TOML; a run of another recipe is another run.
        measured_on: "test" or "validation".
        top1: accuracy by row, in per cent, last epoch.
        level: share of values that were bits, by row that has one, in per cent.
        epochs: those of both phases that were measured, one after the other: "stage", "epoch", accuracies "soft" and
            "steps" in per cent, and "layers", what the journal's census found of each.
        seconds: of training; of a run that was resumed, of all its epochs.
        environment: versions, processor, threads, fingerprint of the data.
        top5: as `top1`, where there are more than ten classes.
        curves: those of every stage, likewise: "stage", "epoch", "train_loss", "loss" and "top1" (in per cent) of the
            network that is trained.
    """

    recipe: str
    measured_on: str
    top1: dict[str, float]
    level: dict[str, float]
    epochs: list[dict[str, Any]]
    seconds: float
    environment: dict[str, Any]
    top5: dict[str, float] = field(default_factory=dict)
    curves: list[dict[str, Any]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")


def load_record(path: Path) -> Record:
    """Read the record of a finished run.

    Raises:
        ModelFileError: it cannot be read, or is no record.
    """
    try:
        record = Record(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path) from error
    numbers = [*_values(record.top1), *_values(record.top5), *_values(record.level), record.seconds]
    lists = isinstance(record.epochs, list) and isinstance(record.curves, list)
    readable = isinstance(record.recipe, str) and _is_toml(record.recipe) and lists
    if not readable or not all(type(number) in (int, float) for number in numbers):
        raise _damaged(path)
    return record


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _values(figures: object) -> list[Any]:
    return list(figures.values()) if isinstance(figures, dict) else [None]


def _damaged(path: Path) -> ModelFileError:
    return ModelFileError(f"{path} is no record of a run.", "Remove it to have the run made again.")
