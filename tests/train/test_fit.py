"""Whole runs on a few real digits: what they leave behind, and that a stopped one ends with the same numbers."""

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from firebit.data import load
from firebit.engine.network import load as load_network
from firebit.errors import DataError, DivergedError, FirebitError, UsageError
from firebit.files import load_tensors
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.snap import snap
from firebit.nn.straight import StraightThroughStep
from firebit.train import Interrupted, Recipe, RunFolder, evaluate, fit, load_model
from firebit.train.checkpoint import Progress, load_checkpoint, newest_checkpoint
from firebit.train.distributed import Ranks
from firebit.train.fit import prepared
from firebit.train.hold import Hold
from firebit.train.loop import Silent

Tiny = Callable[..., Recipe]
TIMING = ("images_per_second",)
HIDDEN = ("conv1", "conv2", "fc3")
# The package's `fit` is the function.
MODULE = import_module("firebit.train.fit")
OUTCOME = import_module("firebit.train.outcome")


def numbers(folder: RunFolder) -> dict[str, dict[str, bytes]]:
    """Every tensor of every model of a run, as bytes."""
    models = sorted(path for path in folder.path.iterdir() if path.suffix in (".safetensors", ".firebit"))
    return {path.name: {name: array.tobytes() for name, array in load_tensors(path)[0].items()} for path in models}


def journal(folder: RunFolder) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key not in TIMING} for record in folder.journal.records()]


def rows(folder: RunFolder) -> list[dict[str, Any]]:
    results = folder.results()
    assert results is not None
    found: list[dict[str, Any]] = results["rows"]
    return found


def on_grids(model: nn.Module) -> bool:
    """Whether snapping changes nothing."""
    again = snap(model, torch.zeros(1, 1, 28, 28)).state_dict()
    return all(torch.equal(value, again[name]) for name, value in model.state_dict().items())


class StopAt(Silent):
    """Does something after so many batches of the whole run."""

    def __init__(self, steps: int, act: Callable[[], object]) -> None:
        self.steps, self.act = steps, act

    def batch(self, progress: Progress, loss: float) -> None:
        if progress.steps == self.steps:
            self.act()


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def crash() -> None:
    raise OSError("the power is gone")


# a whole run


def test_a_run_leaves_everything_behind(finished: RunFolder) -> None:
    assert sorted(path.name for path in finished.path.iterdir()) == [
        *("README.md", "checkpoints", "environment.json", "hardened.safetensors", "metrics.jsonl"),
        *("model.firebit", "model.safetensors", "phase1.safetensors", "recipe.toml", "relu.safetensors"),
        "results.json",
    ]
    assert len(list((finished.path / "checkpoints").iterdir())) == 2


def test_the_rows_of_the_table(finished: RunFolder) -> None:
    found = {row["name"]: row for row in rows(finished)}
    assert list(found) == [
        *("relu", "phase1", "phase1 steps", "phase2", "phase2 steps", "steps, recalibrated"),
        *("steps, classifier tuned", "compiled"),
    ]
    assert found["relu"]["census"] is None
    for name, row in found.items():
        binary = "steps" in name or name == "compiled"
        assert row["metrics"]["count"] == 60
        assert row["bits_per_activation"] == (1 if binary else 32)
        assert binary is (row["census"] is not None and row["census"]["level"] == 1.0)
    # 4 maps of 12×12, 10 of 4×4, 100 units.
    for name in ("phase2 steps", "compiled"):
        assert found[name]["activation_bytes"] == (4 * 144 + 160 + 100) / 8
    # Weights of 16 bits, thresholds of 32 with a direction of 8, and ten biases of 64.
    weights = 2 * (4 * 25 + 10 * 4 * 25 + 160 * 100 + 100 * 10)
    assert found["compiled"]["weight_bytes"] == weights + 5 * (4 + 10 + 100) + 8 * 10


def test_the_rows_are_those_of_the_files(finished: RunFolder, few_digits: Path) -> None:
    found = {row["name"]: row["metrics"] for row in rows(finished)}
    test = load(few_digits, "test")
    for name, row in (("relu", "relu"), ("model", "phase2"), ("hardened", "steps, classifier tuned")):
        metrics = evaluate(load_model(finished.path, name), test)[0]
        assert metrics.loss == pytest.approx(found[row]["loss"], rel=1e-5)
        assert metrics.top1 == found[row]["top1"]


def test_the_compiled_network_is_the_hardened_one(finished: RunFolder, few_digits: Path) -> None:
    test = load(few_digits, "test")
    network, hardened = load_network(finished.compiled_file), load_model(finished.path, "hardened")
    with torch.no_grad():
        expected = hardened(torch.from_numpy(test.images).float() / 255).numpy()
    np.testing.assert_allclose(network.logits(test.images), expected, atol=1e-5)
    assert (network.classes, network.layers) == (test.classes, ("act1", "act2", "act3"))
    *_, steps, compiled = rows(finished)
    assert compiled["census"] == steps["census"]
    assert compiled["metrics"]["loss"] == pytest.approx(steps["metrics"]["loss"], rel=1e-5)
    assert compiled["metrics"]["top1"] == steps["metrics"]["top1"]


def test_the_results_say_that_both_agree(finished: RunFolder) -> None:
    results = finished.results()
    assert results is not None
    assert results["not_compiled"] is None
    found = results["compiled"]
    assert (found["pictures"], found["predictions_differ"], found["bits_differ"]) == (60, 0, 0)
    assert found["bits"] == 60 * (4 * 144 + 160 + 100)


def test_a_binary_network_is_hardened_on_grids_and_the_soft_one_stays(finished: RunFolder) -> None:
    hardened, soft = load_model(finished.path, "hardened"), load_model(finished.path, "model")
    assert on_grids(hardened)
    assert not on_grids(soft)
    for name in HIDDEN:
        before, after = soft.get_submodule(name).weight, hardened.get_submodule(name).weight
        assert not torch.equal(before, after)
        largest = before.flatten(1).abs().amax(1).view(-1, *(1,) * (before.dim() - 1))
        assert ((before - after).abs() <= 1.001 * 2**-15 * largest).all()


def test_the_journal_has_a_record_per_epoch(finished: RunFolder) -> None:
    records = finished.journal.records()
    assert [(record["stage"], record["epoch"], record["step"]) for record in records] == [
        *[("relu", 1, 6), ("phase1", 1, 12), ("phase1", 2, 18), ("phase2", 1, 24), ("classifier", 1, 30)]
    ]
    for record in records:
        assert record["measured_on"] == "test"
        assert {"train_loss", "lr", "images_per_second", "soft"} <= record.keys()
        assert ("census" in record) is (record["stage"] != "relu")
        assert ("steps" in record) is ("slopes" in record) is (record["stage"].startswith("phase"))
    growing = [record["slopes"]["act3"]["mean"] for record in records if "slopes" in record]
    assert growing == sorted(growing)
    assert growing[0] < growing[-1]


def test_a_run_is_the_same_however_often_it_is_measured(tiny: Tiny, finished: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "seldom")
    fit(tiny(classifier={"epochs": 1}, measure_every=2), folder)
    records = folder.journal.records()
    # The first epoch of phase 1 is no second one, and not the last of its stage.
    assert ["soft" in record for record in records] == [True, False, True, True, True]
    assert not {"steps", "census"} & records[1].keys()
    assert numbers(folder) == numbers(finished)
    assert [record for record in journal(folder) if "soft" in record] == [
        record for at, record in enumerate(journal(finished)) if at != 1
    ]
    assert rows(folder) == rows(finished)


def test_a_resumed_run_may_be_measured_at_other_epochs(tiny: Tiny, finished: RunFolder, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    with pytest.raises(OSError, match="the power is gone"):
        fit(tiny(classifier={"epochs": 1}), folder, reporter=StopAt(9, crash))
    fit(tiny(classifier={"epochs": 1}, measure_every=2, checkpoint_steps=5), folder, resume=True)
    assert numbers(folder) == numbers(finished)


def test_the_same_recipe_gives_the_same_run(tiny: Tiny, finished: RunFolder, tmp_path: Path) -> None:
    again = RunFolder(tmp_path / "again")
    fit(tiny(classifier={"epochs": 1}), again)
    assert numbers(again) == numbers(finished)
    assert journal(again) == journal(finished)
    assert rows(again) == rows(finished)


def test_the_callers_random_state_and_threads_are_left_alone(tiny: Tiny, tmp_path: Path) -> None:
    torch.manual_seed(11)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    handler = signal.getsignal(signal.SIGINT)
    short = tiny(baseline={"enabled": False}, phase1={"epochs": 1}, phase2={"epochs": 0}, threads=3)
    fit(short, RunFolder(tmp_path / "a"))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert RunFolder(tmp_path / "a").threads() == 3
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_classifier_is_tuned_on_frozen_features(finished: RunFolder, tiny: Tiny, tmp_path: Path) -> None:
    plain = RunFolder(tmp_path / "plain")
    fit(tiny(), plain)
    before, after = numbers(plain)["hardened.safetensors"], numbers(finished)["hardened.safetensors"]
    assert {name for name in before if before[name] != after[name]} == {"fc4.weight", "fc4.bias"}


def test_only_the_last_layer_with_a_classifier(tiny: Tiny, tmp_path: Path) -> None:
    options = {"layers": "last", "baseline": {"enabled": False}, "phase1": {"epochs": 1}}
    folders = [RunFolder(tmp_path / name) for name in ("plain", "tuned")]
    fit(tiny(**options), folders[0])
    results = fit(tiny(**options, classifier={"epochs": 1}), folders[1])
    hardened = load_model(folders[1].path, "hardened")
    kinds = {name: type(hardened.get_submodule(name)) for name in ("act1", "act2", "act3")}
    assert kinds == {"act1": BoundedRectifier, "act2": BoundedRectifier, "act3": Step}
    assert 1 < results["rows"][-1]["bits_per_activation"] < 32
    grown = folders[0].journal.records()[-1]["slopes"]
    assert grown["act3"]["min"] > 0.5
    before, after = (numbers(folder)["hardened.safetensors"] for folder in folders)
    assert {name for name in before if before[name] != after[name]} == {"fc4.weight", "fc4.bias"}
    for folder in folders:
        soft = numbers(folder)["model.safetensors"]
        assert all(
            numbers(folder)["hardened.safetensors"][f"{name}.weight"] == soft[f"{name}.weight"] for name in HIDDEN
        )
        found = folder.results()
        assert found is not None
        assert (found["compiled"], found["not_compiled"]) == (None, "some hidden activations are real numbers")
        assert "compiled" not in [row["name"] for row in found["rows"]]
        assert not folder.compiled_file.exists()


def test_a_binary_network_that_fits_no_plan_ends_its_run_all_the_same(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise UsageError("Layer 'act1' is too wide.", "Make it narrower.")

    monkeypatch.setattr(OUTCOME, "compiled", refuse)
    folder = RunFolder(tmp_path / "a")
    results = fit(tiny(baseline={"enabled": False}, phase1={"epochs": 0}, phase2={"epochs": 0}), folder)
    assert (results["compiled"], results["not_compiled"]) == (None, "Layer 'act1' is too wide.")
    assert results["rows"][-1]["name"] == "steps, recalibrated"
    assert not folder.compiled_file.exists()
    assert "Not compiled: Layer 'act1' is too wide." in (folder.path / "README.md").read_text("utf-8")


def test_a_validation_split_is_measured_instead_of_the_test_set(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    short = tiny(validation=0.25, baseline={"enabled": False}, phase1={"epochs": 1}, phase2={"epochs": 0})
    results = fit(short, folder)
    assert results["measured_on"] == "validation"
    assert all(record["measured_on"] == "validation" for record in folder.journal.records())
    counts = {row["metrics"]["count"] for row in results["rows"]}
    assert len(counts) == 1
    assert counts.pop() == pytest.approx(30, abs=5)
    # 120 pictures less those make four batches of 20.
    assert folder.journal.records()[0]["step"] == 4


def test_phases_without_epochs(tiny: Tiny, tmp_path: Path) -> None:
    none = tiny(baseline={"enabled": False}, phase1={"epochs": 0}, phase2={"epochs": 0}, net={"batch_norm": False})
    results = fit(none, RunFolder(tmp_path / "a"))
    assert [row["name"] for row in results["rows"]] == ["phase1", "phase1 steps", "phase2", "phase2 steps", "compiled"]
    assert on_grids(load_model(tmp_path / "a", "hardened"))


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_adamw_and_centred_codes_without_batch_norm(tiny: Tiny, tmp_path: Path, name: str) -> None:
    recipe = tiny(
        optimizer={"name": name},
        init="he",
        net={"batch_norm": False, "centred": True},
        baseline={"enabled": False},
        phase1={"epochs": 1, "lr": 1e-3},
        phase2={"lr": 1e-3},
    )
    whole, parted = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parted")
    fit(recipe, whole)
    with pytest.raises(Interrupted):
        fit(recipe, parted, reporter=StopAt(8, interrupt))
    fit(recipe, parted, resume=True)
    assert numbers(parted) == numbers(whole)


# straight-through steps


STRAIGHT = {"net": {"activation": "straight-through"}, "classifier": {"epochs": 1}}


@pytest.fixture(scope="module")
def straight(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished tiny run of straight-through steps; not to be written to."""
    folder = RunFolder(tmp_path_factory.mktemp("straight") / "few")
    fit(tiny(**STRAIGHT), folder)
    return folder


def test_straight_through_steps_have_rows_of_steps_only(straight: RunFolder, finished: RunFolder) -> None:
    found = {row["name"]: row for row in rows(straight)}
    assert list(found) == [
        *("relu", "phase1 steps", "phase2 steps", "steps, recalibrated", "steps, classifier tuned", "compiled"),
    ]
    assert found["relu"] == rows(finished)[0]
    for name in set(found) - {"relu"}:
        assert (found[name]["bits_per_activation"], found[name]["census"]["level"]) == (1, 1)
    for record in straight.journal.records():
        assert "slopes" not in record
        if record["stage"].startswith("phase"):
            assert record["soft"]["top1"] == record["steps"]["top1"]
            assert record["census"]["level"] == 1


def test_networks_of_straight_through_steps_are_read_back(straight: RunFolder, few_digits: Path) -> None:
    kinds = {name: type(load_model(straight.path, name).get_submodule("act2")) for name in ("model", "hardened")}
    assert kinds == {"model": StraightThroughStep, "hardened": Step}
    assert isinstance(load_model(straight.path, "relu").get_submodule("act2"), nn.ReLU)
    found = {row["name"]: row["metrics"] for row in rows(straight)}
    test = load(few_digits, "test")
    assert evaluate(load_model(straight.path, "phase1"), test)[0].top1 == found["phase1 steps"]["top1"]
    assert (load_network(straight.compiled_file).predict(test.images) == test.labels).mean() == pytest.approx(
        found["compiled"]["top1"]
    )
    assert "straight-through steps" in (straight.path / "README.md").read_text("utf-8")


@pytest.mark.parametrize("step", [9, 21, 27])
def test_a_run_of_straight_through_steps_ends_with_the_same_numbers_wherever_it_stops(
    tiny: Tiny, straight: RunFolder, tmp_path: Path, step: int
) -> None:
    recipe, folder = tiny(**STRAIGHT), RunFolder(tmp_path / "a")
    with pytest.raises(OSError, match="the power is gone"):
        fit(recipe, folder, reporter=StopAt(step, crash))
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(straight)
    assert journal(folder) == journal(straight)
    assert rows(folder) == rows(straight)


def test_straight_through_steps_before_which_there_are_relus(tiny: Tiny, tmp_path: Path) -> None:
    options = {"baseline": {"enabled": False}, "phase1": {"epochs": 1}, "phase2": {"epochs": 0}, "layers": "last"}
    folder = RunFolder(tmp_path / "a")
    with pytest.raises(UsageError, match="does not go with straight-through steps"):
        fit(tiny(net={"activation": "straight-through"}, **options), folder)
    assert not folder.path.exists()
    results = fit(tiny(net={"activation": "straight-through", "rectified": "last"}, **options), folder)
    assert results["not_compiled"] == "some hidden activations are real numbers"


# weights of ±1


SIGNS = {
    "thresholded": {"weights": {"kind": "thresholded", "epochs": 1, "others": "fixed", "growth": 0.5}},
    "learned": {
        "weights": {"kind": "learned", "epochs": 2, "slope": 20.0, "lr": 1e-3},
        "average": {"decay": 0.5, "start": 0.4},
        "classifier": {"epochs": 1},
    },
}
READING_BITS = ("conv2", "fc3", "fc4")


def signed(tiny: Tiny, kind: str, **more: Any) -> Recipe:
    """The recipe of a kind of weights, its other stages as short as can be."""
    short = {"baseline": {"enabled": False}, "phase1": {"epochs": 1}, "phase2": {"epochs": 1}}
    return tiny(**{**short, **SIGNS[kind], **more})


@pytest.fixture(scope="module")
def signs(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """Finished tiny runs with weights of ±1, by kind; not to be written to."""
    folders = {kind: RunFolder(tmp_path_factory.mktemp(kind) / "few") for kind in SIGNS}
    for kind, folder in folders.items():
        fit(signed(tiny, kind), folder)
    return folders


@pytest.mark.parametrize("kind", SIGNS)
def test_weights_of_one_bit_leave_rows_files_and_a_network(
    signs: dict[str, RunFolder], few_digits: Path, kind: str
) -> None:
    folder = signs[kind]
    found = {row["name"]: row for row in rows(folder)}
    tuned = ["steps, classifier tuned"] if kind == "learned" else []
    before = ["phase1", "phase1 steps", "phase2", "phase2 steps", "steps, recalibrated", *tuned]
    assert list(found) == [*before, "weights", "weights steps", "weights steps, recalibrated", "compiled"]
    assert found["weights steps"]["weight_bytes"] < 0.25 * found["phase2 steps"]["weight_bytes"]
    assert found["weights"]["bits_per_activation"] == 32
    soft, hardened = (load_model(folder.path, name) for name in ("weights", "hardened"))
    for name in READING_BITS:
        for network in (soft, hardened):
            sizes = network.get_submodule(name).weight.detach().flatten(1).abs()
            assert (sizes == sizes[:, :1]).all()
    assert isinstance(soft.get_submodule("act2"), BoundedRectifier)
    assert isinstance(hardened.get_submodule("act2"), Step)
    test = load(few_digits, "test")
    assert evaluate(soft, test)[0].loss == pytest.approx(found["weights"]["metrics"]["loss"], rel=1e-5)
    network, results = load_network(folder.compiled_file), folder.results()
    assert results is not None
    assert (results["compiled"]["bits_differ"], results["compiled"]["predictions_differ"]) == (0, 0)
    terms = [term for layer in network.plan.sums_made for term in layer.terms]
    assert [term.is_sign for term in terms] == [False, True, True, True]


@pytest.mark.parametrize("kind", SIGNS)
def test_the_journal_tells_how_many_weights_are_of_one_size(signs: dict[str, RunFolder], kind: str) -> None:
    records = [record for record in signs[kind].journal.records() if record["stage"] == "weights"]
    assert ["weights" in record for record in signs[kind].journal.records()].count(True) == len(records) > 0
    for name in READING_BITS:
        shares = [record["weights"][name] for record in records]
        assert shares == sorted(shares)
        assert 0.5 < shares[-1] <= 1
        assert (shares[0] == 1) is (kind == "thresholded")
    assert records[-1]["weights"]["conv1"] < 0.2


def test_thresholded_weights_are_those_of_phase_2_and_the_first_layer_is_fixed(signs: dict[str, RunFolder]) -> None:
    soft, before = (load_model(signs["thresholded"].path, name) for name in ("weights", "model"))
    for name in READING_BITS:
        one, two = (network.get_submodule(name).weight for network in (soft, before))
        assert torch.equal(one.sign(), torch.where(two >= 0, 1.0, -1.0))
    assert torch.equal(soft.get_submodule("conv1").weight, before.get_submodule("conv1").weight)
    assert not torch.equal(soft.get_submodule("act2").slope, before.get_submodule("act2").slope)
    grown = [record["slopes"]["act3"]["mean"] for record in signs["thresholded"].journal.records()]
    assert grown[-1] > grown[-2] + 1


def test_learned_weights_are_others_and_the_first_layer_learns_too(signs: dict[str, RunFolder]) -> None:
    soft, before = (load_model(signs["learned"].path, name) for name in ("weights", "model"))
    changed = [
        (soft.get_submodule(name).weight.sign() != before.get_submodule(name).weight.sign()).any()
        for name in READING_BITS
    ]
    assert any(changed)
    assert not torch.equal(soft.get_submodule("conv1").weight, before.get_submodule("conv1").weight)


@pytest.mark.parametrize(
    ("kind", "step", "act"),
    [
        ("thresholded", 13, "stop"),
        ("thresholded", 16, "crash"),
        ("learned", 19, "crash"),
        ("learned", 23, "stop"),
        ("learned", 29, "crash"),
    ],
)
def test_a_run_with_weights_of_one_bit_ends_with_the_same_numbers_wherever_it_stops(
    tiny: Tiny, signs: dict[str, RunFolder], tmp_path: Path, kind: str, step: int, act: str
) -> None:
    recipe, folder = signed(tiny, kind), RunFolder(tmp_path / "a")
    with pytest.raises((Interrupted, OSError)):
        fit(recipe, folder, reporter=StopAt(step, interrupt if act == "stop" else crash))
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(signs[kind])
    assert journal(folder) == journal(signs[kind])
    assert rows(folder) == rows(signs[kind])


def test_a_crash_while_weights_are_decided(
    tiny: Tiny, signs: dict[str, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, folder = signed(tiny, "learned"), RunFolder(tmp_path / "a")
    real = OUTCOME.save_model
    with monkeypatch.context() as patch:
        patch.setattr(
            OUTCOME, "save_model", lambda path, *rest: (real(path, *rest), path.stem == "weights" and crash())
        )
        with pytest.raises(OSError, match="the power is gone"):
            fit(recipe, folder)
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(signs["learned"])
    assert rows(folder) == rows(signs["learned"])


def test_weights_of_one_bit_behind_straight_through_steps(tiny: Tiny, tmp_path: Path) -> None:
    recipe = signed(tiny, "learned", net={"activation": "straight-through"}, average={"decay": 0.0})
    results = fit(recipe, RunFolder(tmp_path / "a"))
    names = [row["name"] for row in results["rows"]]
    assert names[-3:] == ["weights steps", "weights steps, recalibrated", "compiled"]
    assert "weights" not in names
    assert results["compiled"]["predictions_differ"] == 0


# levers

ALL = {
    "augment": {"crop": 0},
    "net": {"dropout": 0.25},
    "optimizer": {"weight_decay": 1e-3, "weight_decay_end": 0.0},
    "loss": {"label_smoothing": 0.1, "distillation": 0.5},
    "average": {"decay": 0.8, "start": 0.4},
    "phase1": {"epochs": 2, "growth_end": 5e-2, "front": 1.0, "hold": 1e-3, "entropy": 0.05},
    "phase2": {"epochs": 2, "slope_end": 3.0, "front": 0.5, "grown": 0.75, "settle": True, "noise": 0.5, "hold": 1e-3},
    "classifier": {"epochs": 1},
}


@pytest.fixture(scope="module")
def short_hold() -> Iterator[None]:
    """Means over four steps, so that growth is held in runs of a few steps too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("firebit.train.assemble.Hold", partial(Hold, window=4))
        yield


@pytest.fixture(scope="module")
def levered(tiny: Tiny, short_hold: None, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished tiny run with every lever in use; not to be written to."""
    folder = RunFolder(tmp_path_factory.mktemp("levers") / "few")
    fit(tiny(**ALL), folder)
    return folder


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"loss": {"label_smoothing": 0.1}}, {"relu", "phase1", "model", "hardened"}),
        ({"loss": {"distillation": 0.5}}, {"phase1", "model", "hardened"}),
        ({"loss": {"distillation": 0.5, "temperature": 1.0}}, {"phase1", "model", "hardened"}),
        ({"average": {"decay": 0.5}}, {"relu", "phase1", "model", "hardened"}),
        ({"optimizer": {"weight_decay_end": 0.0}}, {"relu", "phase1", "model", "hardened"}),
        ({"net": {"dropout": 0.5}}, {"relu", "phase1", "model", "hardened"}),
        ({"phase2": {"growth_end": 1e-3}}, {"model", "hardened"}),
        ({"phase2": {"growth_end": 1e-3, "front": 2.0}}, {"model", "hardened"}),
        ({"phase2": {"slope_end": 2.0}}, {"model", "hardened"}),
        ({"phase2": {"noise": 0.5}}, {"model", "hardened"}),
        ({"autocast": True}, {"relu", "phase1", "model", "hardened"}),
        ({"phase2": {"hold": 1e-6}}, {"model", "hardened"}),
        ({"phase2": {"entropy": 0.1}}, {"model", "hardened"}),
    ],
)
def test_a_lever_moves_what_it_is_for_and_nothing_before(
    tiny: Tiny,
    finished: RunFolder,
    short_hold: None,
    bfloat16: None,
    tmp_path: Path,
    changes: dict[str, Any],
    changed: set[str],
) -> None:
    folder = RunFolder(tmp_path / "a")
    fit(tiny(classifier={"epochs": 1}, **changes), folder)
    before, after = numbers(finished), numbers(folder)
    assert {name for name in before if before[name] != after[name]} == {
        *(f"{name}.safetensors" for name in changed),
        "model.firebit",
    }


@pytest.mark.parametrize("own", [{"optimizer": "adamw"}, {"weight_decay": 0.5}])
def test_an_optimizer_of_the_baselines_own_changes_the_baseline_alone(
    tiny: Tiny, finished: RunFolder, tmp_path: Path, own: dict[str, Any]
) -> None:
    folder = RunFolder(tmp_path / "a")
    fit(tiny(classifier={"epochs": 1}, baseline=own), folder)
    before, after = numbers(finished), numbers(folder)
    assert {name for name in before if before[name] != after[name]} == {"relu.safetensors"}


def test_front_and_temperature_are_seen_in_the_numbers(tiny: Tiny, tmp_path: Path) -> None:
    base = {"baseline": {"epochs": 1}, "phase1": {"epochs": 1, "growth_end": 1e-1}, "phase2": {"epochs": 0}}
    found = []
    for name, more in (
        ("plain", {"loss": {"distillation": 0.5}}),
        ("front", {"loss": {"distillation": 0.5}, "phase1": {**base["phase1"], "front": 1.0}}),
        ("warm", {"loss": {"distillation": 0.5, "temperature": 9.0}}),
    ):
        folder = RunFolder(tmp_path / name)
        fit(tiny(**{**base, **more}), folder)
        found.append(numbers(folder)["phase1.safetensors"])
    assert found[0] != found[1] != found[2] != found[0]


def test_levers_at_rest_give_the_numbers_of_a_recipe_without_them(
    tiny: Tiny, finished: RunFolder, tmp_path: Path
) -> None:
    folder, phase = RunFolder(tmp_path / "a"), {"front": 1.0, "hold": 0.0}
    recipe = tiny(
        classifier={"epochs": 1},
        net={"dropout": 0.0},
        loss={"label_smoothing": 0.0, "distillation": 0.0, "temperature": 2.0, "teacher": "nowhere"},
        average={"decay": 0.0, "start": 0.0},
        phase1=phase,
        phase2=phase,
    )
    fit(recipe, folder)
    assert numbers(folder) == numbers(finished)
    assert journal(folder) == journal(finished)
    assert rows(folder) == rows(finished)


def test_the_averaged_network_is_measured_saved_and_hardened(tiny: Tiny, levered: RunFolder, few_digits: Path) -> None:
    records = levered.journal.records()
    # Of the six steps of relu, the twelve of a phase and the six of the classifier averaging leaves out 40 %.
    assert [(r["stage"], r["epoch"], r.get("averaged", False)) for r in records] == [
        *[("relu", 1, True), ("phase1", 1, True), ("phase1", 2, True), ("phase2", 1, True), ("phase2", 2, True)],
        ("classifier", 1, True),
    ]
    last = {record["stage"]: record for record in records}
    found = {row["name"]: row["metrics"] for row in rows(levered)}
    test = load(few_digits, "test")
    for name, stage in (("relu", "relu"), ("phase1", "phase1"), ("model", "phase2")):
        assert evaluate(load_model(levered.path, name), test)[0].loss == pytest.approx(last[stage]["soft"]["loss"])
        assert found[stage]["loss"] == pytest.approx(last[stage]["soft"]["loss"])
    assert found["phase1 steps"]["loss"] == pytest.approx(last["phase1"]["steps"]["loss"])
    assert found["steps, classifier tuned"]["loss"] == pytest.approx(last["classifier"]["soft"]["loss"], rel=1e-3)


def test_averaging_that_has_not_begun_is_not_measured(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    recipe = tiny(average={"decay": 0.8, "start": 0.5}, baseline={"enabled": False}, phase2={"epochs": 0})
    fit(recipe, folder)
    assert [record.get("averaged", False) for record in folder.journal.records()] == [False, True]
    newest = newest_checkpoint(folder.checkpoints)
    assert newest is not None
    saved = numbers(folder)
    averaged = {name: value.numpy().tobytes() for name, value in newest.average.items()}
    assert averaged == saved["phase1.safetensors"]
    assert averaged != {name: value.numpy().tobytes() for name, value in newest.model.items()}
    # A phase without epochs hands on what it was given: the average.
    assert saved["model.safetensors"] == averaged


def test_growth_that_is_held_says_so(levered: RunFolder) -> None:
    held = [record["held"] for record in levered.journal.records() if record["stage"].startswith("phase")]
    assert len(held) == 4
    assert held[0] <= held[1]
    assert 0 < max(held) < 12
    assert all("held" not in record for record in levered.journal.records() if "slopes" not in record)


def test_another_run_teaches_as_the_own_baseline_does_even_when_it_is_gone(
    tiny: Tiny, finished: RunFolder, tmp_path: Path
) -> None:
    own, other = RunFolder(tmp_path / "own"), RunFolder(tmp_path / "other")
    shutil.copytree(finished.path, tmp_path / "teacher")
    fit(tiny(loss={"distillation": 0.5}), own)
    recipe = tiny(loss={"distillation": 0.5, "teacher": str(tmp_path / "teacher")}, baseline={"enabled": False})
    with pytest.raises(Interrupted):
        fit(recipe, other, reporter=StopAt(3, interrupt))
    shutil.rmtree(tmp_path / "teacher")
    fit(recipe, other, resume=True)
    found, expected = numbers(other), numbers(own)
    assert found["teacher.safetensors"] == expected["relu.safetensors"]
    for name in ("phase1", "model", "hardened"):
        assert found[f"{name}.safetensors"] == expected[f"{name}.safetensors"]
    listed = (other.path / "README.md").read_text("utf-8")
    assert "teacher.safetensors" in listed


def test_a_teacher_that_was_not_copied_yet_is_copied_on_resume(
    tiny: Tiny, finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "a")
    recipe = tiny(loss={"distillation": 0.5, "teacher": str(finished.path)}, baseline={"enabled": False})
    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "keep_teacher", lambda *_: crash())
        with pytest.raises(OSError, match="the power is gone"):
            fit(recipe, folder)
    fit(recipe, folder, resume=True)
    assert numbers(folder)["teacher.safetensors"] == numbers(finished)["relu.safetensors"]


@pytest.mark.parametrize(
    ("step", "act"), [(3, "stop"), (5, "crash"), (11, "crash"), (17, "stop"), (22, "crash"), (34, "stop")]
)
def test_a_run_with_every_lever_ends_with_the_same_numbers_wherever_it_stops(
    tiny: Tiny, levered: RunFolder, tmp_path: Path, step: int, act: str
) -> None:
    recipe, folder = tiny(**ALL), RunFolder(tmp_path / "a")
    with pytest.raises((Interrupted, OSError)):
        fit(recipe, folder, reporter=StopAt(step, interrupt if act == "stop" else crash))
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(levered)
    assert journal(folder) == journal(levered)
    assert rows(folder) == rows(levered)


@pytest.mark.parametrize("stage", ["relu", "phase1", "hardened"])
def test_a_crash_while_a_stage_with_every_lever_ends(
    tiny: Tiny, levered: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    recipe, folder = tiny(**ALL), RunFolder(tmp_path / "a")
    real = OUTCOME.save_model
    with monkeypatch.context() as patch:
        patch.setattr(OUTCOME, "save_model", lambda path, *rest: (real(path, *rest), path.stem == stage and crash()))
        with pytest.raises(OSError, match="the power is gone"):
            fit(recipe, folder)
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(levered)
    assert journal(folder) == journal(levered)
    assert rows(folder) == rows(levered)


# stopping and going on


@pytest.mark.parametrize("step", [1, 6, 8, 18, 23, 25])
def test_an_interrupted_run_ends_with_the_same_numbers(
    tiny: Tiny, finished: RunFolder, tmp_path: Path, step: int
) -> None:
    recipe, folder = tiny(classifier={"epochs": 1}), RunFolder(tmp_path / "a")
    with pytest.raises(Interrupted):
        fit(recipe, folder, reporter=StopAt(step, interrupt if step % 2 else terminate))
    found = newest_checkpoint(folder.checkpoints)
    assert found is not None
    assert found.progress.steps == step
    assert folder.results() is None
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(finished)
    assert journal(folder) == journal(finished)
    assert rows(folder) == rows(finished)


def test_a_run_stopped_again_and_again(tiny: Tiny, finished: RunFolder, tmp_path: Path) -> None:
    recipe, folder, resume = tiny(classifier={"epochs": 1}), RunFolder(tmp_path / "a"), False
    for step in (2, 3, 9, 13, 22, 28):
        with pytest.raises(Interrupted):
            fit(recipe, folder, resume=resume, reporter=StopAt(step, interrupt))
        resume = True
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(finished)
    assert journal(folder) == journal(finished)


@pytest.mark.parametrize("step", [3, 11, 25])
def test_a_crash_between_checkpoints_ends_with_the_same_numbers(
    tiny: Tiny, finished: RunFolder, tmp_path: Path, step: int
) -> None:
    recipe, folder = tiny(classifier={"epochs": 1}), RunFolder(tmp_path / "a")
    with pytest.raises(OSError, match="the power is gone"):
        fit(recipe, folder, reporter=StopAt(step, crash))
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(finished)
    assert journal(folder) == journal(finished)


def test_a_crash_after_the_journal_and_before_any_checkpoint(
    tiny: Tiny, finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, folder = tiny(classifier={"epochs": 1}), RunFolder(tmp_path / "a")

    class Crash(Silent):
        def epoch(self, record: dict[str, Any]) -> None:
            raise OSError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(MODULE, "save_checkpoint", lambda *_: None)
        with pytest.raises(OSError, match="the power is gone"):
            fit(recipe, folder, reporter=Crash())
    assert len(folder.journal.records()) == 1
    assert newest_checkpoint(folder.checkpoints) is None
    fit(recipe, folder, resume=True)
    assert journal(folder) == journal(finished)
    assert numbers(folder) == numbers(finished)


@pytest.mark.parametrize("stage", ["relu", "phase1", "hardened"])
def test_a_crash_while_a_stage_ends(
    tiny: Tiny, finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    recipe, folder = tiny(classifier={"epochs": 1}), RunFolder(tmp_path / "a")
    real = OUTCOME.save_model

    def save(path: Path, *arguments: Any) -> None:
        real(path, *arguments)
        if path.stem == stage:
            crash()

    with monkeypatch.context() as patch:
        patch.setattr(OUTCOME, "save_model", save)
        with pytest.raises(OSError, match="the power is gone"):
            fit(recipe, folder)
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(finished)
    assert rows(folder) == rows(finished)


@pytest.mark.parametrize("at", ["compiled", "compiled_row", "model_card", "save", "rename"])
def test_a_crash_after_training_leaves_the_compiled_network_to_the_resumed_run(
    tiny: Tiny, finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    recipe, folder = tiny(classifier={"epochs": 1}), RunFolder(tmp_path / "a")
    with monkeypatch.context() as patch:
        if at == "save":
            patch.setattr("firebit.engine.plan.Plan.save", lambda *_: crash())
        elif at == "rename":
            patch.setattr("firebit.files._sync_folder", lambda _: folder.compiled_file.exists() and crash())
        else:
            patch.setattr(MODULE if at == "model_card" else OUTCOME, at, lambda *_: crash())
        with pytest.raises((OSError, FirebitError), match="the power is gone"):
            fit(recipe, folder)
    assert folder.compiled_file.exists() is (at in ("compiled_row", "model_card", "rename"))
    assert folder.results() is None
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(finished)
    assert folder.compiled_file.read_bytes() == finished.compiled_file.read_bytes()
    assert rows(folder) == rows(finished)


def test_a_damaged_checkpoint_is_passed_over(tiny: Tiny, finished: RunFolder, tmp_path: Path) -> None:
    recipe, folder = tiny(classifier={"epochs": 1}), RunFolder(tmp_path / "a")
    with pytest.raises(Interrupted):
        fit(recipe, folder, reporter=StopAt(23, interrupt))
    newest = max((folder.path / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(finished)
    assert journal(folder) == journal(finished)


def test_a_resumed_run_computes_with_as_many_threads_as_it_began_with(tiny: Tiny, tmp_path: Path) -> None:
    recipe, folder, found = tiny(threads=None), RunFolder(tmp_path / "a"), []
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(Interrupted):
            fit(recipe, folder, reporter=StopAt(3, interrupt))
        torch.set_num_threads(1)
        with pytest.raises(Interrupted):
            fit(
                recipe,
                folder,
                resume=True,
                reporter=StopAt(4, lambda: found.append(torch.get_num_threads()) or interrupt()),
            )
        assert (found, torch.get_num_threads()) == ([2], 1)
    finally:
        torch.set_num_threads(before)


def test_what_a_killed_writer_left_is_removed(tiny: Tiny, tmp_path: Path) -> None:
    recipe, folder = tiny(), RunFolder(tmp_path / "a")
    with pytest.raises(Interrupted):
        fit(recipe, folder, reporter=StopAt(23, interrupt))
    left = [
        folder.path / ".model.safetensors.ab12cd_9.part",
        folder.path / ".model.firebit.ab12cd_9.part",
        folder.checkpoints / ".000000024.safetensors.abcdefgh.part",
    ]
    for path in left:
        path.write_bytes(b"half")
    fit(recipe, folder, resume=True)
    assert not any(path.exists() for path in left)


def test_a_finished_run_returns_its_results(tiny: Tiny, finished: RunFolder, few_digits: Path) -> None:
    before = numbers(finished)
    assert fit(tiny(classifier={"epochs": 1}), finished, resume=True) == finished.results()
    # Even where the data are gone.
    assert fit(tiny(classifier={"epochs": 1}, data="nowhere"), finished, resume=True) == finished.results()
    assert numbers(finished) == before


# refusals


@pytest.fixture
def stopped(tiny: Tiny, tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "stopped")
    with pytest.raises(Interrupted):
        fit(tiny(), folder, reporter=StopAt(5, interrupt))
    return folder


def test_resuming_with_another_recipe_is_refused(tiny: Tiny, stopped: RunFolder) -> None:
    with pytest.raises(UsageError, match="The recipe differs"):
        fit(tiny(seed=1), stopped, resume=True)


def test_resuming_with_other_data_is_refused(tiny: Tiny, few_digits: Path, tmp_path: Path) -> None:
    data, folder = tmp_path / "digits", RunFolder(tmp_path / "run")
    shutil.copytree(few_digits, data)
    recipe = tiny(data=str(data))
    with pytest.raises(Interrupted):
        fit(recipe, folder, reporter=StopAt(5, interrupt))
    pixels = data / "train-images-idx3-ubyte"
    content = bytearray(pixels.read_bytes())
    content[-1] ^= 1
    pixels.write_bytes(content)
    with pytest.raises(UsageError, match="are not those"):
        fit(recipe, folder, resume=True)


def test_resuming_what_is_not_there(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run directory"):
        fit(tiny(), RunFolder(tmp_path / "none"), resume=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "kind", "problem"),
    [
        ({"data": "nowhere"}, DataError, "There is no data set or folder 'nowhere'"),
        ({"net": {"name": "lenett"}}, UsageError, "There is no network 'lenett'"),
        ({"batch": 121}, UsageError, "fewer than one batch of 121"),
        ({"net": {"name": "cifar10_quick"}}, UsageError, "cifar10_quick takes pictures of 32×32"),
        ({"layers": ["act9"]}, UsageError, "layers='act9' matches no bounded rectifier"),
        (
            {"loss": {"distillation": 0.5}, "baseline": {"enabled": False}},
            UsageError,
            "loss.distillation = 0.5 has no teacher",
        ),
        ({"weights": {"kind": "learned", "scaled": False}}, UsageError, "Weights that are learned have a scale"),
        ({"weights": {"kind": "thresholded", "exclude": ["conv9"]}}, UsageError, "'conv9' matches no layer"),
        ({"loss": {"distillation": 0.5, "teacher": "nowhere"}}, UsageError, "'nowhere' is not a run directory"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    tiny: Tiny, tmp_path: Path, changes: dict[str, Any], kind: type[FirebitError], problem: str
) -> None:
    with pytest.raises(kind, match=problem) as caught:
        fit(tiny(**changes), RunFolder(tmp_path / "a"))
    assert len(str(caught.value).splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_test_set_of_other_pictures_is_refused(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from firebit.train import pictures

    def load_two(name: str, split: str, **options: Any) -> Any:
        found = load("digits", split).subset(np.arange(60))
        return found if split == "train" else type(found)(found.images[..., :20], found.labels, found.classes, "odd")

    monkeypatch.setattr(pictures, "load", load_two)
    with pytest.raises(DataError, match="odd has pictures of 1×28×20 in 10 classes"):
        fit(tiny(), RunFolder(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "ranks", "reason"),
    [
        ({}, 3, "A batch of 20 does not divide into equal parts for 3 ranks × accumulate = 1"),
        ({"accumulate": 4}, 2, "A batch of 20 does not divide into equal parts for 2 ranks × accumulate = 4"),
        ({}, 20, "each of two or more pictures"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(
    tiny: Tiny, tmp_path: Path, changes: dict[str, Any], ranks: int, reason: str
) -> None:
    with pytest.raises(UsageError) as caught:
        prepared(tiny(**changes), RunFolder(tmp_path / "a"), Ranks(0, ranks))
    assert reason in caught.value.problem
    suggested = int(re.findall(r"batch=(\d+)", caught.value.remedy)[0])
    parts = ranks * changes.get("accumulate", 1)
    assert suggested % parts == 0
    assert suggested >= 2 * parts


def test_an_existing_directory_is_refused(tiny: Tiny, finished: RunFolder) -> None:
    before = numbers(finished)
    with pytest.raises(UsageError, match="exists"):
        fit(tiny(), finished)
    assert numbers(finished) == before


# divergence and full disks


def finite(folder: RunFolder) -> bool:
    checkpoints = list(folder.checkpoints.iterdir())
    return bool(checkpoints) and all(
        bool(value.isfinite().all()) for path in checkpoints for value in load_checkpoint(path).model.values()
    )


@pytest.mark.parametrize("steps", [1, 100])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_diverged_run_keeps_the_last_good_checkpoint(
    tiny: Tiny, tmp_path: Path, steps: int, batch_norm: bool
) -> None:
    folder = RunFolder(tmp_path / "a")
    recipe = tiny(
        baseline={"enabled": False},
        phase1={"lr": 1e-3},
        phase2={"lr": 1e30, "epochs": 2, "schedule": "constant"},
        net={"batch_norm": batch_norm},
        checkpoint_steps=steps,
    )
    with pytest.raises(DivergedError, match="in phase2, ") as caught:
        fit(recipe, folder)
    assert "phase2.lr" in caught.value.remedy
    assert finite(folder)
    assert folder.results() is None
    assert all(record["stage"] == "phase1" for record in folder.journal.records())


def test_a_network_lost_in_the_last_step_of_an_epoch_is_neither_recorded_nor_saved(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    recipe = tiny(
        batch=120,
        baseline={"enabled": False},
        phase1={"epochs": 1},
        phase2={"lr": 1e38, "schedule": "constant"},
        net={"batch_norm": False},
        optimizer={"weight_decay": 0.0},
    )
    with pytest.raises(DivergedError, match=r"The loss on the test set is .* in phase2, after epoch 1") as caught:
        fit(recipe, folder)
    assert len(str(caught.value).splitlines()) == 2
    assert finite(folder)
    assert len(folder.journal.records()) == 1


def test_a_full_disk_leaves_the_old_checkpoint_whole(
    tiny: Tiny, finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, folder = tiny(classifier={"epochs": 1}), RunFolder(tmp_path / "a")
    real = os.fsync

    def full(descriptor: int) -> None:
        if any(re.search(r"\.000000016\.", path.name) for path in folder.checkpoints.glob(".*")):
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("firebit.files.os.fsync", full)
        with pytest.raises(FirebitError, match=r"No space left to write .*000000016") as caught:
            fit(recipe, folder)
    assert caught.value.exit_code == 1
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == [
        "000000008.safetensors",
        "000000012.safetensors",
    ]
    assert load_checkpoint(folder.checkpoints / "000000012.safetensors").progress.steps == 12
    fit(recipe, folder, resume=True)
    assert numbers(folder) == numbers(finished)
    assert journal(folder) == journal(finished)
