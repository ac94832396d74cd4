"""Pictures cut into segments, and segments taken away."""

import numpy as np
from numpy.typing import NDArray

METHODS = ("auto", "felzenszwalb", "slic", "grid")
FILLS = ("mean", "blur", "black", "grey")


def segment(picture: NDArray[np.uint8], method: str = "auto", count: int | None = None) -> NDArray[np.int64]:
    """Cut a picture into segments.

    Args:
        picture: uint8 (C, H, W), C 1 or 3.
        method: "felzenszwalb" (edges), "slic" (compact regions), "grid" (squares), or "auto": the grid where the shorter
            side is below 64 pixels, felzenszwalb above.
        count: about how many segments; None: 64.

    Returns:
        int64 (H, W), numbers 0 … S − 1, each at least one pixel.

    Raises:
        UsageError: there is no such method, or the picture has another type or shape.
        MissingExtraError: scikit-image is not installed, and the method is not "grid".
    """
    raise NotImplementedError


def filling(picture: NDArray[np.uint8], fill: str = "mean") -> NDArray[np.uint8]:
    """What stands where segments were: uint8 (C, H, W).

    Args:
        picture: uint8 (C, H, W).
        fill: "mean" (of the picture, per channel), "blur" (the picture without detail), "black", or "grey" (128).
    """
    raise NotImplementedError


def keep(
    picture: NDArray[np.uint8], segments: NDArray[np.int64], kept: NDArray[np.bool_], filled: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The picture with only some segments, uint8 (N, C, H, W).

    Args:
        picture: uint8 (C, H, W).
        segments: int64 (H, W), S of them.
        kept: bool (N, S): what remains.
        filled: uint8 (C, H, W): what stands elsewhere.
    """
    raise NotImplementedError
