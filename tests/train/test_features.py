from pathlib import Path

import numpy as np
import pytest
import torch

from firebit.data import ImageSet
from firebit.train import features as module
from firebit.train.features import FeatureStore, extract
from firebit.zoo.backbone import Backbone


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> ImageSet:
    monkeypatch.setattr(module, "_PART", 4)
    images = np.random.default_rng(0).integers(0, 256, (10, 3, 32, 32), np.uint8)
    return ImageSet(images, np.arange(10) % 2, ("a", "b"), "noise")


def test_features_are_those_of_the_backbone(backbone: Backbone, pictures: ImageSet, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = extract(backbone, pictures, FeatureStore(tmp_path), told=lambda *done: told.append(done))
    with torch.inference_mode():
        expected = backbone(torch.from_numpy(pictures.images).float() / 255).numpy()
    np.testing.assert_allclose(found, expected, atol=3e-3)
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_what_is_kept_is_not_computed_again(
    backbone: Backbone, pictures: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore(tmp_path)
    first = extract(backbone, pictures, store)
    (damaged,) = tmp_path.glob("*-00001.safetensors")
    damaged.write_bytes(damaged.read_bytes()[:-7])
    computed = []
    real = module.computed
    monkeypatch.setattr(module, "computed", lambda *given: computed.append(1) or real(*given))
    np.testing.assert_array_equal(extract(backbone, pictures, store), first)
    assert len(computed) == 1


def test_other_pictures_sides_weights_and_types_are_kept_apart(
    backbone: Backbone, pictures: ImageSet, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path)
    plain = extract(backbone, pictures, store)
    mirrored = extract(backbone, pictures, store, flipped=True)
    again = ImageSet(np.ascontiguousarray(pictures.images[..., ::-1]), pictures.labels, pictures.classes, "mirrored")
    np.testing.assert_allclose(mirrored, extract(backbone, again, store), atol=2e-3)
    larger = Backbone("efficientnet_lite0", 64).eval()
    larger.network.load_state_dict(backbone.network.state_dict())
    other = extract(larger, pictures, store)
    rough = extract(backbone, pictures, store, dtype=torch.bfloat16)
    found = [plain, mirrored, other, rough]
    assert all(not np.array_equal(a, b) for at, a in enumerate(found) for b in found[:at])
    assert len(list(tmp_path.glob("*.safetensors"))) == 5 * 3


def test_grey_pictures_become_colour(backbone: Backbone, tmp_path: Path) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (2, 1, 32, 32), np.uint8)
    one = ImageSet(grey, np.arange(2), ("a", "b"), "grey")
    three = ImageSet(np.repeat(grey, 3, axis=1), np.arange(2), ("a", "b"), "grey")
    np.testing.assert_allclose(
        extract(backbone, one, FeatureStore(tmp_path)), extract(backbone, three, FeatureStore(tmp_path)), atol=2e-3
    )
