"""The geometry of pooling windows, against torch."""

from math import lcm
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

from firebit.engine import reference
from firebit.engine.check import LARGEST_WINDOW, LONGEST_SIDE, MOST_CELLS
from firebit.engine.pool import Pool
from firebit.errors import ModelFileError

SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def pools(draw: st.DrawFn, kinds: tuple[str, ...] = ("max", "sum", "mean")) -> Pool:
    kernel = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    stride = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    padding = draw(st.tuples(*(st.integers(0, side // 2) for side in kernel)))
    return Pool(draw(st.sampled_from(kinds)), kernel, stride, padding, draw(st.booleans()), draw(st.booleans()))


def largest(values: torch.Tensor, pool: Pool) -> torch.Tensor:
    return F.max_pool2d(values, pool.kernel, pool.stride, pool.padding, ceil_mode=pool.ceil)


def average(values: torch.Tensor, pool: Pool, divisor: int | None = None, count_padding: bool = False) -> torch.Tensor:
    return F.avg_pool2d(values, pool.kernel, pool.stride, pool.padding, pool.ceil, count_padding, divisor)


def ones(sides: tuple[int, int]) -> torch.Tensor:
    return torch.ones(1, 1, *sides, dtype=torch.float64)


def has_windows(pool: Pool, sides: tuple[int, int]) -> bool:
    try:
        largest(ones(sides), pool)
    except RuntimeError:
        return False
    return True


@given(pools(), SIDES)
def test_sizes_are_those_of_torch(pool: Pool, sides: tuple[int, int]) -> None:
    if has_windows(pool, sides):
        assert pool.output(*sides) == largest(ones(sides), pool).shape[2:]
        assert pool.shape((3, *sides)) == (3, *pool.output(*sides))
        return
    with pytest.raises(ModelFileError, match=f"a map of {sides[0]}×{sides[1]} is smaller than the window"):
        pool.output(*sides)


@given(pools(), SIDES)
def test_cells_are_those_of_torch(pool: Pool, sides: tuple[int, int]) -> None:
    assume(has_windows(pool, sides))
    cells, whole = pool.cells(*sides), pool.cells(*sides, count_padding=True)
    assert cells.dtype == np.int64
    assert np.array_equal(cells, average(ones(sides), pool, divisor=1)[0, 0].numpy())
    # torch's average of ones: the cells inside over all cells.
    assert np.array_equal(cells / whole, average(ones(sides), pool, count_padding=True)[0, 0].numpy())
    assert cells.min() > 0


@given(pools(), SIDES)
def test_every_window_is_of_the_class_that_covers_as_many_cells(pool: Pool, sides: tuple[int, int]) -> None:
    assume(has_windows(pool, sides))
    cells = np.stack([pool.cells(*sides), pool.cells(*sides, count_padding=True)], 2)
    classes = pool.windows(*sides)
    assert classes.tolist() == sorted(map(list, {tuple(pair) for pair in cells.reshape(-1, 2).tolist()}))
    assert np.array_equal(classes[pool.window_of(*sides)], cells)


@given(pools(), SIDES)
def test_multiple_and_most(pool: Pool, sides: tuple[int, int]) -> None:
    assume(has_windows(pool, sides))
    inside = average(ones(sides), pool, divisor=1)
    divisors = pool.cells(*sides, count_padding=pool.count_padding)
    common = lcm(*divisors.ravel().tolist()) if pool.kind == "mean" else 1
    assert pool.multiple(*sides) == common
    assert pool.most(*sides) == {"max": 1, "sum": int(inside.max()), "mean": common}[pool.kind]


@given(pools(), SIDES, st.integers(0, 2**32 - 1))
def test_pooled_bits_are_those_of_torch(pool: Pool, sides: tuple[int, int], seed: int) -> None:
    assume(has_windows(pool, sides))
    bits = np.random.default_rng(seed).integers(0, 2, (2, 3, *sides), np.uint8)
    found, values = reference.pooled(bits, pool), torch.from_numpy(bits).double()
    if pool.kind == "mean":
        expected = average(values, pool, count_padding=pool.count_padding) * pool.multiple(*sides)
        assert np.allclose(found, expected.numpy(), rtol=1e-12, atol=0)
    else:
        expected = largest(values, pool) if pool.kind == "max" else average(values, pool, divisor=1)
        assert np.array_equal(found, expected.numpy())
    assert found.max() <= pool.most(*sides)


def test_the_windows_of_cifar10_quick() -> None:
    """3×3 windows in steps of 2 over 32×32, rounded up: the last row and column cover two of three cells."""
    pool = Pool("mean", (3, 3), (2, 2), ceil=True)
    assert pool.output(32, 32) == (16, 16)
    assert pool.windows(32, 32).tolist() == [[4, 4], [6, 6], [9, 9]]
    assert pool.window_of(32, 32)[14:, 14:].tolist() == [[2, 1], [1, 0]]
    assert pool.multiple(32, 32) == 36


GOOD: dict[str, Any] = {"kind": "sum", "kernel": (2, 2), "stride": (2, 2), "padding": (1, 1)}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "median"}, "pooling is 'median', not one of max, sum, mean"),
        ({"kind": ["max"]}, "pooling is"),
        ({"kernel": (2,)}, "pairs"),
        ({"kernel": [2, 2]}, "pairs"),
        ({"stride": None}, "pairs"),
        ({"kernel": (0, 2)}, "the window"),
        ({"kernel": (2.0, 2)}, "the window"),
        ({"kernel": (2**24 + 1, 2)}, "the window"),
        ({"kernel": (256, 257)}, r"the window \(256, 257\), too large"),
        ({"stride": (0, 1)}, "the window"),
        ({"stride": (True, 1)}, "the window"),
        ({"padding": (-1, 0)}, "the padding"),
        ({"padding": (2, 1)}, "over half its window"),
        ({"ceil": 1}, "a flag"),
        ({"count_padding": None}, "a flag"),
    ],
)
def test_refusals(change: dict[str, Any], problem: str) -> None:
    Pool(**GOOD)
    with pytest.raises(ModelFileError, match=problem):
        Pool(**{**GOOD, **change})


def test_windows_that_run_over_a_small_map_cannot_make_a_large_one() -> None:
    """A 1×1 map that one window of 256×256 covers would be padded to 65,536 cells a channel."""
    pool = Pool("max", (256, 256), (256, 256), (128, 128))
    channels = MOST_CELLS // 256**2
    assert pool.shape((channels, 1, 1)) == (channels, 1, 1)
    with pytest.raises(ModelFileError, match="257 channels of 256×256 are too large to pool"):
        pool.shape((channels + 1, 1, 1))
    with pytest.raises(ModelFileError, match="are too large to pool"):
        Pool("max", (2, 1), (1, 1), (1, 0)).shape((1, LONGEST_SIDE, 1))
    assert Pool("max", (2, 1), (1, 1)).shape((1, LONGEST_SIDE, 1)) == (1, LONGEST_SIDE - 1, 1)


@pytest.mark.parametrize("source", [(3,), (3, 4), (1, 2, 3, 4)])
def test_only_maps_are_pooled(source: tuple[int, ...]) -> None:
    with pytest.raises(ModelFileError, match="no height and width"):
        Pool("max", (1, 1), (1, 1)).shape(source)


def test_a_mean_without_a_small_common_multiple_is_refused() -> None:
    """At the top edge windows cover 20, 21, … 40 rows, whose common multiple has 16 digits."""
    pool = Pool("mean", (40, 1), (1, 1), (20, 0))
    with pytest.raises(ModelFileError, match="no small common multiple"):
        pool.multiple(60, 1)
    assert Pool("mean", (40, 1), (1, 1), (20, 0), count_padding=True).multiple(60, 1) == 40


def test_too_many_classes_of_window_are_refused() -> None:
    """256 rows and as many columns could be cut at 129 places each."""
    pool = Pool("sum", (256, 256), (1, 1), (128, 128))
    with pytest.raises(ModelFileError, match="too many sizes"):
        pool.windows(512, 512)
    assert LARGEST_WINDOW == 256**2
    # 100 along one axis, 1 along the other.
    assert len(Pool("sum", (198, 1), (1, 1), (99, 0)).windows(512, 512)) == 100
