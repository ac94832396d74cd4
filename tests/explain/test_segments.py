"""Segments: every pixel in one, numbers without gaps; fillings; what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.errors import UsageError
from firebit.explain.segments import FILLS, METHODS, filling, fillings, keep, segment


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@given(st.sampled_from(METHODS), st.sampled_from([1, 3]), st.integers(8, 40), st.integers(8, 40), st.integers(2, 50))
def test_numbers_without_gaps(method: str, channels: int, height: int, width: int, count: int) -> None:
    found = segment(noise((channels, height, width)), method, count)
    assert found.shape == (height, width)
    assert found.dtype == np.int64
    assert np.unique(found).tolist() == list(range(int(found.max()) + 1))


def test_the_grid_by_hand() -> None:
    found = segment(noise((1, 4, 6)), "grid", 4)
    assert found.tolist() == [[0, 0, 0, 1, 1, 1]] * 2 + [[2, 2, 2, 3, 3, 3]] * 2


def test_a_picture_smaller_than_the_grid() -> None:
    assert segment(noise((1, 1, 3)), "grid", 100).tolist() == [[0, 1, 2]]


def test_edges_are_followed() -> None:
    picture = np.full((3, 64, 64), 40, np.uint8)
    picture[:, 10:30, 20:50] = np.array([200, 30, 60], np.uint8)[:, None, None]
    for method in ("felzenszwalb", "auto"):
        found = segment(picture, method, 16)
        inside = np.unique(found[10:30, 20:50])
        assert not np.isin(found[:8], inside).any()
        assert not np.isin(found[32:], inside).any()


def test_felzenszwalb_finds_at_most_twice_as_many() -> None:
    assert segment(noise((3, 96, 96)), "felzenszwalb", 20).max() < 40


def test_tiny_pictures_are_cut_by_the_grid() -> None:
    picture = noise((1, 28, 28))
    assert (segment(picture) == segment(picture, "grid")).all()


@pytest.mark.parametrize(
    ("picture", "method", "count", "problem"),
    [
        (noise((3, 8, 8)), "voronoi", 9, "no way 'voronoi'"),
        (noise((3, 8, 8)), "grid", 1, "1 segments"),
        (noise((2, 8, 8)), "grid", 9, "cannot be cut"),
        (noise((3, 8, 0)), "grid", 9, "cannot be cut"),
        (noise((8, 8)), "grid", 9, "cannot be cut"),
        (noise((3, 8, 8)).astype(float), "grid", 9, "cannot be cut"),
    ],
)
def test_what_cannot_be_cut(picture: Any, method: str, count: int, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        segment(picture, method, count)


def test_fillings_by_hand() -> None:
    picture = np.stack([np.full((8, 8), 10), np.arange(64).reshape(8, 8)]).astype(np.uint8)[[0, 1, 1]]
    assert (filling(picture, "mean")[0] == 10).all()
    assert (filling(picture, "mean")[1] == 32).all()  # 31.5, to the even
    assert [int(np.unique(filling(picture, fill)).item()) for fill in ("grey", "black", "white")] == [128, 0, 255]
    blurred = filling(picture, "blur")
    assert (blurred[0] == 10).all()
    assert 0 < int(blurred[1].max()) - int(blurred[1].min()) < 63


def test_auto_is_all_of_them() -> None:
    picture = noise((3, 8, 8))
    assert tuple(fillings(picture, "auto")) == FILLS
    assert tuple(fillings(picture, "black")) == ("black",)
    for call in (lambda: fillings(picture, "pink"), lambda: filling(picture, "auto")):
        with pytest.raises(UsageError, match="no filling"):
            call()


def test_what_is_kept_by_hand() -> None:
    picture, filled = np.arange(1, 5, dtype=np.uint8).reshape(1, 2, 2), np.full((1, 2, 2), 9, np.uint8)
    found = keep(picture, np.array([[0, 1], [1, 2]]), np.array([[1, 0, 0], [0, 1, 1]], bool), filled)
    assert found.tolist() == [[[[1, 9], [9, 9]]], [[[9, 2], [3, 4]]]]
