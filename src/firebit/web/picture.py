"""Pictures inside a page: encoded as data addresses, so that nothing has to be fetched."""

from base64 import b64encode
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from firebit.web.heat import palette

_WEBP_QUALITY = 82
_LOSSLESS_SIDE = 40


def data_address(pixels: NDArray[np.uint8]) -> str:
    """A picture as a `data:` address: WebP, without loss where it is small.

    Args:
        pixels: uint8 (1 or 3, H, W).
    """
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    file = BytesIO()
    lossless = max(picture.size) <= _LOSSLESS_SIDE
    picture.convert("RGB").save(file, "WEBP", lossless=lossless, quality=100 if lossless else _WEBP_QUALITY, method=6)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"


def heat_address(shares: NDArray[np.float64]) -> str:
    """A matrix of shares 0 … 1 (rows, columns) as a picture of a pixel each, a `data:` address; NaN is as 0."""
    levels = np.rint(255 * np.nan_to_num(shares).clip(0, 1)).astype(np.uint8)
    picture = Image.fromarray(levels)
    picture.putpalette([part for colour in palette() for part in colour])
    file = BytesIO()
    picture.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def shrunk(matrix: NDArray[np.float64], most: tuple[int, int]) -> NDArray[np.float64]:
    """A matrix of at most so many rows and columns: means over blocks of equal size, those at the end smaller."""
    for axis, limit in enumerate(most):
        length = matrix.shape[axis]
        if length > limit:
            size = -(-length // limit)
            starts = np.arange(0, length, size)
            sums = np.add.reduceat(matrix, starts, axis)
            counts = np.diff([*starts, length])
            matrix = sums / (counts[:, None] if axis == 0 else counts)
    return matrix
