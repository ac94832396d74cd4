"""What a training will take, before it starts: parameters, memory, and time from a few measured steps."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from firebit.data import ImageSet
from firebit.train.assemble import Assembly
from firebit.train.distributed import ALONE, Ranks
from firebit.train.evaluate import evaluate
from firebit.train.feed import batches_per_epoch
from firebit.train.fit import prepared
from firebit.train.interrupt import threads
from firebit.train.loop import Loop
from firebit.train.recipe import Recipe
from firebit.train.run import RunFolder
from firebit.train.stage import Stage, stages

_PICTURES = 64


@dataclass(frozen=True)
class Layer:
    """A layer with parameters: its name, its kind, and how many numbers it learns or keeps."""

    name: str
    kind: str
    parameters: int


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds on one device.

    Attributes:
        weights: parameters and buffers, of an average and a teacher too.
        gradients: of everything that trains.
        optimizer: what the optimizer keeps per parameter.
        activations: what autograd keeps for the backward pass of one micro-batch.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


@dataclass(frozen=True)
class StageTime:
    """How long a stage takes.

    Attributes:
        name: the stage.
        epochs: passes over the training set.
        steps: optimizer steps per epoch.
        step_seconds: mean of a step, over all epochs; in each the median of the measured steps.
        measuring_seconds: what measuring the held-out pictures takes.
        measurements: how often that is done, in all.
    """

    name: str
    epochs: int
    steps: int
    step_seconds: float
    measuring_seconds: float
    measurements: int

    @property
    def epoch_seconds(self) -> float:
        """Seconds of one epoch that is measured."""
        return self.steps * self.step_seconds + self.measuring_seconds

    @property
    def seconds(self) -> float:
        """Seconds of the whole stage."""
        return self.epochs * self.steps * self.step_seconds + self.measurements * self.measuring_seconds


@dataclass(frozen=True)
class Estimate:
    """What a training will take.

    Attributes:
        layers: of the network that is trained in the end.
        memory: of the stage that holds most.
        stages: time by stage.
        pictures: of the training set.
        ranks: processes that share every batch.
        micro_batch: pictures that one process computes at once.
        precision: "float32" or "bfloat16".
    """

    layers: tuple[Layer, ...]
    memory: Memory
    stages: tuple[StageTime, ...]
    pictures: int
    ranks: int
    micro_batch: int
    precision: str

    @property
    def parameters(self) -> int:
        """Parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def seconds(self) -> float:
        """Seconds of the whole training; hardening and compiling, minutes at the end, are not in it."""
        return sum(stage.seconds for stage in self.stages)

    def cost(self, price_per_hour: float) -> float:
        """What that costs where an hour of all machines together costs so much."""
        return self.seconds / 3600 * price_per_hour

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values, with the totals."""
        found = asdict(self) | {"parameters": self.parameters, "seconds": self.seconds}
        found["memory"]["total"] = self.memory.total
        return found


class _EnoughError(Exception):
    """As many steps as were to be measured are done."""


def estimate(recipe: Recipe, folder: RunFolder, *, steps: int = 3, ranks: Ranks = ALONE) -> Estimate:
    """Measure a few steps of every stage on this machine, with the recipe's own pictures and shapes. Writes nothing.

    Args:
        recipe: the training.
        folder: where it would be; need not exist.
        steps: steps to measure per stage, behind one that warms up, ≥ 1.
        ranks: the processes that share batches; all call this.

    Raises:
        UsageError, DataError, ModelFileError: whatever would keep the training from starting.
    """
    with threads(recipe.threads), torch.random.fork_rng(devices=[]):
        pictures, precision = ranks.together(lambda: prepared(recipe, folder, ranks))
        assembly = Assembly(recipe, folder, pictures, precision, ranks)
        times: list[StageTime] = []
        memories: list[Memory] = []
        model: nn.Module | None = None
        for stage in (stage for stage in stages(recipe) if stage.epochs):
            loop = assembly.untrained(stage)
            memories.append(_memory(loop))
            times.append(_stage_time(recipe, stage, loop, pictures.held_out, steps))
            model = loop.model if stage.network == "rectifier" or model is None else model
    return Estimate(
        layers=() if model is None else _layers(model),
        memory=max(memories, key=lambda memory: memory.total, default=Memory(0, 0, 0, 0)),
        stages=tuple(times),
        pictures=len(pictures.train),
        ranks=ranks.size,
        micro_batch=recipe.batch // ranks.size // recipe.accumulate,
        precision=precision.name,
    )


def _stage_time(recipe: Recipe, stage: Stage, loop: Loop, held_out: ImageSet, steps: int) -> StageTime:
    few = held_out.subset(np.arange(min(_PICTURES, len(held_out))))
    began = time.perf_counter()
    evaluate(loop.model, few)
    per_picture = (time.perf_counter() - began) / len(few) / loop.ranks.size
    passes = 2 if stage.network == "rectifier" else 1  # with steps put in, too
    return StageTime(
        stage.name,
        stage.epochs,
        batches_per_epoch(recipe, loop.data),
        _mean_step(loop, steps),
        passes * per_picture * len(held_out),
        -(-stage.epochs // recipe.measure_every),
    )


def _mean_step(loop: Loop, steps: int) -> float:
    """Seconds of a step, over all epochs; of epochs that begin with the same layers settled, the first is measured.

    Layers that settle stay so: the loop is of no other use then.
    """
    starts = range(0, loop.steps, loop.batches)
    settled = [sum(start >= arrival for arrival in loop.arrivals.values()) for start in starts]
    seconds: dict[int, float] = {}
    for epoch, count in enumerate(settled):
        if count not in seconds:
            loop.progress.epoch, loop.progress.batch = epoch, 0
            seconds[count] = float(np.median(_step_seconds(loop, steps)))
    return fmean(seconds[count] for count in settled)


def _step_seconds(loop: Loop, steps: int) -> Sequence[float]:
    """Seconds of each of so many steps, the first left out if there are more."""
    moments = [time.perf_counter()]

    def after(_loss: float) -> None:
        moments.append(time.perf_counter())
        if len(moments) > steps + 1:
            raise _EnoughError

    with suppress(_EnoughError):
        loop.run_epoch(after)
    seconds = np.diff(moments)
    found: list[float] = (seconds[1:] if len(seconds) > 1 else seconds).tolist()
    return found


def _layers(model: nn.Module) -> tuple[Layer, ...]:
    counted = ((name, module, sum(p.numel() for p in module.parameters(recurse=False))) for name, module in _own(model))
    return tuple(Layer(name, type(module).__name__, count) for name, module, count in counted if count)


def _own(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, module) for name, module in model.named_modules() if name]


def _memory(loop: Loop) -> Memory:
    weights = _bytes([*loop.model.parameters(), *loop.model.buffers()])
    held = weights * (2 if loop.average else 1)
    held += _bytes(loop.teacher.state_dict().values()) if loop.teacher else 0
    trained = _bytes([p for group in loop.optimizer.param_groups for p in group["params"] if p.requires_grad])
    kept = _kept_per_weight(loop)
    return Memory(held, trained, int(kept * trained), kept_bytes(loop))


def kept_bytes(loop: Loop) -> int:
    """Bytes of the distinct tensors that autograd keeps for a backward pass, without parameters and buffers."""
    own = {values.untyped_storage().data_ptr() for values in [*loop.model.parameters(), *loop.model.buffers()]}
    # Kept alive, so that no address is used again.
    seen: dict[int, Tensor] = {}

    def pack(values: Tensor) -> Tensor:
        address = values.untyped_storage().data_ptr()
        if address not in own:
            seen.setdefault(address, values)
        return values

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda values: values):
        loss = loop.forward_loss()
    found = sum(values.untyped_storage().nbytes() for values in seen.values())
    del loss
    return found


def _kept_per_weight(loop: Loop) -> float:
    """How many numbers the optimizer keeps for each that it trains: AdamW two, SGD one for its momentum."""
    options = loop.optimizer.param_groups[0]
    return 2 if isinstance(loop.optimizer, torch.optim.AdamW) else float(bool(options.get("momentum")))


def _bytes(tensors: Any) -> int:
    return sum(values.numel() * values.element_size() for values in tensors if isinstance(values, Tensor))
