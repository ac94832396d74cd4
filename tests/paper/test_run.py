"""Experiments as a whole: what is run, what is kept, what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest

from firebit.errors import UsageError
from firebit.paper.experiment import Experiment
from firebit.paper.record import load_record
from firebit.paper.run import Places, reproduce
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
    assert "[phase2]\nepochs = 1\nlr = 0.02" in load_record(tmp_path / "results/few/two-seed0@0.5.json").recipe
    with pytest.raises(UsageError, match="few has no trial 'three'"):
        reproduce(experiment, [0], places, only=["three"])


def test_a_figure_is_drawn_of_the_runs_of_another_experiment(
    done: tuple[Places, str], experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, _ = done
    figure = dataclasses.replace(experiment, name="curve", rows={}, source="few")
    monkeypatch.setattr("firebit.paper.run.fit", lambda *_, **__: pytest.fail("it trained"))
    text = reproduce(figure, [0], places, scale=0.5)
    assert "![Share of binary units along training](curve-one@0.5.svg)" in text
    assert "| act3 | 100 |" in text
    found = sorted(path.name for path in places.results.iterdir() if path.name.startswith("curve"))
    assert found == [
        *("curve-one@0.5.png", "curve-one@0.5.svg", "curve-two@0.5.png", "curve-two@0.5.svg", "curve@0.5.md"),
    ]
