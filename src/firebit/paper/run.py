"""Run what is missing of an experiment, and write its page."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firebit.data import names
from firebit.data.load import found_folder
from firebit.errors import UsageError
from firebit.files import write_text
from firebit.paper.borrow import borrow
from firebit.paper.experiment import Experiment, Trial
from firebit.paper.page import page, pictures
from firebit.paper.record import Record, load_record
from firebit.paper.tables import RETRAINED, THRESHOLDED
from firebit.paper.threshold import thresholded
from firebit.train.fit import fit
from firebit.train.loop import Reporter
from firebit.train.pictures import load_pictures
from firebit.train.recipe import Recipe, make_recipe
from firebit.train.run import RunFolder, load_model_file

_FEW_CLASSES = 10


@dataclass(frozen=True)
class Places:
    """Where things are kept.

    Attributes:
        results: records of finished runs and pages, a folder per experiment.
        runs: run directories of what is trained.
    """

    results: Path
    runs: Path


def reproduce(
    experiment: Experiment,
    seeds: Sequence[int],
    places: Places,
    *,
    scale: float = 1.0,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> str:
    """Train what has no record yet, continuing what was stopped, and write the experiment's page.

    Args:
        experiment: one of :data:`firebit.paper.EXPERIMENTS`.
        seeds: a run each.
        places: where records, pages and runs are kept.
        scale: factor on all epochs, > 0; for a quick look. Records and pages of another scale have names of their own.
        overrides: fields of all recipes, "key=value".
        only: names of the trials to run; of the others the page shows what is recorded. None: all, but for
            optional ones whose data are not there.
        reporter: is told how it goes.

    Returns:
        The page, as Markdown; it also stands in `places.results`.

    Raises:
        UsageError: no seeds, a scale that is not positive, no such trial, or a record made with another recipe.
        FirebitError: whatever training raises.
    """
    _check(experiment, seeds, scale, only)
    found: dict[str, list[Record]] = {}
    for trial in experiment.trials:
        runs = [_Run(experiment, trial, seed, scale, tuple(overrides), places) for seed in list(seeds)[: trial.seeds]]
        if trial.name in only or (not only and (not trial.optional or _has_data(runs[0].recipe))):
            found[trial.name] = [run.record() or run.make(reporter) for run in runs]
        elif recorded := [record for run in runs if (record := run.record())]:
            found[trial.name] = recorded
    for picture in pictures(experiment, found):
        picture.save(places.results, _suffix(scale))
    text = page(experiment, found, list(seeds), scale, overrides)
    write_text(places.results / f"{experiment.name}{_suffix(scale)}.md", text)
    return text


def _check(experiment: Experiment, seeds: Sequence[int], scale: float, only: Sequence[str]) -> None:
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds {list(seeds)} are not one or more different seeds.", "Give for example --seeds 3.")
    if not 0 < scale < float("inf"):
        raise UsageError(f"scale={scale} is not a positive factor.", "Give 1 for the whole experiment, 0.1 for a look.")
    names = [trial.name for trial in experiment.trials]
    unknown = [name for name in only if name not in names]
    if unknown:
        raise UsageError(f"{experiment.name} has no trial {unknown[0]!r}.", f"Choose among: {', '.join(names)}.")


def _suffix(scale: float) -> str:
    return "" if scale == 1 else f"@{scale:g}"


@dataclass(frozen=True)
class _Run:
    experiment: Experiment
    trial: Trial
    seed: int
    scale: float
    overrides: tuple[str, ...]
    places: Places

    @property
    def name(self) -> str:
        return f"{self.trial.name}-seed{self.seed}{_suffix(self.scale)}"

    @property
    def path(self) -> Path:
        return self.places.results / self.experiment.records / f"{self.name}.json"

    @property
    def recipe(self) -> Recipe:
        return self.trial.recipe_for(self.seed, self.scale, self.overrides)

    def record(self) -> Record | None:
        """The record of this run, None before there is one."""
        if not self.path.exists():
            return None
        record = load_record(self.path)
        # As recipes, not as text: fields that came later have their defaults in an older record.
        made = make_recipe(tomllib.loads(record.recipe), str(self.path))
        if made.of_training != self.recipe.of_training:
            raise UsageError(
                f"{self.path} was made with another recipe.",
                "Remove it to have the run made again, give the same --set, or choose another --results.",
            )
        return record

    def make(self, reporter: Reporter | None) -> Record:
        """Train, or go on with what was stopped, and leave a record."""
        folder = RunFolder(self.places.runs / f"{self.experiment.records}-{self.name}")
        is_resumed = folder.path.exists()
        if (donor := borrow(self.recipe, folder)) and reporter:
            reporter.note(f"begins with what {donor} has trained")
        results = fit(self.recipe, folder, resume=folder.path.exists(), reporter=reporter)
        record = _of_run(self.trial, self.recipe, folder, results, is_resumed)
        record.save(self.path)
        return record


def _of_run(trial: Trial, recipe: Recipe, folder: RunFolder, results: dict[str, Any], is_resumed: bool) -> Record:
    top1 = {row["name"]: 100 * row["metrics"]["top1"] for row in results["rows"]}
    top5 = {row["name"]: 100 * row["metrics"]["top5"] for row in results["rows"]} if _has_top5(folder) else {}
    level = {row["name"]: 100 * row["census"]["level"] for row in results["rows"] if row["census"]}
    if trial.thresholded and recipe.baseline.enabled:
        relu = load_model_file(folder.model_file("relu")).model
        before, after = thresholded(relu, recipe, load_pictures(recipe), trial.thresholded)
        top1 |= {THRESHOLDED: 100 * before.top1, RETRAINED: 100 * after.top1}
        top5 |= {THRESHOLDED: 100 * before.top5, RETRAINED: 100 * after.top5} if top5 else {}
    journal = folder.journal.records()
    measured = [entry for entry in journal if "soft" in entry]
    epochs = [_epoch(entry) for entry in measured if entry["stage"] in ("phase1", "phase2")]
    environment, curves = folder.environment(), [_point(entry) for entry in measured]
    # Results of a run that was resumed tell only what came since.
    seconds = max(results["seconds"], epoch_seconds(journal, recipe.batch) if is_resumed else 0.0)
    return Record(recipe.to_toml(), results["measured_on"], top1, level, epochs, seconds, environment, top5, curves)


def epoch_seconds(journal: Sequence[Mapping[str, Any]], batch: int) -> float:
    """Seconds that the epochs of a journal took, measuring left out: steps of batches of that size, by their speed."""
    steps = [0, *(entry["step"] for entry in journal)]
    taken = zip(steps, journal, strict=False)
    found: float = sum((entry["step"] - before) * batch / entry["images_per_second"] for before, entry in taken)
    return round(found, 1)


def _has_top5(folder: RunFolder) -> bool:
    """Of ten classes or fewer the five best say little."""
    return len(load_model_file(folder.model_file("hardened")).classes) > _FEW_CLASSES


def _has_data(recipe: Recipe) -> bool:
    return recipe.data in names() or found_folder(recipe.data) is not None


def _point(entry: dict[str, Any]) -> dict[str, Any]:
    kept = {key: entry[key] for key in ("stage", "epoch", "train_loss")}
    return {**kept, "loss": entry["soft"]["loss"], "top1": 100 * entry["soft"]["top1"]}


def _epoch(entry: dict[str, Any]) -> dict[str, Any]:
    kept = ("units", "level", "binary_share", "constant_units")
    layers = {name: {key: figures[key] for key in kept} for name, figures in entry["census"]["layers"].items()}
    soft, steps = 100 * entry["soft"]["top1"], 100 * entry["steps"]["top1"]
    return {"stage": entry["stage"], "epoch": entry["epoch"], "soft": soft, "steps": steps, "layers": layers}
