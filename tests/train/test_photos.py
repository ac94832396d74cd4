"""Encoders made in one go, with labels and without."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firebit.data import ImageSet
from firebit.errors import DataError, UsageError
from firebit.search.codes import unpack
from firebit.train.features import FeatureStore
from firebit.train.head import HeadOptions
from firebit.train.photos import fit, learn, photos_below
from firebit.zoo.backbone import Backbone


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 pictures in two folders, a file that is none, and what is hidden."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for index in range(20):
        place = root / ("a" if index % 2 else "b 'quoted'\nline")
        place.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 50, 3), np.uint8)).save(place / f"{index:02d}.PNG")
    (root / "broken.jpg").write_bytes(b"no picture")
    (root / "notes.txt").write_text("no picture either")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.png").write_bytes(b"")
    (root / ".x.png").write_bytes(b"")
    return root


def test_codes_are_fitted_to_photos_and_what_cannot_be_read_is_named(backbone: Backbone, folder: Path) -> None:
    told: list[tuple[int, int]] = []
    made = fit(backbone, folder, 12, told=lambda *done: told.append(done))
    assert (made.pictures, made.encoder.bits, told[-1]) == (20, 12, (21, 21))
    assert made.skipped == (folder / "broken.jpg",)
    files = [file for file in photos_below(folder) if file not in made.skipped]
    codes = made.encoder.codes(files)
    share = unpack(codes, 12).mean(axis=0)
    # ITQ sets bits around the mean: none is the same in all photos.
    assert ((share > 0) & (share < 1)).all()
    assert abs(len(np.unique(codes, axis=0)) - made.balance.distinct) <= 1


def test_photos_are_found_at_any_depth_in_order(folder: Path) -> None:
    found = photos_below(folder)
    assert len(found) == 21
    assert found[0].name == "broken.jpg"
    assert [file.name for file in found[1:11]] == [f"{index:02d}.PNG" for index in range(1, 20, 2)]


def test_folders_without_photos_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        fit(backbone, tmp_path / "nothing", 12)
    with pytest.raises(DataError, match="holds no pictures"):
        fit(backbone, tmp_path, 12)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of 1 pictures can be read"):
        fit(backbone, tmp_path, 12)


def test_more_bits_than_photos_are_refused(backbone: Backbone, folder: Path) -> None:
    with pytest.raises(UsageError, match="24 bits are more"):
        fit(backbone, folder, 24)


def test_with_labels_a_head_is_learned(backbone: Backbone, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    labels = np.arange(40) % 2
    # Bright pictures and dark ones.
    images = (random.integers(0, 100, (40, 3, 32, 32)) + 150 * labels[:, None, None, None]).astype(np.uint8)
    pictures = ImageSet(images, labels, ("dark", "bright"), "light")
    made = learn(backbone, pictures, HeadOptions(bits=12, epochs=8, batch=20), FeatureStore(tmp_path))
    bits = unpack(made.encoder.codes(images), 12).astype(int)
    within = np.abs(bits[labels == 0] - bits[0]).sum(axis=1).mean()
    between = np.abs(bits[labels == 1] - bits[0]).sum(axis=1).mean()
    assert within < between
    assert (made.pictures, made.skipped, made.balance.count) == (40, (), 40)
