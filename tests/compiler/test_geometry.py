"""Windows as torch writes them."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from firebit.compiler.geometry import adaptive_kernel, avg_pool, conv_padding, map_padding, max_pool, pair
from firebit.compiler.value import Unsupported
from firebit.engine.pool import Pool


@pytest.mark.parametrize(("given", "expected"), [(3, (3, 3)), ((3,), (3, 3)), ([2, 5], (2, 5)), ((2, 5), (2, 5))])
def test_pairs(given: object, expected: tuple[int, int]) -> None:
    assert pair(given) == expected


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_same_padding_is_torchs(height: int, width: int, down: int, right: int) -> None:
    """A convolution of one weight in a corner of the kernel shows where torch puts the odd row."""
    weights = torch.zeros(1, 1, height, width)
    weights[0, 0, 0, 0] = 1
    x = torch.arange(1.0, 50).reshape(1, 1, 7, 7)
    expected = F.conv2d(x, weights, padding="same", dilation=(down, right))
    top, bottom, left, right_ = conv_padding("same", (height, width), (down, right))
    found = F.conv2d(F.pad(x, (left, right_, top, bottom)), weights, dilation=(down, right))
    assert torch.equal(found, expected)


def test_other_paddings() -> None:
    assert conv_padding("valid", (3, 3), (1, 1)) == (0, 0, 0, 0)
    assert conv_padding((1, 2), (3, 3), (1, 1)) == (1, 1, 2, 2)
    assert map_padding((1, 2)) == (0, 0, 1, 2)
    assert map_padding((1, 2, 3, 4)) == (3, 4, 1, 2)
    assert map_padding((1, 2, 3, 4, 0, 0)) == (3, 4, 1, 2)


@pytest.mark.parametrize(
    "arguments",
    [((1, 1), "reflect", None), ((1, 1), "constant", 1.0), ((-1, 1), "constant", None), ((0, 0, 0, 0, 1, 0),)],
)
def test_paddings_that_no_plan_has(arguments: tuple[object, ...]) -> None:
    with pytest.raises(Unsupported):
        map_padding(*arguments)  # type: ignore[arg-type]


def test_pools() -> None:
    assert max_pool((1, 8, 8), kernel_size=2) == Pool("max", (2, 2), (2, 2))
    assert max_pool((1, 8, 8), kernel_size=3, stride=2, padding=1, ceil_mode=True) == Pool(
        "max", (3, 3), (2, 2), (1, 1), True
    )
    for arguments, divisor in (({}, 9), ({"count_include_pad": False}, 4), ({"divisor_override": 5}, 5)):
        pool, by = avg_pool((1, 8, 8), kernel_size=3, padding=1, **arguments)
        assert pool == Pool("sum", (3, 3), (3, 3), (1, 1))
        assert by(4, 9) == divisor


def test_pools_that_no_plan_has() -> None:
    with pytest.raises(Unsupported, match="dilation"):
        max_pool((1, 8, 8), kernel_size=2, dilation=2)
    for pool in (max_pool, avg_pool):
        with pytest.raises(Unsupported, match="no maps"):
            pool((64,), kernel_size=2)


@pytest.mark.parametrize(
    ("size", "expected"), [(1, (6, 8)), ((2, 4), (3, 2)), ((None, 1), (1, 8)), ((3, None), (2, 1))]
)
def test_adaptive_windows(size: object, expected: tuple[int, int]) -> None:
    assert adaptive_kernel((5, 6, 8), size) == expected


def test_adaptive_windows_of_several_sizes() -> None:
    with pytest.raises(Unsupported, match="6×8 adaptively to 4×4"):
        adaptive_kernel((5, 6, 8), 4)
