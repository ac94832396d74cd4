"""The run directory: recipe, environment, journal, checkpoints, models and the results of one training run."""

import json
import os
import platform
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from firebit import __version__, zoo
from firebit.errors import ModelFileError, UsageError
from firebit.files import cannot_write, load_tensors, save_tensors, write_text
from firebit.machine import processor
from firebit.nn.harden import harden
from firebit.train.checkpoint import to_array, to_tensors
from firebit.train.journal import Journal
from firebit.train.recipe import Recipe, load_recipe, make_recipe

MODEL_FORMAT = 1
MODELS = ("model", "hardened", "relu", "phase1", "weights")
COMPILED_FILE = "model.firebit"
_NETWORKS = ("relu", "rectifier", "hardened")


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
    def unreadable_file(self) -> Path:
        return self.path / "unreadable.txt"

    @property
    def compiled_file(self) -> Path:
        return self.path / COMPILED_FILE

    @property
    def journal(self) -> Journal:
        return Journal(self.path / "metrics.jsonl")

    def model_file(self, name: str) -> Path:
        """ "model" (soft, after phase 2), "hardened", "relu", "phase1" or "weights" (soft, with weights of ±1).

        Raises:
            UsageError: another name.
        """
        if name not in MODELS:
            raise UsageError(f"A run has no network {name!r}.", f"Choose one of: {', '.join(MODELS)}.")
        return self.path / f"{name}.safetensors"

    def create(self, recipe: Recipe, data_fingerprint: str, precision: str = "float32") -> None:
        """Make the directory with its recipe and environment, and the precision it trains in.

        Raises:
            UsageError: it exists already, or cannot be made.
        """
        if self.path.exists():
            raise UsageError(
                f"The run directory {self.path} exists.",
                "Continue it with --resume, or choose another --name.",
            )
        started = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            found = {**environment(data_fingerprint), "precision": precision}
            write_text(started / "environment.json", json.dumps(found, indent=2) + "\n")
            write_text(started / self.recipe_file.name, recipe.to_toml())
            started.rename(self.path)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        finally:
            shutil.rmtree(started, ignore_errors=True)

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
        return str(self._environment("data", str))

    def threads(self) -> int:
        """Threads of the computation at the start, ≥ 1."""
        return max(1, int(self._environment("threads", int)))

    def environment(self) -> dict[str, Any]:
        """Versions, processor, threads and the data's fingerprint at the start.

        Raises:
            ModelFileError: they are missing or damaged.
        """
        path = self.path / "environment.json"
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict):
            raise _no_environment(path)
        return found

    def _environment(self, key: str, kind: type) -> Any:
        found = self.environment()
        if not isinstance(found.get(key), kind):
            raise _no_environment(self.path / "environment.json")
        return found[key]

    def results(self) -> dict[str, Any] | None:
        """The results of a finished run, None before it is finished."""
        if not self.results_file.is_file():
            return None
        try:
            found = json.loads(self.results_file.read_text("utf-8"))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ModelFileError(f"{self.results_file} is not JSON.", "Remove it and resume the run to make it again.")
        return found


def _no_environment(path: Path) -> ModelFileError:
    return ModelFileError(f"{path} is missing or damaged.", "Start the run again under another --name.")


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


def new_folder(root: Path, data: str) -> RunFolder:
    """A folder that does not exist yet: ROOT/DATA, ROOT/DATA-2, …"""
    stem, number = _stem(data), 1
    while (root / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return RunFolder(root / (stem if number == 1 else f"{stem}-{number}"))


def _stem(data: str) -> str:
    """The name of a data set or folder, also where a path ends in dots; of a pattern what is before braces."""
    name = Path(data.removeprefix("hf:")).name
    name = Path(data).resolve().name if name in ("", "..") else name
    return re.sub(r"[-_.]*\{.*|\.tar$", "", name) or "run"


def _touched(run: Path) -> float:
    """When a run was last written to: folders change with every file that is renamed into them."""
    return max(path.stat().st_mtime for path in (run, *run.iterdir()))


def runs_of(root: Path, data: str) -> list[Path]:
    """The run directories whose names were made from that data set's."""
    name = re.compile(rf"{re.escape(_stem(data))}(-\d+)?")
    return [path.parent for path in root.glob("*/recipe.toml") if name.fullmatch(path.parent.name)]


def latest_folder(root: Path, data: str) -> RunFolder:
    """The run of that data set that was touched last.

    Raises:
        UsageError: there is none.
    """
    runs = runs_of(root, data)
    if not runs:
        raise UsageError(f"There is no run of {data!r} under {root} to resume.", "Leave --resume out, or give --name.")
    return RunFolder(max(runs, key=_touched))


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
        kind: "relu", "rectifier" (the recipe's own activations, while they are trained) or "hardened".
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
        network, shape, classes = record["network"], tuple(record["shape"]), tuple(record["classes"])
        model = _outline(record, {name: array.shape for name, array in tensors.items()})
        model.load_state_dict(to_tensors(tensors))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelFileError(
            f"{path} does not describe a network of this version: {reason}",
            "Load it with the version of Firebit that wrote it.",
        ) from error
    return LoadedModel(model.eval(), torch.zeros(1, *shape), classes, network)


def _outline(record: dict[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """The network that a record describes, its weights yet to be loaded; ValueError where they would not fit."""
    recipe, shape, classes = make_recipe(tomllib.loads(record["recipe"])), record["shape"], record["classes"]
    if record["network"] not in _NETWORKS:
        raise ValueError(f"{record['network']!r} is none of {', '.join(_NETWORKS)}")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("the classes are not a list of names")
    if shape not in ([channels, *zoo.example(recipe.net.name).shape[2:]] for channels in (1, 3)):
        raise ValueError(f"{recipe.net.name} takes no pictures of shape {shape}")
    options = {"classes": len(classes), "channels": shape[0], **recipe.options(record["network"])}
    _check_shapes(recipe.net.name, options, shapes)
    net = zoo.build(recipe.net.name, **options)
    return harden(net, torch.zeros(1, *shape), layers=recipe.layers) if record["network"] == "hardened" else net


def _check_shapes(name: str, options: dict[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare the weights that the options ask for with those of the file, before any memory is taken for them."""
    with torch.device("meta"):
        outline = zoo.build(name, **{**options, "activation": "relu"})
    for key, weight in outline.state_dict().items():
        if weight.dim() > 1 and shapes.get(key) != tuple(weight.shape):
            raise ValueError(f"{key} has shape {shapes.get(key)}, not {tuple(weight.shape)}")


def load_model(run: str | Path, name: str = "model") -> nn.Module:
    """A network of a finished run, in eval mode.

    Args:
        run: the run directory.
        name: "model" (soft, after phase 2), "hardened", "relu", "phase1" or "weights" (soft, with weights of ±1).

    Raises:
        ModelFileError: the file is missing or damaged.
    """
    return load_model_file(RunFolder(Path(run)).model_file(name)).model
