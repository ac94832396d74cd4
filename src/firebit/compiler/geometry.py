"""Windows and strides as torch writes them, as a plan writes them."""

from collections.abc import Callable, Sequence
from typing import Any

from firebit.compiler.value import Padding, Unsupported
from firebit.engine.pool import Pool
from firebit.engine.term import Shape

Divisor = Callable[[int, int], int]


def pair(value: Any) -> tuple[int, int]:
    """A size that torch takes as one number, one number in a sequence, or two."""
    sizes = [value] if isinstance(value, int) else list(value)
    sizes = sizes * 2 if len(sizes) == 1 else sizes
    return int(sizes[0]), int(sizes[1])


def conv_padding(padding: Any, kernel: Sequence[int], dilation: tuple[int, int]) -> Padding:
    """Padding of a convolution: rows above and below, columns left and right."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        # The odd one goes below and to the right, as in torch.
        (height, width) = (d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
        return (height // 2, height - height // 2, width // 2, width - width // 2)
    down, right = pair(padding)
    return (down, down, right, right)


def map_padding(pad: Any, mode: str = "constant", value: float | None = None, **_: Any) -> Padding:
    """Padding of a map by zeros, as torch.nn.functional.pad takes it: from the last dimension backwards."""
    if mode != "constant" or value:
        raise Unsupported(f"pads with {mode} {'' if value is None else value}".rstrip(), "Pad with zeros.")
    left, right, top, bottom = (*pad, 0, 0, 0, 0)[:4]
    if min(pad, default=0) < 0 or any(pad[4:]):
        raise Unsupported("pads channels, or cuts a map off", "Pad height and width only.")
    return (top, bottom, left, right)


def max_pool(
    shape: Shape,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    **_: Any,
) -> Pool:
    """A max pooling of maps of a shape (C, H, W)."""
    _check_map(shape)
    if pair(dilation) != (1, 1):
        raise Unsupported("pools with dilation", "Leave the dilation out.")
    return Pool("max", pair(kernel_size), pair(stride or kernel_size), pair(padding), bool(ceil_mode))


def avg_pool(
    shape: Shape,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    **_: Any,
) -> tuple[Pool, Divisor]:
    """An average pooling of maps (C, H, W) as a window sum, and what its windows of so many cells are divided by."""
    _check_map(shape)
    pool = Pool("sum", pair(kernel_size), pair(stride or kernel_size), pair(padding), bool(ceil_mode))
    if divisor_override is not None and divisor_override < 0:
        raise Unsupported(f"averages with the divisor {divisor_override}", "Divide by a positive number.")
    if divisor_override:
        return pool, lambda inside, cells: int(divisor_override)
    return pool, lambda inside, cells: cells if count_include_pad else inside


def adaptive_kernel(shape: Shape, output_size: Any) -> tuple[int, int]:
    """The window that pools maps (C, H, W) to a size, where all windows are alike."""
    _check_map(shape)
    wanted = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    sizes = [side if want is None else int(want) for want, side in zip(wanted, shape[1:], strict=True)]
    if any(side % size for side, size in zip(shape[1:], sizes, strict=True)):
        raise Unsupported(
            f"pools {shape[1]}×{shape[2]} adaptively to {sizes[0]}×{sizes[1]}, in windows of different sizes",
            "Choose a size that divides the map, or a pooling of a fixed window.",
        )
    return shape[1] // sizes[0], shape[2] // sizes[1]


def _check_map(shape: Shape) -> None:
    if len(shape) != 3:
        raise Unsupported(f"pools values of shape {shape}, which are no maps", "Pool maps (N, C, H, W).")
