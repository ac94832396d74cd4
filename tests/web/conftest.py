"""A network that can be understood by hand, pictures for it, and a finished run that has both.

Pictures are 8 × 8 and grey; a picture of class c is bright in quadrant c (left to right, top to bottom) and dark
elsewhere. Unit c < 4 fires where quadrant c is bright, unit 4 always, unit 5 never; the logit of class c is 2 where
unit c fires.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firebit.data import ImageSet
from firebit.engine.network import Network
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.explain import Explanation, explain

CLASSES = ("north <script>alert(1)</script>", "east", "south", "west & co")
PER_CLASS = 40


def quadrant(index: int) -> NDArray[np.bool_]:
    """Which of 8 × 8 cells lie in a quadrant."""
    mask = np.zeros((8, 8), bool)
    row, column = divmod(index, 2)
    mask[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = True
    return mask


def picture(index: int, bright: int = 200, dark: int = 20) -> NDArray[np.uint8]:
    """A picture (1, 8, 8) of a class."""
    return np.where(quadrant(index), bright, dark).astype(np.uint8)[None]


def quadrant_plan(classes: tuple[str, ...] = CLASSES) -> Plan:
    """The network of this module: a quadrant is bright where its 16 pixels add up to 1,600 or more."""
    weights = np.zeros((6, 64), np.int16)
    for index in range(4):
        weights[index] = quadrant(index).reshape(-1)
    weights[5] = -1
    threshold = np.array([[1600, 1600, 1600, 1600, 0, 1]], np.int32)
    layer = Layer("fire", (Term("input", weights),), threshold, np.array([1, 1, 1, 1, 0, 1], np.int8))
    votes = np.zeros((4, 6), np.int16)
    votes[:, :4] = 4 * np.eye(4, dtype=np.int16)
    return Plan(Input((1, 8, 8)), (layer,), Logits("vote", (Term("fire", votes),), 0.5, np.zeros(4)), classes)


@pytest.fixture
def network() -> Network:
    """The network."""
    return Network(quadrant_plan(), threads=1)


@pytest.fixture
def pictures() -> ImageSet:
    """40 pictures of each class, no two alike, the last of class 0 labelled as class 1."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), PER_CLASS)
    images = np.stack([picture(index, *bright_dark) for index, bright_dark in zip(labels, _shades(rng), strict=True)])
    labels[PER_CLASS - 1] = 1
    return ImageSet(images, labels.astype(np.int64), CLASSES, "quadrants-test")


def _shades(rng: np.random.Generator) -> list[tuple[int, int]]:
    bright, dark = rng.permutation(4 * PER_CLASS) % 100 + 150, rng.permutation(4 * PER_CLASS) % 50
    return list(zip(bright.tolist(), dark.tolist(), strict=True))


@pytest.fixture
def made(network: Network, pictures: ImageSet) -> Explanation:
    """What is known of the network's units."""
    return explain(network, pictures.images, pictures.labels, pictures.classes, share=0.9, permutations=5)


def scores(top1: float, loss: float = 0.5) -> dict[str, Any]:
    return {"loss": loss, "top1": top1, "top5": 1.0, "count": 160}


def levels(level: float) -> dict[str, Any]:
    layer = {
        **{"units": 6, "level": level, "binary_share": {"0.9": 0.5, "0.99": 0.25, "0.999": 0.0}},
        **{"ones_share": 0.375, "constant_units": 2, "always_zero": 1, "always_one": 1, "shape": [6], "count": 160},
    }
    return {"units": 6, "level": level, "ones_share": 0.375, "constant_units": 2, "layers": {"fire": layer}}


def row(name: str, top1: float, level: float | None, bits: float) -> dict[str, Any]:
    census = None if level is None else levels(level)
    size = {"bits_per_activation": bits, "activation_bytes": 6 * bits / 8, "weight_bytes": 2048}
    return {"name": name, "metrics": scores(top1), "census": census, **size}


def results() -> dict[str, Any]:
    return {
        "data": "quadrants-train",
        "measured_on": "test",
        "seed": 3,
        "net": "four <b>corners</b>",
        "layers": "all",
        "seconds": 90.0,
        "rows": [
            row("relu", 0.9, None, 32.0),
            row("phase1", 0.7, 0.4, 32.0),
            row("phase2", 0.8, 0.9, 32.0),
            row("phase2 steps", 0.75, 1.0, 1.0),
            row("compiled", 0.7625, 1.0, 1.0),
        ],
        "compiled": {"pictures": 160, "predictions_differ": 2},
        "not_compiled": None,
    }


def epochs() -> list[dict[str, Any]]:
    def epoch(stage: str, number: int, top1: float, level: float | None) -> dict[str, Any]:
        found = {"stage": stage, "epoch": number, "train_loss": 1 / number, "measured_on": "test", "soft": scores(top1)}
        return found if level is None else {**found, "steps": scores(top1 / 2), "census": levels(level)}

    relu = [epoch("relu", n, 0.5 + n / 10, None) for n in (1, 2, 3, 4)]
    return [*relu, epoch("phase1", 1, 0.5, 0.2), *(epoch("phase2", n, 0.6 + n / 20, 0.3 + n / 10) for n in (1, 2, 3))]


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """The directory of a finished run."""
    folder = tmp_path / "runs" / "corners"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text('data = "quadrants" # <script>alert(2)</script>\n')
    (folder / "results.json").write_text(json.dumps(results()))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs()))
    (folder / "environment.json").write_text(json.dumps({"torch": "9.9", "cores": 2, "data": "ab" * 32}))
    quadrant_plan().save(folder / "model.firebit")
    return folder
