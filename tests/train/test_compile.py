"""The end of a run: what can be compiled, and figures of a plan against a count by hand and against torch."""

from collections.abc import Callable
from math import exp, log1p
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from firebit.data import ImageSet, load
from firebit.engine.cost import cost
from firebit.engine.plan import INPUT, Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.errors import DataError, UsageError
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.train import Recipe, RunFolder, evaluate, fit, load_model_file
from firebit.train.compile import compiled, compiled_row, held_out, is_binary, measured, recipe_of

Tiny = Callable[..., Recipe]


@pytest.fixture
def plan() -> Plan:
    """Two pixels → two bits → two classes: the first fires iff p₀ > p₁, the second always."""
    weights = np.array([[1, -1], [1, 1]], np.int16)
    threshold, direction = np.array([[1, 0]], np.int32), np.array([1, 0], np.int8)
    layer = Layer("act", (Term(INPUT, weights),), threshold, direction)
    last = Logits("fc", (Term("act", np.array([[3, 0], [0, 1]], np.int16)),), 1.0, np.zeros(2))
    return Plan(Input((1, 1, 2)), (layer,), last, ("left", "right"))


@pytest.fixture
def pictures() -> ImageSet:
    """Named right, wrong and right: logits are (3, 1) where the first bit fires, (0, 1) elsewhere."""
    pixels = np.array([[5, 0], [0, 5], [255, 255]], np.uint8).reshape(3, 1, 1, 2)
    return ImageSet(pixels, np.array([0, 0, 1]), ("left", "right"), "three")


@pytest.mark.parametrize(
    ("activations", "binary"),
    [
        ([Step(torch.zeros(2), torch.ones(2))], True),
        ([Step(torch.zeros(2), torch.ones(2)), nn.ReLU()], False),
        ([Step(torch.zeros(2), torch.ones(2)), BoundedRectifier(2)], False),
        ([BoundedRectifier(2)], False),
    ],
)
def test_which_networks_are_binary(activations: list[nn.Module], binary: bool) -> None:
    layers = [layer for activation in activations for layer in (nn.Linear(2, 2), activation)]
    assert is_binary(nn.Sequential(*layers, nn.Linear(2, 2))) is binary


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_figures_by_hand(plan: Plan, pictures: ImageSet, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr("firebit.train.compile.batch_size", lambda _: batch)
    metrics, census = measured(plan, pictures)
    assert (metrics.top1, metrics.top5, metrics.count) == (pytest.approx(2 / 3), 1.0, 3)
    # Differences of the logits: 2 for the right class, −1 and 1.
    assert metrics.loss == pytest.approx((log1p(exp(-2)) + log1p(exp(1)) + log1p(exp(-1))) / 3)
    assert list(census.layers) == ["act"]
    layer = census.layers["act"]
    assert (layer.zeros.tolist(), layer.ones.tolist(), layer.count) == ([2, 0], [1, 3], 3)


def test_a_row_by_hand(plan: Plan, pictures: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside it, the same network in torch, that names one picture otherwise and has another bit in it."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), Step(torch.zeros(2), torch.ones(2)), nn.Linear(2, 2))
    net.load_state_dict(
        {
            "1.weight": torch.tensor([[1.0, -1.0], [1.0, 1.0]]),
            "1.bias": torch.tensor([-1 / 255, 0.0]),
            "2.threshold": torch.zeros(2, dtype=torch.float64),
            "2.direction": torch.tensor([1, 0], dtype=torch.int8),
            "3.weight": torch.tensor([[3.0, 0.0], [0.0, 1.0]]),
            "3.bias": torch.tensor([0.0, 2.5]),
        }
    )
    named = nn.Sequential()
    for name, layer in zip(("flatten", "fc1", "act", "fc"), net, strict=True):
        named.add_module(name, layer)

    class Loaded:
        model = named

    row, agreed = compiled_row(Loaded(), plan, pictures)  # type: ignore[arg-type]
    assert row["name"] == "compiled"
    assert row["metrics"]["count"] == 3
    assert row["bits_per_activation"] == 1
    assert row["activation_bytes"] == 2 / 8
    # Four signs in a byte, four weights of 16 bits; two thresholds of 32 with directions of 8; two biases of 64.
    assert row["weight_bytes"] == 1 + 4 * 2 + 2 * 5 + 2 * 8
    # The bits agree. With 2.5 more for the right, torch says (3, 3.5) to the first picture.
    assert (agreed.pictures, agreed.bits, agreed.bits_differ) == (3, 6, 0)
    assert agreed.predictions_differ == 1
    assert agreed.largest_logit_change == 2.5


def test_bits_are_counted_before_they_are_pooled(few_digits: Path, tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    recipe = tiny(net={"order": "act-first"}, baseline={"enabled": False}, phase1={"epochs": 0}, phase2={"epochs": 0})
    row = fit(recipe, folder)["rows"][-1]
    loaded = load_model_file(folder.model_file("hardened"))
    metrics, census = evaluate(loaded.model, load(few_digits, "test"))
    assert census is not None
    assert row["name"] == "compiled"
    assert row["census"] == census.to_dict()
    assert row["metrics"]["top1"] == metrics.top1


def test_the_plan_of_a_run(finished: RunFolder, few_digits: Path) -> None:
    loaded = load_model_file(finished.model_file("hardened"))
    made, report = compiled(loaded)
    assert made.classes == loaded.classes
    assert made.input.shape == (1, 28, 28)
    assert report.cost == cost(made)
    assert report.agreement is None
    test = load(few_digits, "test")
    metrics, census = measured(made, test)
    expected, counted = evaluate(loaded.model, test)
    assert (metrics.top1, metrics.top5, metrics.count) == (expected.top1, expected.top5, 60)
    assert metrics.loss == pytest.approx(expected.loss, rel=1e-5)
    assert counted is not None
    assert census.layers == counted.layers


@pytest.mark.parametrize(("name", "problem"), [("model", "The network is not hardened"), ("relu", "is a ReLU")])
def test_soft_networks_have_no_plan(finished: RunFolder, name: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        compiled(load_model_file(finished.model_file(name)))


@pytest.mark.parametrize("name", ["hardened", "model", "relu"])
def test_a_model_file_knows_its_recipe(finished: RunFolder, name: str) -> None:
    assert recipe_of(finished.model_file(name)) == finished.recipe()


def test_what_a_run_is_measured_on(tiny: Tiny, few_digits: Path) -> None:
    test = held_out(tiny())
    assert test.fingerprint() == load(few_digits, "test").fingerprint()
    kept = held_out(tiny(validation=0.25))
    train = {picture.tobytes() for picture in load(few_digits).images}
    assert len(kept) == pytest.approx(30, abs=5)
    assert all(picture.tobytes() in train for picture in kept.images)


def test_pictures_of_a_folder_are_brought_to_the_networks_size(tiny: Tiny, tmp_path: Path) -> None:
    from PIL import Image

    for kind in "ab":
        for split in ("train", "test"):
            (tmp_path / split / kind).mkdir(parents=True)
            Image.new("L", (50, 40), 9).save(tmp_path / split / kind / "1.png")
    changes: dict[str, Any] = {"data": str(tmp_path), "size": None}
    assert held_out(tiny(**changes)).images.shape == (2, 1, 28, 28)


def test_data_that_are_gone(tiny: Tiny) -> None:
    with pytest.raises(DataError, match="There is no data set or folder 'nowhere'"):
        held_out(tiny(data="nowhere"))
