"""What a stage leaves behind: its network, saved and measured, with steps put in where they belong."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.census import device_of
from firebit.nn.harden import harden
from firebit.nn.snap import snap
from firebit.titles import REAL_VALUED
from firebit.train.compile import compiled, compiled_row, is_binary
from firebit.train.distributed import ALONE, Ranks
from firebit.train.evaluate import evaluate
from firebit.train.pictures import Pictures
from firebit.train.recipe import Recipe
from firebit.train.results import result_row
from firebit.train.run import RunFolder, load_model_file, save_model
from firebit.train.sample import sample
from firebit.train.stage import Stage, example_of
from firebit.train.weights import decided

_RECALIBRATION = 10_000

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Compiled:
    """What became of the compiled network: its row of the table, and how it agrees; or why there is none."""

    rows: Rows = field(default_factory=list)
    agreement: dict[str, Any] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Outcome:
    """Saves and measures what the stages of a run have trained.

    Attributes:
        recipe: the run's recipe.
        folder: the run directory.
        pictures: what the run trains on and what it is measured on.
        ranks: the processes that measure; the first of them writes.
    """

    recipe: Recipe
    folder: RunFolder
    pictures: Pictures
    ranks: Ranks = ALONE

    def example(self, model: nn.Module) -> Tensor:
        """A blank batch of one picture, on the model's device."""
        return example_of(self.pictures.train).to(device_of(model))

    def harden(self, model: nn.Module, *, recalibrate: bool = False) -> nn.Module:
        """The network with steps in the layers that the recipe makes binary, and ±s in place of bounded weights."""
        loader = sample(self.pictures.train, self.recipe, _RECALIBRATION) if recalibrate else None
        return harden(decided(model), self.example(model), layers=self.recipe.layers, recalibrate=loader)

    def end(self, stage: Stage, model: nn.Module) -> Rows:
        """Write what a stage has trained, and return its rows of the table."""
        if stage.name == "classifier":
            return self._classifier(model)
        model = decided(model)
        rows = [self._row(stage.name, model)] if stage.name == "relu" or self.recipe.net.is_soft else []
        if stage.name == "phase1":
            rows.append(self._row("phase1 steps", self.harden(model)))
        self._save({"phase2": "model"}.get(stage.name, stage.name), model, stage.network)
        return rows + self._harden_for_good(stage, model) if stage.name in ("phase2", "weights") else rows

    def _classifier(self, model: nn.Module) -> Rows:
        if is_binary(model):
            model = snap(model, self.example(model))
        self._save("hardened", model, "hardened")
        return [self._row("steps, classifier tuned", model)]

    def _harden_for_good(self, stage: Stage, model: nn.Module) -> Rows:
        hardened = self.harden(model)
        if is_binary(hardened):
            # On 16-bit grids from here on, so that compiling loses nothing.
            model = snap(model, self.example(model))
            hardened = self.harden(model)
        rows = [self._row(f"{stage.name} steps", hardened)]
        if self.recipe.recalibrate and self.recipe.net.batch_norm:
            hardened = self.harden(model, recalibrate=True)
            name = "steps, recalibrated" if stage.name == "phase2" else f"{stage.name} steps, recalibrated"
            rows.append(self._row(name, hardened))
        self._save("hardened", hardened, "hardened")
        return rows

    def compile(self) -> Compiled:
        """Write the compiled network and see how it agrees with the hardened one."""
        if not self.recipe.has_phases:
            return Compiled(reason="It is a ReLU network: the recipe has no phases.")
        loaded = load_model_file(self.folder.model_file("hardened"))
        if not is_binary(loaded.model):
            return Compiled(reason=REAL_VALUED)
        try:
            plan, _ = compiled(loaded)
        except UsageError as error:
            # Hours of training are not lost because their network fits no plan.
            return Compiled(reason=error.problem)
        plan.save(self.folder.compiled_file)
        row, agreement = compiled_row(loaded, plan, self.pictures.held_out)
        return Compiled([row], agreement.to_dict())

    def _row(self, name: str, model: nn.Module) -> dict[str, Any]:
        metrics, census = evaluate(model, self.pictures.held_out, self.ranks)
        return result_row(name, model, self.example(model), metrics, census)

    def _save(self, name: str, model: nn.Module, kind: str) -> None:
        train = self.pictures.train
        if self.ranks.first:
            save_model(self.folder.model_file(name), model, self.recipe, train.images.shape[1:], train.classes, kind)
