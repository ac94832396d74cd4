"""What is written at the end of a stage, on networks that were not trained at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from firebit.data import ImageSet
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.train import Recipe, RunFolder, load_model
from firebit.train.outcome import Outcome
from firebit.train.pictures import load_pictures
from firebit.train.stage import build_network, stages

Tiny = Callable[..., Recipe]
FILES = {"relu": ["relu"], "phase1": ["phase1"], "phase2": ["hardened", "model"]}


@pytest.mark.parametrize(
    ("stage", "soft", "rows"),
    [
        ("relu", True, ["relu"]),
        ("relu", False, ["relu"]),
        ("phase1", True, ["phase1", "phase1 steps"]),
        ("phase1", False, ["phase1 steps"]),
        ("phase2", True, ["phase2", "phase2 steps"]),
        ("phase2", False, ["phase2 steps"]),
    ],
)
def test_files_and_rows_of_a_stage(
    tiny: Tiny, train_set: ImageSet, tmp_path: Path, stage: str, soft: bool, rows: list[str]
) -> None:
    recipe = tiny(net={"activation": "rectifier" if soft else "straight-through"}, recalibrate=False)
    outcome = Outcome(recipe, RunFolder(tmp_path), load_pictures(recipe))
    (made,) = [each for each in stages(recipe) if each.name == stage]
    model = build_network(recipe, train_set, made.network)
    assert [row["name"] for row in outcome.end(made, model)] == rows
    assert sorted(path.stem for path in tmp_path.iterdir()) == FILES[stage]


def test_only_the_recipes_layers_are_hardened(tiny: Tiny, train_set: ImageSet, tmp_path: Path) -> None:
    recipe = tiny(layers=["act2"])
    outcome = Outcome(recipe, RunFolder(tmp_path), load_pictures(recipe))
    (stage,) = [each for each in stages(recipe) if each.name == "phase2"]
    outcome.end(stage, build_network(recipe, train_set, "rectifier"))
    hardened = load_model(tmp_path, "hardened")
    kinds = [type(hardened.get_submodule(name)) for name in ("act1", "act2", "act3")]
    assert kinds == [BoundedRectifier, Step, BoundedRectifier]
    assert outcome.compile().reason == "some hidden activations are real numbers"
    assert outcome.example(hardened).equal(torch.zeros(1, 1, 28, 28))
