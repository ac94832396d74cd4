"""Every recipe for ImageNet runs from folders of photographs to its results, at full resolution, for a few steps."""

from pathlib import Path

import pytest

from firebit.train import RunFolder, fit, load_recipe, recipe_names
from firebit.train.toml import quoted

pytestmark = pytest.mark.slow

RECIPES = [name for name in recipe_names() if name.startswith("imagenet-")]
CLASSES = {"n02124075": "chelsea", "n07930864": "coffee"}
"""An Egyptian cat and a cup, by their WordNet ids, and photographs of such."""

BOTH = ["phase1", "phase1 steps", "phase2", "phase2 steps"]
BINARY = [*BOTH, "steps, recalibrated", "steps, classifier tuned", "compiled"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageNet's layout: `train` and `val`, a folder of JPEGs of 256×256 per class; parts of photographs."""
    from PIL import Image
    from skimage import data

    root = tmp_path_factory.mktemp("imagenet")
    for wnid, photo in CLASSES.items():
        whole = Image.fromarray(getattr(data, photo)())
        for split, count in (("train", 2), ("val", 1)):
            (root / split / wnid).mkdir(parents=True)
            for at in range(count):
                left, top = 40 * at + (20 if split == "val" else 0), 10 * at
                part = whole.crop((left, top, left + 288, top + 288)).resize((256, 256))
                part.save(root / split / wnid / f"{wnid}_{at}.JPEG", quality=90)
    return root


def test_there_are_six() -> None:
    assert set(RECIPES) == {
        *(f"imagenet-alexnet-{kind}" for kind in ("relu", "last", "all", "all-2x")),
        *("imagenet-resnet18", "imagenet-vgg16"),
    }


@pytest.mark.parametrize(
    ("name", "narrower"),
    [*((name, 8) for name in RECIPES), pytest.param("imagenet-alexnet-all", 1, id="imagenet-alexnet-all-whole")],
)
def test_a_few_steps_of_every_recipe(photos: Path, tmp_path: Path, name: str, narrower: float) -> None:
    whole = load_recipe(name)
    used = {"phase1", "phase2"} if whole.has_phases else {"baseline"}
    used |= {"classifier"} if whole.classifier.epochs else set()
    short = [f"{table}.epochs=1" for table in used]
    width = f"net.width={whole.net.width / narrower}"
    recipe = load_recipe(name, [f"data={quoted(str(photos))}", "batch=2", "threads=1", width, *short])
    results = fit(recipe, RunFolder(tmp_path / "run"))
    rows = [row["name"] for row in results["rows"]]
    if name.endswith("-relu"):
        assert rows == ["relu"]
    elif name.endswith("-last"):
        assert rows == BOTH and results["not_compiled"] == "some hidden activations are real numbers"
    else:
        assert rows == BINARY
        assert results["compiled"]["predictions_differ"] == 0
    steps = [entry["step"] for entry in RunFolder(tmp_path / "run").journal.records()]
    assert steps == [2 * at for at in range(1, len(steps) + 1)]
