from pathlib import Path

import numpy as np
import pytest

from firebit.data import ImageSet
from firebit.engine.plan import Input, Layer, Plan, Term
from firebit.errors import UsageError
from firebit.search.codes import unpack
from firebit.search.evaluate.coder import compiled_coder

WEIGHTS = np.random.default_rng(0).integers(-9, 10, (10, 48), np.int16)
LAST = np.random.default_rng(1).integers(-9, 10, (12, 10), np.int16)


def file(folder: Path, second: str = "code") -> Path:
    """Ten units on 4 × 4 pictures in colour, and twelve that read them."""
    one = Layer("fire", (Term("input", WEIGHTS),), np.zeros((1, 10), np.int32), np.ones(10, np.int8))
    two = Layer(second, (Term("fire", LAST),), np.ones((1, 12), np.int32), np.ones(12, np.int8))
    path = folder / "net.firebit"
    Plan(Input((3, 4, 4)), (one, two)).save(path)
    return path


@pytest.fixture
def pictures() -> ImageSet:
    images = np.random.default_rng(2).integers(0, 256, (9, 3, 4, 4), np.uint8)
    return ImageSet(images, np.arange(9) % 2, ("a", "b"), "noise")


def test_codes_are_the_layer_and_features_the_bits_before(tmp_path: Path, pictures: ImageSet) -> None:
    made = compiled_coder(file(tmp_path))
    found = made.run(pictures)
    before = pictures.images.reshape(9, -1).astype(int) @ WEIGHTS.T >= 0
    np.testing.assert_array_equal(found.features, before)
    np.testing.assert_array_equal(unpack(found.codes, 12), before.astype(int) @ LAST.T >= 1)
    assert (made.bits, made.size) == (12, 4)


def test_the_first_layer_shows_no_features(tmp_path: Path, pictures: ImageSet) -> None:
    made = compiled_coder(file(tmp_path), "fire")
    assert made.run(pictures).features is None
    assert made.bits == 10


def test_without_a_layer_of_codes_it_is_the_last(tmp_path: Path, pictures: ImageSet) -> None:
    assert compiled_coder(file(tmp_path, "other")).bits == 12
    with pytest.raises(UsageError, match="'nothing'"):
        compiled_coder(file(tmp_path), "nothing")
