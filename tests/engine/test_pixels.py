"""What pictures of every kind become, part by part; `test_network.py` holds them against the folder loader."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firebit.engine.pixels import pictures
from firebit.errors import DataError, UsageError


class Named:
    """A path whose name is bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return bytes(self.path)


def grey(path: Path, value: int) -> Path:
    Image.new("L", (2, 2), value).save(path)
    return path


def test_arrays_are_not_copied() -> None:
    images = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
    given = pictures(images, (1, 2, 4))
    assert len(given) == 3
    part = given.pixels(slice(1, 3))
    assert part.shape == (2, 1, 2, 4)
    assert part[:, 0].tolist() == images[1:].tolist()
    assert np.shares_memory(part, images)


def test_only_the_asked_part_is_read(tmp_path: Path) -> None:
    files = [grey(tmp_path / f"{value}.png", value) for value in range(4)]
    given = pictures([*files, tmp_path / "none.png"], (1, 2, 2))
    assert len(given) == 5
    assert given.pixels(slice(1, 3)).tolist() == [[[[value] * 2] * 2] for value in (1, 2)]
    assert given.pixels(slice(3, 4)).tolist() == [[[[3] * 2] * 2]]
    with pytest.raises(DataError, match=r"none\.png"):
        given.pixels(slice(4, 8))


def test_an_item_is_named_by_its_place_in_the_whole_list() -> None:
    given = pictures([np.zeros((2, 2), np.uint8)] * 5 + [np.zeros(3, np.uint8)], (1, 2, 2))
    with pytest.raises(UsageError, match=r"images\[5\] has the shape \(3,\)"):
        given.pixels(slice(4, 6))


@pytest.mark.parametrize("several", [list, tuple])
def test_lists_of_all_kinds(several: type, tmp_path: Path) -> None:
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[..., 1] = 255
    clear = np.zeros((2, 2, 4), np.uint8)
    images = [grey(tmp_path / "7.png", 7), str(tmp_path / "7.png"), Named(tmp_path / "7.png"), colours, clear]
    found = pictures(several([*images, Image.new("CMYK", (2, 2))]), (1, 2, 2)).pixels(slice(0, 6))
    # Green is 0.587 of grey; what is clear shows the white behind it; no ink is white.
    assert found[:, 0, 0, 0].tolist() == [7, 7, 7, round(0.587 * 255), 255, 255]


def test_one_picture_is_a_batch_of_one(tmp_path: Path) -> None:
    for image in (grey(tmp_path / "9.png", 9), Image.new("L", (5, 5), 9)):
        assert pictures(image, (1, 2, 2)).pixels(slice(0, 1)).tolist() == [[[[9, 9], [9, 9]]]]


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (np.float32, "multiply them by 255 if they are 0…1"),
        (bool, "multiply them by 255 and"),
        (np.uint16, "divide them by 257 if they are 16 bits"),
        (np.int64, "bring them to 0…255"),
        (np.uint32, "bring them to 0…255"),
    ],
)
def test_how_to_make_pixels_of_other_numbers(kind: type, advice: str) -> None:
    with pytest.raises(UsageError, match="they must be uint8") as caught:
        pictures(np.zeros((2, 2), kind), (1, 2, 2))
    assert advice in caught.value.remedy


@pytest.mark.parametrize("values", [[[-1, 0]], [[0, 65536]]])
def test_more_than_sixteen_bits_are_refused(values: list[list[int]]) -> None:
    image = Image.fromarray(np.array(values, np.int32))
    assert image.mode == "I"
    with pytest.raises(DataError, match=r"images\[0\] cannot be decoded: its pixels reach from"):
        pictures(image, (1, 2, 2)).pixels(slice(0, 1))


def test_a_mode_without_a_way_to_grey() -> None:
    with pytest.raises(DataError, match="LAB") as caught:
        pictures(Image.new("LAB", (2, 2)), (1, 2, 2)).pixels(slice(0, 1))
    assert "mode L or RGB" in caught.value.remedy


def test_no_pictures_of_a_network_that_sees_none() -> None:
    assert pictures([], (5,)).pixels(slice(0, 0)).shape == (0, 5)
    with pytest.raises(UsageError, match="which no picture has"):
        pictures(["a.png"], (5,))
