"""The shipped digits: which files, how balanced, how large, and that they are MNIST."""

import hashlib
import importlib.util
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from firebit.data import idx, load

SHA256 = {
    "train-images-idx3-ubyte.gz": "d68950891b73a707aa1eeb08a56a6895de67746027a9757bb3a6124dc302cd47",
    "train-labels-idx1-ubyte.gz": "619f7e7c9f73de14599199c5f4fd9d67e2d314dbb3e18b0065036cfaf4c31133",
    "t10k-images-idx3-ubyte.gz": "847ed130c6b4d35d50d23f51a108b8c9e12c457ee7bfad021efae554eea034ab",
    "t10k-labels-idx1-ubyte.gz": "e9d7596d5945db528833b410784c93552232fc06c2fe183cef500e2e745c4f61",
}
MNIST = Path.home() / ".cache" / "firebit" / "data" / "mnist"


def test_files_are_the_ones_that_were_built() -> None:
    folder = files("firebit.data").joinpath("digits")
    contents = {name: folder.joinpath(name).read_bytes() for name in SHA256}
    assert {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()} == SHA256
    assert sum(map(len, contents.values())) <= 1_500_000
    # No time stamp, no name: bytes 4 to 7 and flag 3 of a gzip header.
    assert all(content[3:8] == bytes(5) for content in contents.values())


@pytest.mark.parametrize(("split", "each"), [("train", 600), ("test", 200)])
def test_digits_are_balanced(split: str, each: int) -> None:
    data = load("digits", split)
    assert data.images.shape == (10 * each, 1, 28, 28)
    assert np.bincount(data.labels).tolist() == [each] * 10
    assert data.classes == tuple("0123456789")
    assert data.name == f"digits-{split}"


def test_no_picture_is_there_twice() -> None:
    images = [load("digits", split).images for split in ("train", "test")]
    assert len({image.tobytes() for part in images for image in part}) == 8000


def test_source_and_licence_are_stated() -> None:
    text = files("firebit.data").joinpath("digits", "README.md").read_text("utf-8")
    assert all(word in text for word in ("LeCun", "Cortes", "Burges", "Attribution-ShareAlike 3.0", "6,000", "2,000"))


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST in the default folder")
def test_digits_are_what_the_builder_makes_of_mnist(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "scripts" / "build_digits.py"
    if not script.is_file():
        pytest.skip("the builder is not in an installed package")
    spec = importlib.util.spec_from_file_location("build_digits", script)
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    builder.main(MNIST, tmp_path)
    for split in ("train", "test"):
        built = idx.read(tmp_path, split, tuple("0123456789"), "x")
        assert built.fingerprint() == load("digits", split).fingerprint()
        whole = idx.read(MNIST, split, tuple("0123456789"), "x")
        originals = {image.tobytes() + bytes([label]) for image, label in zip(whole.images, whole.labels, strict=True)}
        assert all(i.tobytes() + bytes([n]) in originals for i, n in zip(built.images, built.labels, strict=True))
