"""A run that goes on from another gives what it gives when it is run whole."""

import shutil
from pathlib import Path

import pytest

from firebit.paper.borrow import _of_baseline, borrow
from firebit.paper.experiment import Experiment
from firebit.train import RunFolder, fit
from firebit.train.checkpoint import Progress
from firebit.train.loop import Silent
from firebit.train.recipe import Recipe

LEARNED = ("weights.kind=learned", "weights.epochs=2")


@pytest.fixture(scope="module")
def recipe(experiment: Experiment) -> Recipe:
    return experiment.trials[1].recipe_for(0, 0.5)


@pytest.fixture(scope="module")
def learned(experiment: Experiment) -> Recipe:
    return experiment.trials[1].recipe_for(0, 0.5, LEARNED)


@pytest.fixture(scope="module")
def donor(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "real")
    fit(recipe, folder)
    return folder


def test_the_numbers_are_those_of_the_whole_run(donor: RunFolder, learned: Recipe, tmp_path: Path) -> None:
    whole = fit(learned, RunFolder(tmp_path / "whole"))
    folder = RunFolder(donor.path.with_name("learned"))
    assert borrow(learned, folder) == donor.path
    assert not folder.results_file.exists()
    resumed = fit(learned, folder, resume=True)
    assert resumed["rows"] == whole["rows"]
    assert {row["name"] for row in resumed["rows"]} >= {"phase2 steps", "weights", "weights steps"}
    assert folder.journal.records()[-1]["soft"] == RunFolder(tmp_path / "whole").journal.records()[-1]["soft"]
    assert folder.recipe() == learned
    assert donor.results() is not None


def test_a_baseline_is_trained_once(experiment: Experiment, tmp_path: Path) -> None:
    one = experiment.trials[0]
    donor = RunFolder(tmp_path / "runs" / "one")
    fit(one.recipe_for(0, 0.5), donor)
    # The baseline's epochs are those of both phases where the recipe gives none.
    last = one.recipe_for(0, 0.5, ("layers=last", "phase2.growth=0.5", "net.slope_init=0.7", "loss.distillation=0.5"))
    whole = fit(last, RunFolder(tmp_path / "elsewhere" / "last"))
    folder = RunFolder(tmp_path / "runs" / "last")
    assert borrow(last, folder) == donor.path
    assert [record["stage"] for record in folder.journal.records()] == ["relu", "relu"]
    resumed = fit(last, folder, resume=True)
    assert resumed["rows"] == whole["rows"]
    assert resumed["rows"][0]["name"] == "relu"
    losses = [record["train_loss"] for record in RunFolder(tmp_path / "elsewhere" / "last").journal.records()]
    assert [record["train_loss"] for record in folder.journal.records()] == losses


@pytest.mark.parametrize(
    "override",
    [
        *("net.width=0.3", "net.dropped=first", "net.lrn=true", "net.code=12"),
        *("baseline.lr=0.5", "batch=10", "loss.label_smoothing=0.1", "size=24"),
    ],
)
def test_another_baseline_is_not_borrowed(experiment: Experiment, override: str) -> None:
    recipe = experiment.trials[0].recipe_for(0, 0.5)
    other = experiment.trials[0].recipe_for(0, 0.5, (override,))
    assert _of_baseline(recipe) != _of_baseline(other)
    assert _of_baseline(recipe) != _of_baseline(experiment.trials[0].recipe_for(1, 0.5))
    for alike in ("phase2.lr=0.5", "measure_every=3"):
        assert _of_baseline(recipe) == _of_baseline(experiment.trials[0].recipe_for(0, 0.5, (alike,)))


def test_a_baseline_with_an_optimizer_of_its_own_is_borrowed_whatever_that_of_the_phases(
    experiment: Experiment,
) -> None:
    own = ("baseline.optimizer=sgd", "baseline.weight_decay=5e-4")
    trial = experiment.trials[0]
    one, two = (trial.recipe_for(0, 0.5, (*own, f"optimizer.name={name}")) for name in ("sgd", "adamw"))
    assert _of_baseline(one) == _of_baseline(two)
    inherited = [trial.recipe_for(0, 0.5, (f"optimizer.name={name}",)) for name in ("sgd", "adamw")]
    assert _of_baseline(inherited[0]) != _of_baseline(inherited[1])


def test_the_baseline_of_another_network_is_borrowed_where_its_own_width_and_dropout_are_the_same(
    experiment: Experiment,
) -> None:
    trial = experiment.trials[0]
    narrow = trial.recipe_for(0, 0.5, ("net.width=0.25",))
    wide = trial.recipe_for(0, 0.5, ("net.width=0.5", "baseline.width=0.25"))
    assert _of_baseline(narrow) == _of_baseline(wide)
    dropping, other = (
        trial.recipe_for(0, 0.5, given) for given in (("net.dropout=0.5",), ("net.dropout=0.1", "baseline.dropout=0.5"))
    )
    assert _of_baseline(dropping) == _of_baseline(other)
    assert _of_baseline(narrow) != _of_baseline(trial.recipe_for(0, 0.5, ("net.width=0.5",)))


@pytest.mark.parametrize(
    ("override", "stages"),
    [("phase2.growth=0.5", ["phase1"]), ("recalibrate=true", ["phase1"]), ("weights.epochs=3", ["phase1", "phase2"])],
)
def test_what_comes_before_the_first_difference_is_trained_once(
    experiment: Experiment, tmp_path: Path, override: str, stages: list[str]
) -> None:
    trial = experiment.trials[1]
    donor = RunFolder(tmp_path / "runs" / "learned")
    fit(trial.recipe_for(0, 0.5, LEARNED), donor)
    other = trial.recipe_for(0, 0.5, (*LEARNED, override))
    whole = fit(other, RunFolder(tmp_path / "elsewhere" / "other"))
    folder = RunFolder(tmp_path / "runs" / "other")
    assert borrow(other, folder) == donor.path
    assert list(dict.fromkeys(record["stage"] for record in folder.journal.records())) == stages
    assert fit(other, folder, resume=True)["rows"] == whole["rows"]


class PowerCut(Silent):
    """Stops training, as a power cut does, after so many batches of the whole run."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def batch(self, progress: Progress, loss: float) -> None:
        if progress.steps == self.steps:
            raise OSError("the power is gone")


def test_a_stopped_run_lends_only_stages_that_it_has_behind_it(experiment: Experiment, tmp_path: Path) -> None:
    trial, stopped = experiment.trials[1], RunFolder(tmp_path / "stopped")
    other = trial.recipe_for(0, 0.5, ("phase2.growth=0.5",))
    # Six batches are phase 1; there is a checkpoint every four.
    for steps, lent in ((6, None), (9, stopped.path)):
        with pytest.raises(OSError, match="the power is gone"):
            fit(trial.recipe_for(0, 0.5), stopped, resume=stopped.path.exists(), reporter=PowerCut(steps))
        assert borrow(other, RunFolder(tmp_path / "new")) == lent


def test_nothing_is_borrowed_of_another_phase_1(donor: RunFolder, experiment: Experiment) -> None:
    folder = RunFolder(donor.path.with_name("again"))
    assert borrow(experiment.trials[1].recipe_for(0, 0.5, ("phase1.lr=0.5",)), folder) is None
    assert not folder.path.exists()


def test_nothing_is_borrowed_from_another_recipe(donor: RunFolder, experiment: Experiment) -> None:
    other = experiment.trials[1].recipe_for(1, 0.5, LEARNED)
    folder = RunFolder(donor.path.with_name("other"))
    assert borrow(other, folder) is None
    assert not folder.path.exists()


def test_nothing_is_borrowed_from_a_run_whose_results_have_no_rows(
    donor: RunFolder, learned: Recipe, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(donor.path, damaged)
    (damaged / "results.json").write_text("{}")
    assert borrow(learned, RunFolder(tmp_path / "new")) is None


def test_nothing_is_borrowed_from_what_cannot_be_read(learned: Recipe, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "results.json").write_text("{}")
    (damaged / "recipe.toml").write_text("data = [")
    assert borrow(learned, RunFolder(tmp_path / "new")) is None
    assert not (tmp_path / "new").exists()


def test_a_run_that_has_begun_is_left_alone(donor: RunFolder, learned: Recipe) -> None:
    before = sorted(donor.path.iterdir())
    assert borrow(learned, donor) is None
    assert sorted(donor.path.iterdir()) == before
