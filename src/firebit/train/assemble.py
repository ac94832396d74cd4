"""The loop of a stage, put together: its network, optimizer and growth, as they begin or as a checkpoint has them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from firebit.errors import ModelFileError
from firebit.nn.harden import select
from firebit.train.average import Average
from firebit.train.checkpoint import Checkpoint, Progress
from firebit.train.distributed import ALONE, Ranks
from firebit.train.feed import batches_per_epoch
from firebit.train.hold import Hold
from firebit.train.loop import Loop
from firebit.train.pictures import Pictures
from firebit.train.precision import Precision
from firebit.train.random_state import put_random_state
from firebit.train.recipe import Recipe
from firebit.train.run import RunFolder, load_model_file
from firebit.train.stage import (
    Stage,
    build_network,
    example_of,
    harden_outline,
    make_growth,
    make_optimizer,
    options_of,
    stages,
)
from firebit.train.teach import ask, load_teacher
from firebit.train.weights import make_weight_growth, with_weights

# A number of its own for the random states of the ranks behind the first.
_STREAM = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Assembly:
    """Puts the loops of a run together.

    Attributes:
        recipe: the run's recipe.
        folder: the run directory, where the networks of earlier stages are.
        pictures: what the run trains on.
        precision: the device, and what it computes in.
        ranks: the processes that train.
    """

    recipe: Recipe
    folder: RunFolder
    pictures: Pictures
    precision: Precision
    ranks: Ranks = ALONE

    def loop(self, progress: Progress, checkpoint: Checkpoint | None = None) -> Loop:
        """The loop of the stage that `progress` is in, where it begins or where the checkpoint was made.

        Raises:
            ModelFileError: checkpoint or network of an earlier stage are of another architecture.
        """
        stage = stages(self.recipe)[progress.stage]
        try:
            teacher = None if stage.network == "relu" else load_teacher(self.recipe, self.folder)
            loop = self._loop(stage, self._network(stage, checkpoint), progress, teacher)
            if checkpoint:
                self._restore(loop, checkpoint)
            if loop.teacher is not None and _remembers(loop):
                loop.answers = ask(loop.teacher, self.pictures.train, self.precision)
        except (RuntimeError, ValueError, LookupError, TypeError) as error:
            if checkpoint is None:
                raise
            raise foreign_checkpoint(self.folder, progress, " ".join(str(error).split())[:300]) from error
        return loop

    def untrained(self, stage: Stage) -> Loop:
        """The loop of a stage with weights as they are drawn, its own and its teacher's, to measure its steps."""
        taught = self.recipe.loss.distillation and stage.network != "relu"
        teacher = build_network(self.recipe, self.pictures.train, "relu").eval() if taught else None
        model = self._outline(stage)
        if stage.name == "weights":
            model = with_weights(model, example_of(self.pictures.train), self.recipe.weights)
        loop = self._loop(stage, model, Progress(), teacher)
        if teacher is not None and _remembers(loop):
            loop.answers = torch.zeros(len(loop.data), len(loop.data.classes), device=self.precision.device)
        return loop

    def _loop(self, stage: Stage, model: nn.Module, progress: Progress, teacher: nn.Module | None) -> Loop:
        recipe, train = self.recipe, self.pictures.train
        steps = stage.epochs * batches_per_epoch(recipe, train)
        names = [] if stage.network != "rectifier" else select(model, example_of(train), recipe.layers)
        arrivals = stage.arrivals(names, steps)
        model = model.to(self.precision.device)
        if self.ranks.rank:
            # Noise and dropout of their own for the pictures of this rank; the first draws what it would draw alone.
            torch.manual_seed((recipe.seed + _STREAM * (self.ranks.rank + self.ranks.size * progress.stage)) % 2**63)
        return Loop(
            recipe,
            stage,
            train,
            model,
            make_optimizer(stage, model, options_of(recipe, stage), arrivals),
            make_growth(stage, model, names, steps),
            progress,
            teacher=None if teacher is None else teacher.to(self.precision.device),
            average=Average(model, recipe.average.decay) if recipe.average.decay else None,
            hold=Hold(stage.hold) if stage.hold else None,
            weight_growth=make_weight_growth(stage, model, recipe.weights, steps),
            arrivals=arrivals,
            precision=self.precision,
            ranks=self.ranks,
        )

    def _outline(self, stage: Stage) -> nn.Module:
        """The stage's network before any weights are loaded."""
        if stage.network == "hardened":
            return harden_outline(self.recipe, self.pictures.train)
        return build_network(self.recipe, self.pictures.train, stage.network)

    def _network(self, stage: Stage, checkpoint: Checkpoint | None) -> nn.Module:
        model = self._outline(stage)
        earlier = self._earlier_state(stage, model)
        if stage.name == "weights":
            # What is bounded and how follows from the network that phase 2 has left.
            model.load_state_dict(earlier or {})
            model, earlier = with_weights(model, example_of(self.pictures.train), self.recipe.weights), None
        state = checkpoint.model if checkpoint else earlier
        if state is not None:
            model.load_state_dict(state)
        return model

    def _earlier_state(self, stage: Stage, model: nn.Module) -> dict[str, Tensor] | None:
        source = {"phase2": "phase1", "classifier": "hardened", "weights": "model"}.get(stage.name)
        if source is None:
            return None
        path = self.folder.model_file(source)
        state: dict[str, Tensor] = load_model_file(path).model.state_dict()
        if _shapes(state) != _shapes(model.state_dict()):
            raise ModelFileError(
                f"{path} is of another architecture than this run's {self.recipe.net.name}.",
                "Bring back this run's own file, or start a new run; nothing was overwritten.",
            )
        return state

    def _restore(self, loop: Loop, checkpoint: Checkpoint) -> None:
        """Put everything but the model, which is loaded, where it was."""
        if _options(checkpoint.optimizer) != _options(loop.optimizer.state_dict()):
            raise ValueError("its optimizer is another one")
        loop.optimizer.load_state_dict(checkpoint.optimizer)
        if loop.growth and checkpoint.growth:
            loop.growth.load_state_dict(checkpoint.growth)
        if loop.average:
            loop.average.load_state_dict(checkpoint.average)
        if loop.hold and checkpoint.hold:
            loop.hold.load_state_dict(checkpoint.hold)
        if loop.weight_growth and checkpoint.weight_growth:
            loop.weight_growth.load_state_dict(checkpoint.weight_growth)
        states = checkpoint.random_state
        states = states[None] if states.dim() == 1 else states
        if self.ranks.rank < len(states):
            put_random_state(states[self.ranks.rank], self.precision.device)


def _remembers(loop: Loop) -> bool:
    """Whether the teacher is asked once, of pictures that every epoch shows as they are, and its answers take no more
    room than the pictures do."""
    # Streamed pictures, which are never still, would be decoded to be asked their size.
    return loop.feed.still and torch.float32.itemsize * len(loop.data.classes) <= loop.data.images[:1].nbytes


def foreign_checkpoint(folder: RunFolder, progress: Progress, reason: str) -> ModelFileError:
    """The error for a checkpoint that another recipe or version has written."""
    return ModelFileError(
        f"The checkpoint of step {progress.steps} in {folder.checkpoints} does not fit this run's network: {reason}",
        "Bring back this run's own checkpoints, or start a new run; nothing was overwritten.",
    )


def _options(state: dict[str, Any]) -> list[set[str]]:
    """Names of the options of every group of an optimizer's state, by which optimizers differ."""
    return [set(group) for group in state["param_groups"]]


def _shapes(state: dict[str, Any]) -> dict[str, torch.Size]:
    return {name: values.shape for name, values in state.items()}
