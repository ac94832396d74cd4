"""A run directory as a report reads it: checked, and without torch, which made it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from firebit.errors import ModelFileError, UsageError
from firebit.titles import REAL_VALUED, TITLES

COMPILED_FILE = "model.firebit"

_MOST_BYTES = 1 << 28


Model = TypeVar("Model", bound=BaseModel)


class Read(BaseModel):
    """What is read of a file; what else stands there is for others."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Scores(Read):
    """Loss in nats, accuracies 0 … 1, and the pictures they were measured on."""

    loss: FiniteFloat
    top1: FiniteFloat = Field(ge=0, le=1)
    top5: FiniteFloat = Field(ge=0, le=1)
    count: int = Field(ge=1)


class LayerLevel(Read):
    """How binary a layer is.

    Attributes:
        units: channels × positions.
        level: share of (unit, picture) pairs at 0 or at 1.
        binary_share: share of the units that are binary at least so often, by "0.9", "0.99", "0.999".
        ones_share: share of pairs at 1.
        always_zero: units that are 0 for every picture.
        always_one: units that are 1 for every picture.
    """

    units: int = Field(ge=1)
    level: FiniteFloat = Field(ge=0, le=1)
    binary_share: dict[str, FiniteFloat] = Field(default_factory=dict)
    ones_share: FiniteFloat = Field(ge=0, le=1)
    always_zero: int = Field(0, ge=0)
    always_one: int = Field(0, ge=0)


class Levels(Read):
    """How binary a network is, in all and per layer, in the order in which layers are computed."""

    units: int = Field(ge=1)
    level: FiniteFloat = Field(ge=0, le=1)
    ones_share: FiniteFloat = Field(ge=0, le=1)
    layers: dict[str, LayerLevel]


class Row(Read):
    """A network of the run: its stage, how good it is, how binary, and what it holds in memory.

    Attributes:
        name: of the stage, a key of :data:`firebit.titles.TITLES`, or another.
        metrics: on the held-out set.
        census: None of a network whose activations are real.
        bits_per_activation: None where nothing is hidden.
        activation_bytes: of hidden activations per picture.
        weight_bytes: of all weights.
    """

    name: str
    metrics: Scores
    census: Levels | None = None
    bits_per_activation: FiniteFloat | None = None
    activation_bytes: FiniteFloat = Field(ge=0)
    weight_bytes: FiniteFloat = Field(ge=0)

    @property
    def title(self) -> str:
        """What people call it."""
        return TITLES.get(self.name, self.name)


class Agreement(Read):
    """How the compiled network agrees with torch: predictions that differ, of so many pictures."""

    pictures: int = Field(ge=1)
    predictions_differ: int = Field(ge=0)


class Results(Read):
    """The results of a finished run."""

    data: str
    measured_on: str
    seed: int
    net: str
    layers: str | list[str]
    seconds: FiniteFloat = Field(ge=0)
    rows: list[Row] = Field(min_length=1)
    compiled: Agreement | None = None
    not_compiled: str | None = None


class Epoch(Read):
    """A line of the journal.

    Attributes:
        stage: "relu", "phase1", "phase2", "classifier" or "weights".
        epoch: number within the stage, from 1.
        train_loss: mean over the epoch.
        measured_on: which set `soft` and `steps` were measured on.
        soft: the network as it is trained; None where it was not measured.
        steps: the same with steps in place of rectifiers; None where that was not measured.
        census: None of a network whose activations are real.
    """

    stage: str
    epoch: int = Field(ge=1)
    train_loss: FiniteFloat
    measured_on: str
    soft: Scores | None = None
    steps: Scores | None = None
    census: Levels | None = None


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: its directory.
        results: its table.
        epochs: its journal, in order.
        environment: versions, processor and the data's fingerprint, as text by name.
        recipe: the text of recipe.toml.
    """

    path: Path
    results: Results
    epochs: tuple[Epoch, ...]
    environment: dict[str, str]
    recipe: str

    @property
    def name(self) -> str:
        """Name of the directory."""
        return self.path.resolve().name

    @property
    def compiled_file(self) -> Path | None:
        """The compiled network, where there is one."""
        path = self.path / COMPILED_FILE
        return path if path.is_file() else None

    def row(self, *names: str) -> Row | None:
        """The row of the first of these names that there is."""
        found = {row.name: row for row in self.results.rows}
        return next((found[name] for name in names if name in found), None)

    @property
    def agreement(self) -> str:
        """How the compiled network agrees with the one it was made of, in a sentence; "" of runs older than that."""
        found = self.results.compiled
        if found:
            differ, of = f"{found.predictions_differ:,}", f"{found.pictures:,}"
            return f"Predictions that differ between torch (float64) and compiled: {differ} of {of}."
        if "compiled" not in self.results.model_fields_set:
            return ""
        return f"Not compiled: {(self.results.not_compiled or REAL_VALUED).rstrip('.')}."


def read_run(path: Path) -> Run:
    """Read a finished run.

    Raises:
        UsageError: it is no run directory, or not finished.
        ModelFileError: a file in it is missing or damaged.
    """
    if not (path / "recipe.toml").is_file():
        raise UsageError(f"{path} is not a run directory.", "Give runs/NAME, made by: firebit train DATA.")
    results = path / "results.json"
    if not results.is_file():
        raise UsageError(f"The run {path} is not finished: there is no results.json in it.", "Finish it with --resume.")
    return Run(
        path,
        checked(Results, read_json(results), results),
        _journal(path / "metrics.jsonl"),
        _environment(path / "environment.json"),
        _text(path / "recipe.toml"),
    )


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ModelFileError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is not JSON.", "Remove it, or make it again.") from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ModelFileError(f"{path} is larger than {_MOST_BYTES >> 20} MiB.", "Remove it, or make it again.")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ModelFileError(f"Cannot read {path}: {reason}.", "Remove it, or make it again.") from error


def checked(model: type[Model], values: Any, path: Path, line: int | None = None) -> Model:
    """What `values` of a file say, as a model.

    Raises:
        ModelFileError: they are not as the model describes them.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        at = f"{path}, line {line}" if line else str(path)
        raise ModelFileError(f"{at}: {place}: {first['msg']}.", "Remove the file, or make it again.") from error


def _journal(path: Path) -> tuple[Epoch, ...]:
    """All whole lines; the last may have been cut off."""
    if not path.is_file():
        return ()
    lines = _text(path).splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            raise ModelFileError(f"{path}, line {number} is not JSON.", "Remove that line.") from error
        found.append(checked(Epoch, values, path, number))
    return tuple(found)


def _environment(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found = read_json(path)
    if not isinstance(found, dict):
        raise ModelFileError(f"{path} is not an object.", "Remove it, or make it again.")
    return {str(key): str(value) for key, value in found.items() if isinstance(value, str | int | float)}
