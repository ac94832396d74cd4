"""A whole training run: baseline, two phases, hardening, fine-tuning, and the table that says what it cost."""

import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from firebit.errors import UsageError
from firebit.files import remove_temporaries, write_text
from firebit.nn.growth import rectifiers
from firebit.nn.harden import select
from firebit.nn.weights import weight_census
from firebit.train.average import Average
from firebit.train.card import model_card
from firebit.train.checkpoint import Checkpoint, Progress, newest_checkpoint, save_checkpoint
from firebit.train.codes import recording
from firebit.train.evaluate import evaluate
from firebit.train.hold import Hold
from firebit.train.interrupt import Interrupted, Stop, signals, threads
from firebit.train.loop import Loop, Reporter, Silent
from firebit.train.outcome import Outcome
from firebit.train.pictures import Pictures, load_pictures
from firebit.train.precision import Precision, fallback, precision_of
from firebit.train.recipe import Recipe
from firebit.train.run import RunFolder, load_model_file
from firebit.train.stage import (
    Stage,
    batches_per_epoch,
    build_network,
    check_layers,
    example_of,
    harden_outline,
    make_growth,
    make_optimizer,
    options_of,
    stages,
)
from firebit.train.teach import check_teacher, keep_teacher, load_teacher
from firebit.train.weights import check_weights, make_weight_growth, with_weights


def fit(recipe: Recipe, folder: RunFolder, *, resume: bool = False, reporter: Reporter | None = None) -> dict[str, Any]:
    """Train as the recipe says and leave everything in the run directory.

    Args:
        recipe: what to do; for a resumed run, the recipe it was started with.
        folder: the run directory; new, or with `resume` one that exists.
        resume: continue from the newest whole checkpoint, with the very same numbers as an uninterrupted run.
        reporter: is told how it goes.

    Returns:
        The content of results.json: a row per stage, with accuracy, level of binarisation and memory.

    Raises:
        UsageError: the directory exists (or, resuming, does not), the data do not fit the network, there is no
            teacher to learn from, or recipe or data are others than those the run was started with.
        DataError: the data set is missing or damaged.
        DivergedError: the loss or a parameter is no longer finite; the last good checkpoint is kept.
        FirebitError: the disk is full; the last checkpoint is whole.
        Interrupted: SIGINT or SIGTERM, after saving.
    """
    if resume:
        if (done := folder.results()) is not None:
            return done
        _check_recipe(folder, recipe)
    # Sums depend on the number of threads in their last bits, so a resumed run keeps its own.
    with threads(recipe.threads or (folder.threads() if resume else None)), torch.random.fork_rng(devices=[]):
        pictures = load_pictures(recipe)
        check_layers(recipe, pictures.train)
        check_weights(recipe, pictures.train)
        check_teacher(recipe, folder, pictures.train)
        checkpoint = _reopen(folder, recipe, pictures) if resume else None
        precision = precision_of(recipe)
        if not resume:
            folder.create(recipe, pictures.train.fingerprint(), precision.name)
        keep_teacher(recipe, folder)
        reporter = reporter or Silent()
        if warning := fallback(recipe, precision):
            reporter.note(warning)
        with signals() as stop:
            return _Run(recipe, folder, pictures, reporter, stop, precision).run(checkpoint)


def _check_recipe(folder: RunFolder, recipe: Recipe) -> None:
    if folder.recipe() != recipe:
        raise UsageError(
            f"The recipe differs from the one {folder.path} was started with.",
            "Resume without --set and --recipe.",
        )


def _reopen(folder: RunFolder, recipe: Recipe, pictures: Pictures) -> Checkpoint | None:
    if folder.data_fingerprint() != pictures.train.fingerprint():
        raise UsageError(
            f"The training pictures of {recipe.data} are not those {folder.path} was started with.",
            "Bring back the same data, or start a new run.",
        )
    for place in (folder.path, folder.checkpoints):
        remove_temporaries(place)
    return newest_checkpoint(folder.checkpoints)


@dataclass
class _Run:
    recipe: Recipe
    folder: RunFolder
    pictures: Pictures
    reporter: Reporter
    stop: Stop
    precision: Precision
    progress: Progress = field(default_factory=Progress)

    def run(self, checkpoint: Checkpoint | None) -> dict[str, Any]:
        began = time.perf_counter()
        plan = stages(self.recipe)
        if checkpoint:
            self.progress = checkpoint.progress
            self.reporter.note(f"resuming in {plan[self.progress.stage].name} at step {self.progress.steps}")
            # Without a network it stands between two stages, and what is saved of the earlier one is all there is.
            checkpoint = checkpoint if checkpoint.model else None
        else:
            torch.manual_seed(self.recipe.seed)
        self.folder.journal.cut_back(self.progress.journal)
        while self.progress.stage < len(plan):
            self._run_stage(plan[self.progress.stage], checkpoint)
            checkpoint = None
        return self._finish(time.perf_counter() - began)

    def _run_stage(self, stage: Stage, checkpoint: Checkpoint | None) -> None:
        loop = self._loop(stage, self._network(stage, checkpoint))
        if checkpoint:
            _restore(loop, checkpoint)
        self.reporter.stage(stage, loop.batches)
        while self.progress.epoch < stage.epochs:
            record = loop.run_epoch(lambda loss: self._after_batch(loop, loss))
            self._journal(loop, record)
            self._save(loop)
        self._end_stage(stage, loop.outcome)

    def _loop(self, stage: Stage, model: nn.Module) -> Loop:
        recipe, train = self.recipe, self.pictures.train
        steps = stage.epochs * batches_per_epoch(recipe, train)
        names = [] if stage.network != "rectifier" else select(model, example_of(train), recipe.layers)
        return Loop(
            recipe,
            stage,
            train,
            model,
            make_optimizer(stage, model, options_of(recipe, stage)),
            make_growth(stage, model, names, steps),
            self.progress,
            teacher=None if stage.network == "relu" else load_teacher(recipe, self.folder),
            average=Average(model, recipe.average.decay) if recipe.average.decay else None,
            hold=Hold(stage.hold) if stage.hold else None,
            weight_growth=make_weight_growth(stage, model, recipe.weights, steps),
        )

    def _network(self, stage: Stage, checkpoint: Checkpoint | None) -> nn.Module:
        if stage.network == "hardened":
            model = harden_outline(self.recipe, self.pictures.train)
        else:
            model = build_network(self.recipe, self.pictures.train, stage.network)
        earlier = self._earlier_state(stage)
        if stage.name == "weights":
            # What is bounded and how follows from the network that phase 2 has left.
            model.load_state_dict(earlier or {})
            model, earlier = with_weights(model, example_of(self.pictures.train), self.recipe.weights), None
        state = checkpoint.model if checkpoint else earlier
        if state is not None:
            model.load_state_dict(state)
        return model

    def _earlier_state(self, stage: Stage) -> dict[str, Any] | None:
        source = {"phase2": "phase1", "classifier": "hardened", "weights": "model"}.get(stage.name)
        if source is None:
            return None
        return load_model_file(self.folder.model_file(source)).model.state_dict()

    @property
    def _outcome(self) -> Outcome:
        return Outcome(self.recipe, self.folder, self.pictures)

    def _after_batch(self, loop: Loop, loss: float) -> None:
        self.reporter.batch(self.progress, loss)
        if self.stop.signal is not None:
            self._save(loop)
            raise Interrupted(f"stopped by signal {self.stop.signal}")
        if self.progress.steps % self.recipe.checkpoint_steps == 0:
            self._save(loop)

    def _save(self, loop: Loop) -> None:
        loop.check_parameters()
        save_checkpoint(
            self.folder.checkpoints,
            self.progress,
            loop.model.state_dict(),
            loop.optimizer.state_dict(),
            loop.growth.state_dict() if loop.growth else None,
            loop.average.state_dict() if loop.average else None,
            loop.hold.state_dict() if loop.hold else None,
            loop.weight_growth.state_dict() if loop.weight_growth else None,
        )

    def _journal(self, loop: Loop, record: dict[str, Any]) -> None:
        stage, model = loop.stage, loop.outcome
        metrics, census = evaluate(model, self.pictures.held_out)
        if not math.isfinite(metrics.loss):
            what = f"The loss on the {self.pictures.held_out_name} set is {metrics.loss}"
            raise loop.diverged(what, f"after epoch {self.progress.epoch}")
        record = {
            "stage": stage.name,
            "epoch": self.progress.epoch,
            "step": self.progress.steps,
            **record,
            "measured_on": self.pictures.held_out_name,
            "soft": metrics.to_dict(),
        }
        if loop.averaged is not None:
            record["averaged"] = True
        if self.recipe.autocast:
            record["precision"] = self.precision.name
        if stage.network == "rectifier":
            record |= self._steps(self._outcome.harden(model))
        if stage.network == "rectifier" and (slopes := _slopes(model)):
            record["slopes"] = slopes
        if stage.name == "weights":
            record["weights"] = weight_census(model)
        if census:
            record["census"] = census.to_dict()
        self.folder.journal.add(record)
        self.progress.journal += 1
        self.reporter.epoch(record)

    def _steps(self, hardened: nn.Module) -> dict[str, Any]:
        """What the journal says of the network with steps put in, and of its codes where it has a layer of them."""
        if not self.recipe.net.code:
            return {"steps": evaluate(hardened, self.pictures.held_out)[0].to_dict()}
        with recording(hardened) as found:
            metrics, _ = evaluate(hardened, self.pictures.held_out)
        return {"steps": metrics.to_dict(), "code": found.balance().to_dict()}

    def _end_stage(self, stage: Stage, model: nn.Module) -> None:
        """Write the stage's model and table rows, then move on; repeated whole if a crash comes in between."""
        self.progress.results += self._outcome.end(stage, model)
        self.progress.stage += 1
        self.progress.epoch = self.progress.batch = 0

    def _finish(self, seconds: float) -> dict[str, Any]:
        made = self._outcome.compile()
        results = {
            "data": self.pictures.train.name,
            "measured_on": self.pictures.held_out_name,
            "seed": self.recipe.seed,
            "net": self.recipe.net.name,
            "layers": self.recipe.layers,
            "seconds": round(seconds, 1),
            "precision": self.precision.name,
            "rows": [*self.progress.results, *made.rows],
            "compiled": made.agreement,
            "not_compiled": made.reason,
        }
        write_text(self.folder.path / "README.md", model_card(self.recipe, results, self.folder))
        text = json.dumps(results, indent=2)
        write_text(self.folder.results_file, text + "\n")
        found: dict[str, Any] = json.loads(text)
        return found


def _restore(loop: Loop, checkpoint: Checkpoint) -> None:
    """Put everything but the model, which is loaded, where it was."""
    loop.optimizer.load_state_dict(checkpoint.optimizer)
    if loop.growth and checkpoint.growth:
        loop.growth.load_state_dict(checkpoint.growth)
    if loop.average:
        loop.average.load_state_dict(checkpoint.average)
    if loop.hold and checkpoint.hold:
        loop.hold.load_state_dict(checkpoint.hold)
    if loop.weight_growth and checkpoint.weight_growth:
        loop.weight_growth.load_state_dict(checkpoint.weight_growth)
    torch.set_rng_state(checkpoint.random_state)


def _slopes(model: nn.Module) -> dict[str, dict[str, float]]:
    found = {}
    for name, layer in rectifiers(model).items():
        size = layer.slope.detach().abs()
        found[name] = {"mean": size.mean().item(), "min": size.min().item(), "max": size.max().item()}
    return found
