"""Checkpoints: everything a run needs to continue with the very same numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firebit.errors import ModelFileError
from firebit.files import load_tensors, save_tensors

FORMAT = 1
_KEPT = 2


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        stage: index of the present stage.
        epoch: epochs finished in this stage.
        batch: batches finished in this epoch.
        steps: optimizer steps of the whole run.
        loss_sum: sum of the training loss over the finished batches of this epoch.
        journal: records written so far.
        results: rows of the final table so far.
    """

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    steps: int = 0
    loss_sum: float = 0.0
    journal: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: progress, the random state, and the state dicts of whatever changes in training.

    `growth`, `hold` and `weight_growth` are None and `average` is empty where the stage has none. `model` is empty
    where a stage is still to begin. `random_state` is uint8 (bytes,), or of several ranks (ranks, bytes).
    """

    progress: Progress
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    growth: dict[str, Any] | None
    random_state: Tensor
    average: dict[str, Tensor] = field(default_factory=dict)
    hold: dict[str, Any] | None = None
    weight_growth: dict[str, Any] | None = None


def flatten_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimizer's state dict into tensors and JSON-able values."""
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        values[str(index)] = {}
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value
            else:
                values[str(index)][name] = value
    return tensors, {"state": values, "param_groups": state["param_groups"]}


def unflatten_optimizer(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> dict[str, Any]:
    """Put together what :func:`flatten_optimizer` took apart."""
    state: dict[int, dict[str, Any]] = {int(index): dict(entries) for index, entries in values["state"].items()}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state[int(index)][key] = tensor
    return {"state": state, "param_groups": values["param_groups"]}


def save_checkpoint(
    folder: Path,
    progress: Progress,
    model: Mapping[str, Tensor],
    optimizer: Mapping[str, Any],
    growth: Mapping[str, Any] | None,
    average: Mapping[str, Tensor] | None = None,
    hold: Mapping[str, Any] | None = None,
    weight_growth: Mapping[str, Any] | None = None,
    random_state: Tensor | None = None,
) -> Path:
    """Write a checkpoint named by the run's step count, atomically; keep it and the one before it.

    The random state is that of torch here and now, or what is given: (bytes,), or (ranks, bytes).

    A checkpoint of a later step is removed too: the run was resumed before it, because it is damaged.

    Raises:
        FirebitError: the disk is full; the checkpoints of before are whole.
    """
    state, values = flatten_optimizer(optimizer)
    tensors = {f"model/{name}": to_array(value) for name, value in model.items()}
    tensors |= {f"average/{name}": to_array(value) for name, value in (average or {}).items()}
    tensors |= {f"optimizer/{name}": to_array(value) for name, value in state.items()}
    tensors["random_state"] = to_array(torch.get_rng_state() if random_state is None else random_state)
    record = {
        "kind": "checkpoint",
        "format": FORMAT,
        "progress": asdict(progress),
        "optimizer": values,
        "growth": growth,
        "hold": hold,
        "weight_growth": weight_growth,
    }
    path = folder / f"{progress.steps:09d}.safetensors"
    save_tensors(path, tensors, record)
    found = _newest_first(folder)
    kept = [old for old in found if old.name <= path.name][:_KEPT]
    for old in set(found) - set(kept):
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises:
        ModelFileError: the file is damaged, not a checkpoint, or of a newer format.
    """
    tensors, record = load_tensors(path)
    if record.get("kind") != "checkpoint" or record.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} is not a checkpoint of format {FORMAT}.",
            "Resume with the version of Firebit that wrote it.",
        )
    try:
        return Checkpoint(
            progress=Progress(**record["progress"]),
            model=_part(tensors, "model/"),
            optimizer=unflatten_optimizer(_part(tensors, "optimizer/"), record["optimizer"]),
            growth=record["growth"],
            random_state=torch.from_numpy(tensors["random_state"].copy()),
            average=_part(tensors, "average/"),
            # Checkpoints that were written before there were these have none.
            hold=record.get("hold"),
            weight_growth=record.get("weight_growth"),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{path} is no whole checkpoint: {type(error).__name__}: {error}.",
            "Remove it, and resume from the one before.",
        ) from error


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None where there is none."""
    for path in _newest_first(folder):
        try:
            return load_checkpoint(path)
        except ModelFileError:
            continue
    return None


def to_array(tensor: Tensor) -> NDArray[Any]:
    """A tensor's values as a NumPy array on the CPU."""
    array: NDArray[Any] = np.asarray(tensor.detach().cpu().contiguous().numpy())
    return array


def to_tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Arrays as tensors of their own memory."""
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _part(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, Tensor]:
    return to_tensors({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.safetensors"), reverse=True)
