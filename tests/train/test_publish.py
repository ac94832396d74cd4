"""A run as a network of the package."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from firebit import pretrained
from firebit.engine.network import load
from firebit.errors import UsageError
from firebit.train import Recipe, RunFolder, fit, make_recipe
from firebit.train.compile import held_out
from firebit.train.publish import Claims, card, publish

DAY = date(2026, 1, 2)


def test_file_and_card(finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = publish(finished, "few-lenet", tmp_path, DAY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few-lenet.firebit", "few-lenet.md"]
    assert file.read_bytes() == finished.compiled_file.read_bytes()
    monkeypatch.setattr("firebit.pretrained.shelf._FOLDER", tmp_path)
    found, results = pretrained.entry("few-lenet"), finished.results()
    assert results is not None
    assert found.facts["top1"] == f"{100 * results['rows'][-1]['metrics']['top1']:.2f}"
    assert (found.facts["net"], found.facts["width"], found.facts["pictures"]) == ("lenet", "0.2", "60")
    assert (found.facts["weights"], found.facts["date"]) == ("16 bits", "2026-01-02")
    assert load("few-lenet").fingerprint == load(finished.compiled_file).fingerprint
    assert "Predictions that differ between torch (float64) and compiled: 0 of 60.\n" in found.card
    assert finished.data_fingerprint() in found.card


def test_a_fast_file_and_what_rounding_changed(
    finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Layers of a tiny network are too small for quantise to round; here all are large.
    monkeypatch.setattr("firebit.engine.quantise.FEWEST_WEIGHTS", 1)
    file = publish(finished, "few-lenet", tmp_path, DAY, "fast")
    network, exact = load(file), load(finished.compiled_file)
    assert network.plan.precision == "fast"
    assert network.fingerprint != exact.fingerprint
    pictures = held_out(finished.recipe())
    found = network.predict(pictures.images)
    monkeypatch.setattr("firebit.pretrained.shelf._FOLDER", tmp_path)
    entry = pretrained.entry("few-lenet")
    top1 = 100 * (found == pictures.labels).mean()
    assert entry.facts["top1"] == f"{top1:.2f}"
    assert entry.facts["weights"] == "8 bits, fast"
    assert f"| compiled, fast | {top1:.2f} |" in entry.card
    differ = (found != exact.predict(pictures.images)).sum()
    assert f"; predictions that differ between exact and fast: {differ} of 60.\n" in entry.card


def test_there_is_no_such_precision(finished: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no precision 'half'"):
        publish(finished, "a", tmp_path / "out", DAY, "half")
    assert not (tmp_path / "out").exists()


def test_a_card_says_what_weights_are_and_no_place_of_this_machine(finished: RunFolder) -> None:
    results = finished.results()
    assert results is not None
    more = {"weights": {"kind": "learned"}, "loss": {"distillation": 0.5, "teacher": "/far/away/wide"}}
    recipe = make_recipe({**finished.recipe().model_dump(exclude_none=True), **more})

    class Other(RunFolder):
        def recipe(self) -> Recipe:
            return recipe

    text = card(Other(finished.path), "x", Claims(results["rows"], "no prediction differs", "exact"), DAY)
    assert "weights: ±1, learned\n" in text
    assert "Weights: ±1 times a scale" in text
    assert 'teacher = "wide"' in text
    assert "/far" not in text
    rounded = card(Other(finished.path), "x", Claims(results["rows"], "no prediction differs", "fast"), DAY)
    assert "weights: ±1, learned, fast\n" in rounded


@pytest.mark.parametrize("name", ["", "Few", "a b", "../a", "a.b", "-"])
def test_what_is_no_name(finished: RunFolder, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a network"):
        publish(finished, name, tmp_path, DAY)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_published(
    tiny: Callable[..., Recipe], finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="is not finished"):
        publish(RunFolder(tmp_path), "a", out, DAY)
    short = {"baseline": {"enabled": False}, "phase1": {"epochs": 0}, "phase2": {"epochs": 0}}
    fit(tiny(layers="last", **short), RunFolder(tmp_path / "last"))
    with pytest.raises(UsageError, match="has no compiled network"):
        publish(RunFolder(tmp_path / "last"), "a", out, DAY)
    split = RunFolder(Path(shutil.copytree(finished.path, tmp_path / "split")))
    results = split.results()
    split.results_file.write_text(json.dumps({**(results or {}), "measured_on": "validation"}))
    with pytest.raises(UsageError, match="is measured on the validation set"):
        publish(split, "a", out, DAY)
    monkeypatch.setattr("firebit.train.publish.LARGEST", 1000)
    with pytest.raises(UsageError, match="bytes"):
        publish(finished, "a", out, DAY)
    assert not out.exists()
