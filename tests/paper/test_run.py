"""Experiments as a whole: what is run, what is kept, what is refused."""

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

from firebit.errors import DataError, UsageError
from firebit.paper.experiment import Experiment
from firebit.paper.record import load_record
from firebit.paper.run import Places, epoch_seconds, reproduce
from firebit.train import RunFolder


@pytest.fixture(scope="module")
def done(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Places, str]:
    root = tmp_path_factory.mktemp("paper")
    places = Places(root / "results", root / "runs")
    return places, reproduce(experiment, [0], places, scale=0.5)


def test_records_hold_what_the_runs_measured(done: tuple[Places, str]) -> None:
    places, _ = done
    record = load_record(places.results / "few" / "one-seed0@0.5.json")
    results = RunFolder(places.runs / "few-one-seed0@0.5").results()
    assert results is not None
    for row in results["rows"]:
        assert record.top1[row["name"]] == pytest.approx(100 * row["metrics"]["top1"])
    assert {"relu thresholded", "relu thresholded, retrained"} <= set(record.top1)
    assert "phase1 = 2" not in record.recipe
    assert record.environment["threads"] == 1


def test_the_page_stands_in_the_results(done: tuple[Places, str], experiment: Experiment) -> None:
    places, text = done
    assert (places.results / "few@0.5.md").read_text("utf-8") == text
    assert "| the paper | *75.40* | – | – | – |" in text
    two = next(line for line in text.splitlines() if line.startswith("| Two |"))
    assert two.startswith("| Two | – | – | – | ")


def test_finished_runs_are_not_run_again(
    done: tuple[Places, str], experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, text = done
    monkeypatch.setattr("firebit.paper.run.fit", lambda *_, **__: pytest.fail("it trained"))
    assert reproduce(experiment, [0], places, scale=0.5) == text


def test_a_record_counts_however_often_its_run_was_measured(
    done: tuple[Places, str], experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firebit.paper.run.fit", lambda *_, **__: pytest.fail("it trained"))
    reproduce(experiment, [0], done[0], scale=0.5, overrides=["measure_every=3"])


def test_a_record_of_another_recipe_is_refused(
    done: tuple[Places, str], experiment: Experiment, tmp_path: Path
) -> None:
    places, _ = done
    first = experiment.trials[0]
    changed = dataclasses.replace(first, overrides=(*first.overrides, "phase1.lr=0.5"))
    other = dataclasses.replace(experiment, trials=(changed,))
    with pytest.raises(UsageError, match=r"one-seed0@0\.5\.json was made with another recipe"):
        reproduce(other, [0], places, scale=0.5)


def test_a_record_may_be_older_than_a_field(done: tuple[Places, str], experiment: Experiment, tmp_path: Path) -> None:
    places, text = done
    path = places.results / "few" / "two-seed0@0.5.json"
    record = load_record(path)
    assert "recalibrate = false" in record.recipe
    assert "label_smoothing = 0.0\n" in record.recipe
    older = dataclasses.replace(record, recipe=record.recipe.replace("label_smoothing = 0.0\n", ""))
    older.save(path)
    assert reproduce(experiment, [0], places, scale=0.5) == text
    record.save(path)


def test_a_run_whose_record_is_lost_gives_it_again(done: tuple[Places, str], experiment: Experiment) -> None:
    places, _ = done
    path = places.results / "few" / "two-seed0@0.5.json"
    before = json.loads(path.read_text())
    path.unlink()
    reproduce(experiment, [0], places, scale=0.5)
    assert json.loads(path.read_text()) == before


def test_records_hold_the_curves_of_every_stage_and_no_top5_of_ten_classes(done: tuple[Places, str]) -> None:
    places, _ = done
    record = load_record(places.results / "few" / "one-seed0@0.5.json")
    journal = RunFolder(places.runs / "few-one-seed0@0.5").journal.records()
    assert [(each["stage"], each["epoch"]) for each in record.curves] == [(e["stage"], e["epoch"]) for e in journal]
    assert {each["stage"] for each in record.curves} == {"relu", "phase1", "phase2"}
    for point, entry in zip(record.curves, journal, strict=True):
        assert point["loss"] == entry["soft"]["loss"]
        assert point["top1"] == pytest.approx(100 * entry["soft"]["top1"])
    assert record.top5 == {}


def test_top5_is_recorded_of_many_classes(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firebit.paper.run._FEW_CLASSES", 9)
    places = Places(tmp_path / "results", tmp_path / "runs")
    text = reproduce(experiment, [0], places, scale=0.5, only=["one"])
    record = load_record(tmp_path / "results/few/one-seed0@0.5.json")
    assert set(record.top5) == set(record.top1)
    assert all(record.top5[row] >= record.top1[row] for row in record.top1)
    assert f"| {record.top1['relu']:.2f} / {record.top5['relu']:.2f} |" in text


def test_an_optional_trial_waits_for_its_data(
    done: tuple[Places, str], experiment: Experiment, few_digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, _ = done
    two = experiment.trials[1]
    away = dataclasses.replace(two, name="away", title="Away", overrides=(*two.overrides, "data=away"), optional=True)
    three = dataclasses.replace(experiment, trials=(*experiment.trials, away))
    text = reproduce(three, [0], places, scale=0.5)
    assert "| Away (not run) | – | – | – | – |" in text
    with pytest.raises(DataError, match="'away'"):
        reproduce(three, [0], places, scale=0.5, only=["away"])
    # The name of a folder below the root of the data sets will do.
    monkeypatch.setenv("FIREBIT_DATA", str(few_digits.parent))
    here = dataclasses.replace(away, name="here", overrides=(*two.overrides, f"data={few_digits.name}"))
    text = reproduce(dataclasses.replace(three, trials=(here,)), [0], places, scale=0.5)
    assert "(not run)" not in text


def test_a_trial_may_have_fewer_seeds(done: tuple[Places, str], experiment: Experiment) -> None:
    places, _ = done
    one = dataclasses.replace(experiment, trials=(dataclasses.replace(experiment.trials[0], seeds=1),))
    text = reproduce(one, [0, 1], places, scale=0.5)
    assert "| One (1 seed) | " in text
    assert " ± " not in text.split("| One")[1]


@pytest.mark.parametrize(("seeds", "scale"), [([], 1.0), ([1, 1], 1.0), ([0], 0.0), ([0], -1.0), ([0], float("nan"))])
def test_what_makes_no_experiment(seeds: list[int], scale: float, experiment: Experiment, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        reproduce(experiment, seeds, Places(tmp_path, tmp_path), scale=scale)
    assert not list(tmp_path.iterdir())


def test_only_some_trials(experiment: Experiment, tmp_path: Path) -> None:
    places = Places(tmp_path / "results", tmp_path / "runs")
    text = reproduce(experiment, [0], places, scale=0.5, only=["two"], overrides=["phase2.lr=0.02"])
    assert "`firebit reproduce few --seeds 1 --scale 0.5 --set phase2.lr=0.02`" in text
    assert "| One (not run) | – | – | – | – |" in text
    assert sorted(path.name for path in (tmp_path / "results" / "few").iterdir()) == ["two-seed0@0.5.json"]
    phase = tomllib.loads(load_record(tmp_path / "results/few/two-seed0@0.5.json").recipe)["phase2"]
    assert (phase["epochs"], phase["lr"]) == (1, 0.02)
    with pytest.raises(UsageError, match="few has no trial 'three'"):
        reproduce(experiment, [0], places, only=["three"])


def test_a_figure_is_drawn_of_the_runs_of_another_experiment(
    done: tuple[Places, str], experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, _ = done
    figure = dataclasses.replace(experiment, name="curve", rows={}, source="few", drawing="binarisation")
    monkeypatch.setattr("firebit.paper.run.fit", lambda *_, **__: pytest.fail("it trained"))
    text = reproduce(figure, [0], places, scale=0.5)
    assert "![Share of binary units along training](curve-one@0.5.svg)" in text
    assert "| act3 | 100 |" in text
    found = sorted(path.name for path in places.results.iterdir() if path.name.startswith("curve"))
    assert found == [
        *("curve-one@0.5.png", "curve-one@0.5.svg", "curve-two@0.5.png", "curve-two@0.5.svg", "curve@0.5.md"),
    ]


def test_seconds_of_epochs_by_hand() -> None:
    """500 steps of 100 pictures at 100 a second, 200 more at 40 a second: 500 s and 500 s."""
    journal = [{"step": 500, "images_per_second": 100.0}, {"step": 700, "images_per_second": 40.0}]
    assert epoch_seconds(journal, 100) == 1000
    assert epoch_seconds([], 100) == 0
