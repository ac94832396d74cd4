"""Pictures as data addresses."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from firebit.web.heat import palette
from firebit.web.picture import data_address, heat_address, shrunk


def opened(address: str) -> Image.Image:
    head, _, body = address.partition(";base64,")
    assert head in ("data:image/png", "data:image/webp")
    return Image.open(BytesIO(b64decode(body)))


@pytest.mark.parametrize("channels", [1, 3])
def test_small_pictures_keep_every_pixel(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 9, 12), np.uint8)
    found = np.asarray(opened(data_address(pixels)).convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(found, np.broadcast_to(pixels, (3, 9, 12)))


def test_large_pictures_are_small_in_bytes() -> None:
    smooth = np.broadcast_to(np.arange(256, dtype=np.uint8), (3, 256, 256))
    address = data_address(smooth)
    found = np.asarray(opened(address).convert("RGB")).transpose(2, 0, 1)
    assert found.shape == (3, 256, 256)
    assert np.abs(found.astype(int) - smooth).mean() < 4
    assert len(address) < 6_000


def test_a_matrix_of_shares() -> None:
    found = opened(heat_address(np.array([[0.0, 1.0, np.nan], [0.5, 2.0, -1.0]])))
    colours = palette()
    expected = [[colours[0], colours[255], colours[0]], [colours[128], colours[255], colours[0]]]
    assert np.asarray(found.convert("RGB")).tolist() == [[list(colour) for colour in row] for row in expected]


MATRIX: NDArray[np.float64] = np.array([[0, 1, 4], [4, 5, 6], [7, 9, 10.5]])


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        # Blocks of 2 × 2; those at the end are smaller.
        ((2, 2), [[2.5, 5.0], [8.0, 10.5]]),
        ((1, 3), [[11 / 3, 5.0, 20.5 / 3]]),
    ],
)
def test_means_over_blocks(most: tuple[int, int], expected: list[list[float]]) -> None:
    assert shrunk(MATRIX, most) == pytest.approx(np.array(expected))


def test_what_is_small_enough_stays() -> None:
    assert shrunk(MATRIX, (3, 3)) is MATRIX
