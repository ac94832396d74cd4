"""The run directory: recipe, environment, journal, checkpoints, models and the results of one training run."""

import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from firebit import __version__, zoo
from firebit.errors import ModelFileError, UsageError
from firebit.files import load_tensors, save_tensors, write_text
from firebit.nn.harden import harden
from firebit.train.checkpoint import to_array, to_tensors
from firebit.train.journal import Journal
from firebit.train.recipe import Recipe, load_recipe

MODEL_FORMAT = 1


@dataclass(frozen=True)
class RunFolder:
    """Paths inside a run directory."""

    path: Path

    @property
    def recipe_file(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def results_file(self) -> Path:
        return self.path / "results.json"

    @property
    def journal(self) -> Journal:
        return Journal(self.path / "metrics.jsonl")

    def model_file(self, name: str) -> Path:
        """ "model" (soft, after phase 2), "hardened", "relu" or "phase1"."""
        return self.path / f"{name}.safetensors"

    def create(self, recipe: Recipe, data_fingerprint: str) -> None:
        """Make the directory with its recipe and environment.

        Raises:
            UsageError: it exists already, or cannot be made.
        """
        if self.path.exists():
            raise UsageError(
                f"The run directory {self.path} exists.",
                "Continue it with --resume, or choose another --name.",
            )
        write_text(self.path / "environment.json", json.dumps(environment(data_fingerprint), indent=2) + "\n")
        write_text(self.recipe_file, recipe.to_toml())

    def recipe(self) -> Recipe:
        """The recipe the run was started with.

        Raises:
            UsageError: there is no such run.
        """
        if not self.recipe_file.is_file():
            raise UsageError(f"{self.path} is not a run directory.", "Start one with: firebit train DATA --name NAME.")
        return load_recipe(self.recipe_file)

    def data_fingerprint(self) -> str:
        """Fingerprint of the training pictures at the start."""
        try:
            found: str = json.loads((self.path / "environment.json").read_text("utf-8"))["data"]
        except (OSError, ValueError, KeyError) as error:
            raise ModelFileError(
                f"{self.path / 'environment.json'} is missing or damaged.",
                "Start the run again under another --name.",
            ) from error
        return found

    def results(self) -> dict[str, Any] | None:
        """The results of a finished run, None before it is finished."""
        if not self.results_file.is_file():
            return None
        try:
            found: dict[str, Any] = json.loads(self.results_file.read_text("utf-8"))
        except ValueError as error:
            raise ModelFileError(f"{self.results_file} is not JSON.", "Resume the run to make it again.") from error
        return found


def environment(data_fingerprint: str) -> dict[str, Any]:
    """What a reader needs to judge the figures: versions, processor, threads, the data's fingerprint."""
    return {
        "firebit": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "data": data_fingerprint,
    }


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or platform.machine()


def new_folder(root: Path, data: str) -> RunFolder:
    """A folder that does not exist yet: ROOT/DATA, ROOT/DATA-2, …"""
    stem = Path(data).name or "run"
    number = 1
    while (root / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return RunFolder(root / (stem if number == 1 else f"{stem}-{number}"))


def latest_folder(root: Path, data: str) -> RunFolder:
    """The run of that data set that was touched last.

    Raises:
        UsageError: there is none.
    """
    stem = Path(data).name
    runs = [
        path.parent
        for path in root.glob("*/recipe.toml")
        if re.fullmatch(rf"{re.escape(stem)}(-\d+)?", path.parent.name)
    ]
    if not runs:
        raise UsageError(f"There is no run of {data!r} under {root} to resume.", "Leave --resume out, or give --name.")
    return RunFolder(max(runs, key=lambda path: path.stat().st_mtime))


def save_model(
    path: Path, model: nn.Module, recipe: Recipe, shape: tuple[int, ...], classes: tuple[str, ...], kind: str
) -> None:
    """Write a network's state with what is needed to build it again.

    Args:
        path: the file.
        model: the network.
        recipe: its recipe.
        shape: (C, H, W) of the pictures.
        classes: names of the classes.
        kind: "relu", "rectifier" or "hardened".
    """
    record = {
        "kind": "model",
        "format": MODEL_FORMAT,
        "network": kind,
        "recipe": recipe.to_toml(),
        "shape": list(shape),
        "classes": list(classes),
    }
    save_tensors(path, {name: to_array(value) for name, value in model.state_dict().items()}, record)


@dataclass(frozen=True)
class LoadedModel:
    """A network read from a run, with what it was trained on.

    Attributes:
        model: the network in eval mode.
        example: a blank batch of one picture.
        classes: names of the classes.
        network: "relu", "rectifier" or "hardened".
    """

    model: nn.Module
    example: Tensor
    classes: tuple[str, ...]
    network: str


def load_model_file(path: Path) -> LoadedModel:
    """Build the network of a model file and load its weights.

    Raises:
        ModelFileError: the file is missing, damaged, or does not describe a network.
    """
    tensors, record = load_tensors(path)
    if record.get("kind") != "model" or record.get("format") != MODEL_FORMAT:
        raise ModelFileError(f"{path} is not a model of format {MODEL_FORMAT}.", "Give a model file of a run.")
    try:
        model, example = _outline(record)
        model.load_state_dict(to_tensors(tensors))
    except (KeyError, TypeError, RuntimeError, UsageError) as error:
        raise ModelFileError(
            f"{path} does not describe a network of this version: {str(error).splitlines()[0]}.",
            "Load it with the version of Firebit that wrote it.",
        ) from error
    return LoadedModel(model.eval(), example, tuple(record["classes"]), record["network"])


def _outline(record: dict[str, Any]) -> tuple[nn.Module, Tensor]:
    import tomllib

    from firebit.train.recipe import make_recipe

    recipe = make_recipe(tomllib.loads(record["recipe"]))
    shape = [int(side) for side in record["shape"]]
    net = zoo.build(
        recipe.net.name,
        classes=len(record["classes"]),
        channels=shape[0],
        activation="relu" if record["network"] == "relu" else "rectifier",
        **recipe.net.model_dump(exclude={"name"}),
    )
    example = torch.zeros(1, *shape)
    return (harden(net, example, layers=recipe.layers) if record["network"] == "hardened" else net), example


def load_model(run: str | Path, name: str = "model") -> nn.Module:
    """A network of a finished run, in eval mode.

    Args:
        run: the run directory.
        name: "model" (soft, after phase 2), "hardened", "relu" or "phase1".

    Raises:
        ModelFileError: the file is missing or damaged.
    """
    return load_model_file(RunFolder(Path(run)).model_file(name)).model
