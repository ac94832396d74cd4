"""Which pictures a source has."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firebit as fb
from firebit.errors import DataError, UsageError
from firebit.search.encode.pictures import Picture, find, pixels


def png(grey: int = 0, size: tuple[int, int] = (8, 6)) -> bytes:
    out = io.BytesIO()
    Image.new("L", size, grey).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = ["b/2.png", "a/1.PNG", "top.png", "a/deep/3.jpg", ".hidden/4.png", "a/.5.png", "a/notes.txt"]
    for number, name in enumerate(files):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    return tmp_path / "photos"


def test_a_folder_with_all_below_it(folder: Path) -> None:
    found = find(folder)
    assert [(picture.id, picture.label) for picture in found] == [
        ("a/1.PNG", "a"),
        ("a/deep/3.jpg", "deep"),
        ("b/2.png", "b"),
        ("top.png", ""),
    ]
    assert pixels(found[2], (1, 6, 8)).tolist() == np.zeros((1, 6, 8)).tolist()


def test_archives(tmp_path: Path) -> None:
    for name in ("1.tar", "2.tar"):
        with tarfile.open(tmp_path / name, "w") as tar:
            for number, inner in enumerate(["x/b.png", "x/a.png", "readme.txt", "x/.c.png"]):
                content = png(10 * number + 1)
                entry = tarfile.TarInfo(inner)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    found = find(tmp_path)
    assert [picture.id for picture in found] == ["1.tar/x/a.png", "1.tar/x/b.png", "2.tar/x/a.png", "2.tar/x/b.png"]
    assert [int(pixels(picture, (1, 6, 8))[0, 0, 0]) for picture in found] == [11, 1, 11, 1]
    assert {picture.label for picture in found} == {"x"}
    assert find(tmp_path / "1.tar") == found[:2]


def test_a_data_set_by_name() -> None:
    found = find("digits")
    train, test = (fb.data.load("digits", split) for split in ("train", "test"))
    assert len(found) == len(train) + len(test)
    by_id = {picture.id: picture for picture in found}
    for part, name in ((train, "train"), (test, "test")):
        picture = by_id[f"{name}/{7:07}"]
        assert picture.label == part.classes[part.labels[7]]
        assert np.array_equal(pixels(picture, (1, 28, 28)), part.images[7])
    with pytest.raises(UsageError, match="takes"):
        pixels(found[0], (3, 32, 32))


@pytest.mark.parametrize("name", ["none", "file.txt", "cut.tar", "empty"])
def test_sources_without_pictures(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "cut.tar").write_bytes(b"x" * 700)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=name):
        find(tmp_path / name)


def test_pictures_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    (folder / "torn.png").write_bytes(png()[:40])
    for picture in (
        Picture("torn.png", "", str(folder / "torn.png")),
        Picture("x", "", str(folder / "torn.png"), 0, 40),
    ):
        with pytest.raises(DataError):
            pixels(picture, (1, 6, 8))
    odd = os.fsdecode(b"\xff.png")
    with pytest.raises(DataError, match="not UTF-8"):
        pixels(Picture(odd, "", str(folder / "b" / "2.png")), (1, 6, 8))
    with pytest.raises(DataError, match="limit"):
        pixels(Picture("big.png", "", str(folder / "torn.png"), 0, 1 << 40), (1, 6, 8))
