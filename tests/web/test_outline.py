"""Outlines of segments."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from firebit.web.outline import outline


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        (["#"], "M0 0L1 0L1 1L0 1Z"),
        (["##", "##"], "M0 0L2 0L2 2L0 2Z"),
        (["#.", "##"], "M0 0L1 0L1 1L2 1L2 2L0 2Z"),
        ([".."], ""),
    ],
)
def test_by_hand(rows: list[str], path: str) -> None:
    assert outline(np.array([[cell == "#" for cell in row] for row in rows])) == path


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7)))
def test_what_the_path_encloses_is_the_segment(mask: NDArray[np.bool_]) -> None:
    assert np.array_equal(_filled(outline(mask), mask.shape), mask)


def _filled(path: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Cells whose centres lie within an odd number of the path's polygons."""
    scale = 8
    size = shape[1] * scale, shape[0] * scale
    total = Image.new("1", size)
    for polygon in filter(None, path.split("Z")):
        corners = [(scale * int(x), scale * int(y)) for x, y in re.findall(r"(\d+) (\d+)", polygon)]
        one = Image.new("1", size)
        ImageDraw.Draw(one).polygon(corners, fill=1)
        total = ImageChops.logical_xor(total, one)
    return np.asarray(total)[scale // 2 :: scale, scale // 2 :: scale]
