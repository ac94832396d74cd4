"""Image folders: layouts, and every way to be wrong."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firebit.data import folder
from firebit.errors import DataError, UsageError

Picture = Callable[..., Path]


@pytest.fixture
def animals(tmp_path: Path, picture: Picture) -> Path:
    for part, numbers in (("train", (1, 2)), ("test", (7,))):
        for label, name in enumerate(("cat", "dog")):
            for number in numbers:
                picture(tmp_path / part / name / f"{number}.png", 10 * number + label)
    return tmp_path


def test_reads_both_splits(animals: Path) -> None:
    train = folder.read(animals, "train", "animals-train")
    assert train.images.shape == (4, 3, 4, 6)
    assert train.images[:, 0, 0, 0].tolist() == [10, 20, 11, 21]
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert train.classes == ("cat", "dog")
    assert train.skipped == ()
    assert folder.read(animals, "test", "x").images[:, 0, 0, 0].tolist() == [70, 71]


def test_val_is_the_test_set_where_there_is_no_test(animals: Path, picture: Picture) -> None:
    picture(animals / "val" / "cat" / "1.png", 99)
    picture(animals / "val" / "dog" / "1.png", 98)
    assert folder.read(animals, "test", "x").images[0, 0, 0, 0] == 70
    (animals / "test").rename(animals / "elsewhere")
    assert folder.read(animals, "test", "x").images[0, 0, 0, 0] == 99


def test_a_missing_split(animals: Path) -> None:
    (animals / "test").rename(animals / "elsewhere")
    assert len(folder.read(animals, "train", "x")) == 4
    with pytest.raises(DataError, match="no folder test or val in"):
        folder.read(animals, "test", "x")


def test_class_folders_alone_are_split(tmp_path: Path, picture: Picture) -> None:
    for name in ("cat", "dog"):
        for number in range(10):
            picture(tmp_path / name / f"{number}.png", number)
    train, test = (folder.read(tmp_path, part, "x") for part in ("train", "test"))
    assert np.bincount(train.labels).tolist() == [8, 8]
    assert np.bincount(test.labels).tolist() == [2, 2]
    for label in (0, 1):
        values = [part.images[part.labels == label, 0, 0, 0].tolist() for part in (train, test)]
        assert sorted(values[0] + values[1]) == list(range(10))
    assert folder.read(tmp_path, "test", "x").fingerprint() == test.fingerprint()


def test_other_files_are_left_alone(animals: Path) -> None:
    (animals / "train" / "cat" / ".hidden.png").write_bytes(b"")
    (animals / "train" / "cat" / "notes.txt").write_text("hello")
    (animals / "train" / ".cache").mkdir()
    (animals / "train" / "cat" / "deeper").mkdir()
    (animals / "train" / "list.csv").write_text("hello")
    assert len(folder.read(animals, "train", "x")) == 4


def test_all_grey_stays_grey_and_a_mixture_becomes_rgb(tmp_path: Path, picture: Picture) -> None:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            picture(tmp_path / part / name / "1.png", 5, mode="L")
    assert folder.read(tmp_path, "train", "x").images.shape == (2, 1, 4, 6)
    # A coloured picture in the test set makes the training set RGB too: a network must fit both.
    picture(tmp_path / "test" / "dog" / "2.png", 6)
    train = folder.read(tmp_path, "train", "x")
    assert train.images.shape == (2, 3, 4, 6)
    assert (train.images == 5).all()


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_picture_of_another_size(animals: Path, picture: Picture, part: str) -> None:
    path = picture(animals / part / "dog" / "9.png", 0, (7, 5))
    with pytest.raises(DataError, match=r"9\.png is 7 × 5 pixels, other pictures are 6 × 4") as caught:
        folder.read(animals, "train", "x")
    assert str(path) in caught.value.problem
    assert "size=4" in caught.value.remedy
    assert folder.read(animals, "train", "x", size=3).images.shape[1:] == (3, 3, 3)


def test_one_class_only(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "train" / "cat" / "1.png")
    with pytest.raises(DataError, match=r"one class folder only \('cat'\)"):
        folder.read(tmp_path, "train", "x")
    with pytest.raises(DataError, match="no class folders"):
        folder.read(tmp_path / "train" / "cat", "train", "x")


def test_classes_that_differ(animals: Path, picture: Picture) -> None:
    picture(animals / "test" / "emu" / "1.png")
    with pytest.raises(DataError, match="'emu' is in one only"):
        folder.read(animals, "train", "x")


def test_an_empty_class(animals: Path) -> None:
    (animals / "train" / "emu").mkdir()
    with pytest.raises(DataError, match="emu holds no pictures"):
        folder.read(animals, "train", "x")


def test_a_broken_picture_is_named_or_skipped(animals: Path) -> None:
    broken, cut = animals / "train" / "cat" / "3.png", animals / "train" / "dog" / "3.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"train/cat/3\.png") as caught:
        folder.read(animals, "train", "x")
    assert caught.value.remedy.endswith("on_bad_image='skip'.")
    noise = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:70])  # its header is whole
    broken.unlink()
    with pytest.raises(DataError, match=r"train/dog/3\.png") as caught:
        folder.read(animals, "train", "x")
    assert caught.value.remedy.endswith("on_bad_image='skip'.")
    broken.write_bytes(b"no picture")
    data = folder.read(animals, "train", "x", on_bad_image="skip")
    assert data.skipped == ("train/cat/3.png", "train/dog/3.png")
    assert data.images[:, 0, 0, 0].tolist() == [10, 20, 11, 21]
    assert data.labels.tolist() == [0, 0, 1, 1]


def test_another_format_is_not_silently_left_out(animals: Path) -> None:
    Image.new("RGB", (6, 4)).save(animals / "train" / "cat" / "3.gif")
    with pytest.raises(DataError, match=r"3\.gif"):
        folder.read(animals, "train", "x")
    assert folder.read(animals, "train", "x", on_bad_image="skip").skipped == ("train/cat/3.gif",)


def test_nothing_but_broken_pictures(animals: Path) -> None:
    for path in animals.glob("train/*/*"):
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of 4 pictures can be read"):
        folder.read(animals, "train", "x", on_bad_image="skip")


def test_more_pictures_than_memory(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("firebit.data.folder.np.empty", refuse)
    with pytest.raises(DataError, match=r"need 0\.0 GB"):
        folder.read(animals, "train", "x")


def test_an_unknown_way_with_bad_pictures(animals: Path) -> None:
    with pytest.raises(UsageError, match="on_bad_image='ignore'"):
        folder.read(animals, "train", "x", on_bad_image="ignore")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_folder_that_cannot_be_opened(animals: Path) -> None:
    (animals / "train").chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        folder.read(animals, "train", "x")
