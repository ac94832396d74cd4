"""The model card says what was trained, how well, and with what."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from firebit.train import RunFolder, fit
from firebit.train.card import model_card
from firebit.train.recipe import Recipe, make_recipe

Tiny = Callable[..., Recipe]


def test_the_card_of_a_run(finished: RunFolder) -> None:
    card = (finished.path / "README.md").read_text("utf-8")
    results, recipe = finished.results(), finished.recipe()
    assert results is not None
    assert card == model_card(recipe, results, finished)
    assert card.startswith("# lenet on few-train\n")
    assert "Binary layers: every hidden layer. Seed 0, one run, last epoch." in card
    assert "Measured on the test set (60 pictures)." in card
    for row in results["rows"]:
        assert f"| {100 * row['metrics']['top1']:.2f} | {100 * row['metrics']['top5']:.2f} |" in card
    assert f"SHA-256 `{finished.data_fingerprint()}`" in card
    assert str(finished.path.parent) not in card


def test_the_card_holds_the_recipe(finished: RunFolder) -> None:
    card = (finished.path / "README.md").read_text("utf-8")
    block = card.split("```toml\n")[1].split("```")[0]
    assert make_recipe(tomllib.loads(block)) == finished.recipe()


def test_the_card_names_files_that_exist(finished: RunFolder) -> None:
    card = (finished.path / "README.md").read_text("utf-8")
    listed = card.split("## Files")[1].split("##")[0].split("`")[1::2]
    assert {
        "model.firebit",
        "model.safetensors",
        "hardened.safetensors",
        "relu.safetensors",
        "phase1.safetensors",
    } <= set(listed)
    assert all((finished.path / name).is_file() for name in listed)


def test_the_card_of_a_relu_network_alone_names_no_others(tiny: Tiny, tmp_path: Path) -> None:
    recipe = tiny(baseline={"epochs": 1}, phase1={"epochs": 0}, phase2={"epochs": 0})
    folder = RunFolder(tmp_path / "relu")
    results = fit(recipe, folder)
    assert [row["name"] for row in results["rows"]] == ["relu"]
    assert results["not_compiled"] == "It is a ReLU network: the recipe has no phases."
    card = (folder.path / "README.md").read_text("utf-8")
    listed = card.split("## Files")[1].split("##")[0].split("`")[1::2]
    assert listed[0] == "relu.safetensors" and all((folder.path / name).is_file() for name in listed)
    assert "Binary layers: none." in card


def test_a_run_without_average_and_teacher_says_so_by_saying_nothing(finished: RunFolder) -> None:
    card = (finished.path / "README.md").read_text("utf-8")
    assert "aught" not in card
    assert "teacher.safetensors" not in card


def test_the_card_says_what_was_averaged_and_who_taught(finished: RunFolder) -> None:
    results = finished.results()
    assert results is not None
    recipe = make_recipe({"average": {"decay": 0.99}, "loss": {"distillation": 0.25}})
    card = model_card(recipe, results, finished)
    assert "one run, moving average of the weights (decay 0.99).\n" in card
    assert "Taught by its own ReLU baseline: 25 % of the loss.\n" in card
    assert "teacher.safetensors" not in card
    narrow = make_recipe({"loss": {"distillation": 1}, "baseline": {"width": 0.5}})
    assert "Taught by its own ReLU baseline, of width 0.5: 100 %" in model_card(narrow, results, finished)
    other = model_card(make_recipe({"loss": {"distillation": 1, "teacher": "runs/wide"}}), results, finished)
    assert "one run, last epoch.\n" in other
    assert "Taught by the ReLU baseline of another run: 100 % of the loss.\n" in other
    assert "- `teacher.safetensors`: the ReLU network it learned from\n" in other


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        ({"kind": "learned"}, "±1 times a scale per output channel, learned; real: the first layer's."),
        ({"kind": "thresholded", "scaled": False, "first": True}, "±1, thresholded."),
        (
            {"kind": "thresholded", "last": False, "exclude": ["conv2"]},
            "±1 times a scale per output channel, thresholded; "
            "real: the first layer's, the last layer's, those of conv2.",
        ),
    ],
)
def test_the_card_says_what_became_of_the_weights(finished: RunFolder, weights: dict[str, object], line: str) -> None:
    results = finished.results()
    assert results is not None
    card = model_card(make_recipe({"weights": weights}), results, finished)
    assert f"\nWeights: {line}\n" in card
    assert "- `hardened.safetensors`: the network with steps and weights of ±1\n" in card
    assert "- `weights.safetensors`" in card
    assert "Weights:" not in model_card(make_recipe({}), results, finished)


@pytest.mark.parametrize(
    ("layers", "text"),
    [("last", "the last hidden layer"), (["act1", "act3"], "act1, act3"), ("all", "every hidden layer")],
)
def test_which_layers_are_binary(finished: RunFolder, layers: str | list[str], text: str) -> None:
    results = finished.results()
    assert results is not None
    recipe = make_recipe({"layers": layers, "baseline": {"enabled": False}})
    card = model_card(recipe, results, finished)
    assert f"Binary layers: {text}." in card
    assert "relu.safetensors" not in card


def test_the_card_says_how_the_compiled_network_agrees(finished: RunFolder) -> None:
    results, recipe = finished.results(), finished.recipe()
    assert results is not None
    assert "\nPredictions that differ between torch (float64) and compiled: 0 of 60.\n" in model_card(
        recipe, results, finished
    )
    three = {**results, "compiled": {**results["compiled"], "predictions_differ": 3}}
    assert "compiled: 3 of 60.\n" in model_card(recipe, three, finished)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            {"compiled": None, "not_compiled": "Layer 'Act1' is too wide."},
            "\nNot compiled: Layer 'Act1' is too wide.\n",
        ),
        ({"compiled": None}, "\nNot compiled: some hidden activations are real numbers.\n"),
        ({}, ""),
    ],
)
def test_the_card_of_a_run_without_a_compiled_network(finished: RunFolder, more: dict[str, object], line: str) -> None:
    results = finished.results()
    assert results is not None
    rows = [row for row in results["rows"] if row["name"] != "compiled"]
    old = {key: value for key, value in results.items() if key not in ("compiled", "not_compiled")}
    card = model_card(finished.recipe(), {**old, "rows": rows, **more}, finished)
    assert line in card
    assert "model.firebit" not in card
    assert ("ompiled" in card) is bool(line)
