"""Encoders of photos: what they give, how they are kept, what they refuse."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import firebit as fb
from firebit.errors import ModelFileError, UsageError
from firebit.files import load_tensors, save_tensors
from firebit.search.codes import unpack
from firebit.search.evaluate import Projection, lsh
from firebit.train import encoder as module
from firebit.train.encoder import Encoder, is_encoder, load_encoder, of_head, of_projection
from firebit.train.head import HeadOptions, train_head
from firebit.zoo.backbone import Backbone


@pytest.fixture(autouse=True)
def published(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published weights, as if they were those of this test."""

    def found(name: str, side: int | None = None) -> Backbone:
        other = Backbone(name, side).eval()
        other.network.load_state_dict(backbone.network.state_dict())
        return other.requires_grad_(False)

    monkeypatch.setattr(module, "pretrained", found)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 3, 40, 30), np.uint8)


@pytest.fixture(scope="module")
def features(backbone: Backbone, pictures: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return backbone(torch.from_numpy(pictures).float() / 255).numpy()


def learned(backbone: Backbone, features: np.ndarray, **options: Any) -> Encoder:
    labels = np.arange(len(features)) % 3
    return of_head(backbone, train_head(features, labels, 3, HeadOptions(bits=20, epochs=2, batch=8, **options)))


@pytest.mark.parametrize("hidden", [0, 16])
def test_codes_are_those_of_the_head_on_the_features(
    backbone: Backbone, features: np.ndarray, pictures: np.ndarray, hidden: int
) -> None:
    encoder = learned(backbone, features, hidden=hidden)
    found = encoder.codes(pictures)
    assert (encoder.bits, found.shape) == (20, (24, 3))
    # Batches of another size round features differently in the last bits.
    assert (unpack(found, 20) == unpack(encoder.codes_of_features(features), 20)).mean() > 0.98
    with torch.inference_mode():
        bits = encoder(torch.from_numpy(pictures[:16]).float() / 255)
    np.testing.assert_array_equal(bits.numpy(), unpack(found[:16], 20))


def test_reals_have_the_sign_of_the_bit(backbone: Backbone, features: np.ndarray, pictures: np.ndarray) -> None:
    encoder = learned(backbone, features)
    np.testing.assert_array_equal(encoder.reals(pictures) >= 0, unpack(encoder.codes(pictures), 20))


def test_an_encoder_of_a_projection_gives_its_codes(backbone: Backbone, features: np.ndarray) -> None:
    projection = lsh(features, 16)
    encoder = of_projection(backbone, projection)
    found = unpack(encoder.codes_of_features(features), 16)
    assert (found == unpack(projection.codes(features), 16)).mean() > 0.99


@pytest.mark.parametrize("hidden", [0, 16])
def test_a_saved_encoder_comes_back(
    backbone: Backbone, features: np.ndarray, pictures: np.ndarray, tmp_path: Path, hidden: int
) -> None:
    encoder = learned(backbone, features, hidden=hidden)
    encoder.save(tmp_path / "e")
    again = load_encoder(tmp_path / "e")
    assert is_encoder(tmp_path / "e")
    assert again.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(again.codes(pictures), encoder.codes(pictures))


def test_a_projection_comes_back(backbone: Backbone, features: np.ndarray, tmp_path: Path) -> None:
    encoder = of_projection(backbone, lsh(features, 16))
    encoder.save(tmp_path / "e")
    np.testing.assert_array_equal(
        load_encoder(tmp_path / "e").codes_of_features(features), encoder.codes_of_features(features)
    )


def test_photos_come_from_files_and_memory(backbone: Backbone, features: np.ndarray, tmp_path: Path) -> None:
    encoder = learned(backbone, features)
    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 60, 3), np.uint8))
    photo.save(tmp_path / "a.png")
    one, other = encoder.codes([tmp_path / "a.png"]), encoder.codes([photo])
    np.testing.assert_array_equal(one, other)
    assert encoder.codes([]).shape == (0, 3)


def test_fingerprints_tell_encoders_apart(backbone: Backbone, features: np.ndarray) -> None:
    first, second = learned(backbone, features), learned(backbone, features, seed=1)
    assert first.fingerprint == learned(backbone, features).fingerprint
    assert first.fingerprint != second.fingerprint
    larger = Backbone("efficientnet_lite0", 64)
    larger.network.load_state_dict(backbone.network.state_dict())
    assert Encoder(larger, first.head).fingerprint != first.fingerprint


def test_compile_names_the_first_layer_of_real_values(backbone: Backbone, features: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"'backbone\.network\.stem\.act' .* is a ReLU"):
        fb.compile(learned(backbone, features), torch.zeros(1, 3, 32, 32))


def test_baselines_and_other_backbones_are_no_encoders(backbone: Backbone, features: np.ndarray) -> None:
    with pytest.raises(UsageError, match="'relu' gives no bits"):
        learned(backbone, features, activation="relu")
    with pytest.raises(UsageError, match="4 features"):
        of_projection(backbone, Projection(np.ones((2, 4)), np.zeros(2)))
    tuned = Backbone("efficientnet_lite0", 32)
    with pytest.raises(UsageError, match="other weights than the published"):
        Encoder(tuned, learned(backbone, features).head).save(Path("nowhere"))


def test_files_that_describe_no_encoder_are_refused(backbone: Backbone, features: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "e"
    learned(backbone, features).save(path)
    tensors, record = load_tensors(path)
    bad: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        (tensors, {**record, "format": 9}, "format 1"),
        (tensors, {**record, "backbone": "resnet"}, "no backbone 'resnet'"),
        (tensors, {**record, "backbone": 3}, "not described"),
        (tensors, {**record, "side": 1}, "too small"),
        (tensors, {**record, "fingerprint": "0"}, "another encoder"),
        ({**tensors, "fc_code.weight": np.zeros((20, 7), np.float32)}, record, r"shape \(20, 7\)"),
        ({**tensors, "code.threshold": np.full(20, np.nan)}, record, "not a number"),
        ({name: array for name, array in tensors.items() if name != "fc_code.weight"}, record, "fc_code"),
    ]
    for content, facts, problem in bad:
        save_tensors(path, content, facts)
        with pytest.raises(ModelFileError, match=problem):
            load_encoder(path)
    path.write_bytes(b"no file of ours")
    assert not is_encoder(path)
