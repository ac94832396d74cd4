"""A whole training run: baseline, two phases, hardening, fine-tuning, and the table that says what it cost."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.files import remove_temporaries, write_text
from firebit.nn.growth import rectifiers
from firebit.nn.weights import weight_census
from firebit.train.assemble import Assembly, foreign_checkpoint
from firebit.train.card import model_card
from firebit.train.checkpoint import Checkpoint, Progress, newest_checkpoint, save_checkpoint
from firebit.train.codes import recording
from firebit.train.device import device_named
from firebit.train.distributed import ALONE, Ranks
from firebit.train.evaluate import evaluate
from firebit.train.fingerprint import check_alike
from firebit.train.inductor import check_compiler
from firebit.train.interrupt import Interrupted, Stop, signals, threads
from firebit.train.loop import Loop, Reporter, Silent
from firebit.train.outcome import Compiled, Outcome
from firebit.train.pictures import Pictures, load_pictures
from firebit.train.precision import Precision, fallback, precision_of
from firebit.train.random_state import get_random_state
from firebit.train.recipe import Recipe
from firebit.train.run import RunFolder
from firebit.train.stage import Stage, check_layers, stages
from firebit.train.teach import check_teacher, keep_teacher
from firebit.train.weights import check_weights

OTHER_SIZE = "the same pictures in the same order, but sums, dropout and noise of other numbers."


def fit(
    recipe: Recipe,
    folder: RunFolder,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
    ranks: Ranks = ALONE,
) -> dict[str, Any]:
    """Train as the recipe says and leave everything in the run directory.

    Args:
        recipe: what to do; for a resumed run, the recipe it was started with, but for how often it is saved and
            measured.
        folder: the run directory; new, or with `resume` one that exists.
        resume: continue from the newest whole checkpoint, with the very same numbers as an uninterrupted run.
        reporter: is told how it goes.
        ranks: the processes that train together (:func:`firebit.train.distributed.joined`); all call this alike. The
            first of them writes.

    Returns:
        The content of results.json: a row per stage, with accuracy, level of binarisation and memory. On ranks behind
        the first without what compiling adds.

    Raises:
        UsageError: the directory exists (or, resuming, does not), the data do not fit the network, there is no
            teacher to learn from, no such device, recipe or data are others than those the run was started with, or
            those of another rank.
        DataError: the data set is missing or damaged.
        ModelFileError: the checkpoint is of another architecture; nothing was overwritten.
        DivergedError: the loss or a parameter is no longer finite; the last good checkpoint is kept.
        FirebitError: the disk is full; the last checkpoint is whole.
        Interrupted: SIGINT or SIGTERM, after saving.
    """
    if resume:
        if (done := folder.results()) is not None:
            return done
        ranks.together(lambda: _check_recipe(folder, recipe))
    # Sums depend on the number of threads in their last bits, so a resumed run keeps its own.
    with threads(recipe.threads or (folder.threads() if resume else None)), torch.random.fork_rng(devices=[]):
        pictures, precision = ranks.together(lambda: prepared(recipe, folder, ranks))
        data = pictures.train.fingerprint()
        check_alike(ranks, recipe, data)
        ranks.together(lambda: _open(folder, recipe, data, precision, resume) if ranks.first else None)
        checkpoint = newest_checkpoint(folder.checkpoints) if resume else None
        reporter = reporter or Silent()
        if warning := fallback(recipe, precision):
            reporter.note(warning)
        with signals() as stop:
            return _Run(recipe, folder, pictures, reporter, stop, precision, ranks).run(checkpoint)


def prepared(recipe: Recipe, folder: RunFolder, ranks: Ranks) -> tuple[Pictures, Precision]:
    """The pictures of a run and what they are computed in, once nothing speaks against it; nothing is written.

    Raises:
        UsageError, DataError, ModelFileError: something does, as :func:`fit` says.
    """
    _check_share(recipe, ranks)
    device = device_named(recipe.device, ranks.local, ranks.size)
    if recipe.compile:
        check_compiler(device)
    pictures = load_pictures(recipe)
    check_layers(recipe, pictures.train)
    check_weights(recipe, pictures.train)
    check_teacher(recipe, folder, pictures.train)
    return pictures, precision_of(recipe, device)


def _check_share(recipe: Recipe, ranks: Ranks) -> None:
    parts = ranks.size * recipe.accumulate
    if recipe.batch % parts or (recipe.batch < 2 * parts and recipe.net.batch_norm):
        least = 2 * parts if recipe.net.batch_norm else parts
        raise UsageError(
            f"A batch of {recipe.batch} does not divide into equal parts for {ranks.size} ranks × accumulate = "
            f"{recipe.accumulate}{', each of two or more pictures' if recipe.net.batch_norm else ''}.",
            f"Set for example batch={max(least, round(recipe.batch / parts) * parts)}; it stays the global batch.",
        )


def _check_recipe(folder: RunFolder, recipe: Recipe) -> None:
    if folder.recipe().of_training != recipe.of_training:
        raise UsageError(
            f"The recipe differs from the one {folder.path} was started with.",
            "Resume without --set and --recipe.",
        )


def _open(folder: RunFolder, recipe: Recipe, data: str, precision: Precision, resume: bool) -> None:
    """Make the run directory, or clear up what a killed run has left in it."""
    if not resume:
        folder.create(recipe, data, precision.name)
    elif folder.data_fingerprint() != data:
        raise UsageError(
            f"The training pictures of {recipe.data} are not those {folder.path} was started with.",
            "Bring back the same data, or start a new run.",
        )
    for place in (folder.path, folder.checkpoints):
        remove_temporaries(place)
    keep_teacher(recipe, folder)


@dataclass
class _Run:
    recipe: Recipe
    folder: RunFolder
    pictures: Pictures
    reporter: Reporter
    stop: Stop
    precision: Precision
    ranks: Ranks
    progress: Progress = field(default_factory=Progress)
    listed: int = 0

    def run(self, checkpoint: Checkpoint | None) -> dict[str, Any]:
        began = time.perf_counter()
        plan = stages(self.recipe)
        loop = None
        for text in self.pictures.notes:
            self.reporter.note(text)
        if checkpoint:
            self.progress = checkpoint.progress
            loop = self._resumed(checkpoint, plan)
        else:
            torch.manual_seed(self.recipe.seed)
        if self.ranks.first:
            self.folder.journal.cut_back(self.progress.journal)
        while self.progress.stage < len(plan):
            self._run_stage(loop or self._assembly.loop(self.progress))
            loop = None
        return self._finish(time.perf_counter() - began)

    def _resumed(self, checkpoint: Checkpoint, plan: Sequence[Stage]) -> Loop | None:
        """The loop of a checkpoint; None where it stands between two stages, or behind the last."""
        at = self.progress.stage
        if at > len(plan) or (at == len(plan) and checkpoint.model):
            raise foreign_checkpoint(self.folder, self.progress, f"it is in stage {at} of {len(plan)}")
        name = plan[at].name if at < len(plan) else "the end"
        self.reporter.note(f"resuming in {name} at step {self.progress.steps}")
        saved = 1 if checkpoint.random_state.dim() == 1 else len(checkpoint.random_state)
        if saved != self.ranks.size:
            self.reporter.note(f"warning: {saved} ranks wrote the checkpoint, {self.ranks.size} go on: {OTHER_SIZE}")
        return self._assembly.loop(self.progress, checkpoint) if checkpoint.model else None

    @property
    def _assembly(self) -> Assembly:
        return Assembly(self.recipe, self.folder, self.pictures, self.precision, self.ranks)

    def _run_stage(self, loop: Loop) -> None:
        loop.stop = self.stop
        stage = loop.stage
        self.reporter.stage(stage, loop.batches)
        while self.progress.epoch < stage.epochs:
            record = loop.run_epoch(lambda loss: self._after_batch(loop, loss))
            self._journal(loop, record)
            self._list_unreadable()
            self._save(loop)
        self.ranks.check_replicas(loop.model, f"after {stage.name}")
        self._end_stage(stage, loop.outcome)

    @property
    def _outcome(self) -> Outcome:
        return Outcome(self.recipe, self.folder, self.pictures, self.ranks)

    def _after_batch(self, loop: Loop, loss: float) -> None:
        self.reporter.batch(self.progress, loss)
        # Alone it need not wait for the next batch, by which the others would know.
        signal = self.stop.signal if self.ranks.size == 1 else loop.stopped
        if signal is not None:
            self._save(loop)
            raise Interrupted(f"stopped by signal {signal}")
        if self.progress.steps % self.recipe.checkpoint_steps == 0:
            self._save(loop)

    def _save(self, loop: Loop) -> None:
        loop.check_parameters()
        states = self.ranks.stacked(get_random_state(self.precision.device))
        self.ranks.together(lambda: self._write(loop, states) if self.ranks.first else None)

    def _write(self, loop: Loop, states: Tensor) -> None:
        save_checkpoint(
            self.folder.checkpoints,
            self.progress,
            loop.model.state_dict(),
            loop.optimizer.state_dict(),
            loop.growth.state_dict() if loop.growth else None,
            loop.average.state_dict() if loop.average else None,
            loop.hold.state_dict() if loop.hold else None,
            loop.weight_growth.state_dict() if loop.weight_growth else None,
            states,
        )

    def _journal(self, loop: Loop, record: dict[str, Any]) -> None:
        stage, model, epoch = loop.stage, loop.outcome, self.progress.epoch
        record = {
            "stage": stage.name,
            "epoch": epoch,
            "step": self.progress.steps,
            **record,
            "measured_on": self.pictures.held_out_name,
        }
        if loop.averaged is not None:
            record["averaged"] = True
        if self.recipe.autocast:
            record["precision"] = self.precision.name
        if epoch % self.recipe.measure_every == 0 or epoch == stage.epochs:
            record |= self._measured(loop)
        if stage.network == "rectifier" and (slopes := _slopes(model)):
            record["slopes"] = slopes
        if stage.name == "weights":
            record["weights"] = weight_census(model)
        self.ranks.together(lambda: self.folder.journal.add(record) if self.ranks.first else None)
        self.progress.journal += 1
        self.reporter.epoch(record)

    def _measured(self, loop: Loop) -> dict[str, Any]:
        """What the journal says of the network as it is, and with steps put in."""
        metrics, census = evaluate(loop.outcome, self.pictures.held_out, self.ranks)
        if not math.isfinite(metrics.loss):
            what = f"The loss on the {self.pictures.held_out_name} set is {metrics.loss}"
            raise loop.diverged(what, f"after epoch {self.progress.epoch}")
        found: dict[str, Any] = {"soft": metrics.to_dict()}
        if loop.stage.network == "rectifier":
            found |= self._steps(self._outcome.harden(loop.outcome))
        return found | ({"census": census.to_dict()} if census else {})

    def _list_unreadable(self) -> None:
        """Keep the list of pictures that some rank cannot read, what was found before a stop included."""
        told = self.ranks.texts(json.dumps(self.pictures.unreadable))
        every = list(dict.fromkeys(problem for text in told for problem in json.loads(text)))
        if len(every) == self.listed or not self.ranks.first:
            return
        self.listed = len(every)
        file = self.folder.unreadable_file
        before = file.read_text("utf-8").splitlines() if file.is_file() else []
        found = list(dict.fromkeys([*before, *every]))
        write_text(file, "".join(f"{problem}\n" for problem in found))
        self.reporter.note(f"left out, as they cannot be read: {len(found)} pictures, see {file}")

    def _steps(self, hardened: nn.Module) -> dict[str, Any]:
        """What the journal says of the network with steps put in, and of its codes where it has a layer of them."""
        if not self.recipe.net.code:
            return {"steps": evaluate(hardened, self.pictures.held_out, self.ranks)[0].to_dict()}
        # Codes are compared with each other, so that every rank takes all of them.
        with recording(hardened) as found:
            metrics, _ = evaluate(hardened, self.pictures.held_out)
        return {"steps": metrics.to_dict(), "code": found.balance().to_dict()}

    def _end_stage(self, stage: Stage, model: nn.Module) -> None:
        """Write the stage's model and table rows, then move on; repeated whole if a crash comes in between."""
        self.progress.results += self._outcome.end(stage, model)
        # The first rank has written what the next stage begins with.
        self.ranks.together(lambda: None)
        self.progress.stage += 1
        self.progress.epoch = self.progress.batch = 0

    def _finish(self, seconds: float) -> dict[str, Any]:
        made = self._outcome.compile() if self.ranks.first else Compiled()
        results = {
            "data": self.pictures.train.name,
            "measured_on": self.pictures.held_out_name,
            "seed": self.recipe.seed,
            "net": self.recipe.net.name,
            "layers": self.recipe.layers,
            "seconds": round(seconds, 1),
            "precision": self.precision.name,
            "ranks": self.ranks.size,
            "rows": [*self.progress.results, *made.rows],
            "compiled": made.agreement,
            "not_compiled": made.reason,
        }
        if not self.ranks.first:
            return results
        write_text(self.folder.path / "README.md", model_card(self.recipe, results, self.folder))
        text = json.dumps(results, indent=2)
        write_text(self.folder.results_file, text + "\n")
        found: dict[str, Any] = json.loads(text)
        return found


def _slopes(model: nn.Module) -> dict[str, dict[str, float]]:
    found = {}
    for name, layer in rectifiers(model).items():
        size = layer.slope.detach().abs()
        found[name] = {"mean": size.mean().item(), "min": size.min().item(), "max": size.max().item()}
    return found
