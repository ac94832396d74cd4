"""Pictures cut into segments, and segments taken away."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from firebit.errors import UsageError

Pixels = NDArray[np.uint8]
Segments = NDArray[np.int64]

METHODS = ("auto", "felzenszwalb", "slic", "grid")
FILLS = ("mean", "grey", "black", "white", "blur")
AUTO = "auto"
COUNT = 64
"""Segments of a picture, unless another number is asked for."""

_TINY = 32
_VALUES = {"grey": 128, "black": 0, "white": 255}
_SCALE = 0.25
_SIGMA = 0.8


def segment(picture: Pixels, method: str = "auto", count: int = COUNT) -> Segments:
    """Cut a picture into segments.

    Args:
        picture: uint8 (C, H, W), C 1 or 3.
        method: "felzenszwalb" (regions between edges; Felzenszwalb & Huttenlocher 2004), "slic" (compact regions;
            Achanta et al. 2012), "grid" (rectangles), or "auto": the grid where the shorter side is below 32 pixels,
            where there are hardly any regions, and felzenszwalb from there.
        count: about how many, ≥ 2. The grid has the nearest square number below. Felzenszwalb's finds fewer in smooth
            pictures, and never more than twice as many.

    Returns:
        int64 (H, W): numbers 0 … S − 1, each of at least one pixel.

    Raises:
        UsageError: there is no such method, `count` is below 2, or the picture has another type or shape.
        MissingExtraError: scikit-image is not installed, and the method is not the grid.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[0] not in (1, 3) or not picture.size:
        raise UsageError(
            f"A picture of {picture.dtype} {picture.shape} cannot be cut.", "Give uint8 (C, H, W), C 1 or 3."
        )
    check_method(method, count)
    if method == "auto":
        method = "grid" if min(picture.shape[1:]) < _TINY else "felzenszwalb"
    found = _CUTS[method](picture, count)
    _, numbers = np.unique(found, return_inverse=True)
    return numbers.reshape(found.shape).astype(np.int64)


def check_method(method: str, count: int) -> None:
    """See that pictures can be cut in that way.

    Raises:
        UsageError: there is no such method, or `count` is below 2.
    """
    if method not in METHODS:
        raise UsageError(f"There is no way {method!r} to cut pictures.", f"Choose one of: {', '.join(METHODS)}.")
    if count < 2:
        raise UsageError(f"{count} segments are no cut.", "Give a number from 2.")


def _grid(picture: Pixels, count: int) -> Segments:
    side = max(1, int(count**0.5))
    rows, columns = (np.arange(size) * min(side, size) // size for size in picture.shape[1:])
    grid: Segments = rows[:, None] * side + columns
    return grid


def _felzenszwalb(picture: Pixels, count: int) -> Segments:
    """The smallest allowed segment is half of the average, so that there are at most twice as many as wanted."""
    segmentation = _skimage()
    area = picture[0].size
    # The algorithm's scale goes with the size of regions, the channels being 0 … 1.
    scale = _SCALE * area / count
    found: Segments = segmentation.felzenszwalb(
        picture.transpose(1, 2, 0), scale=scale, sigma=_SIGMA, min_size=max(1, area // (2 * count))
    )
    return found


def _slic(picture: Pixels, count: int) -> Segments:
    segmentation = _skimage()
    found: Segments = segmentation.slic(picture.transpose(1, 2, 0), n_segments=count, compactness=10.0, start_label=0)
    return found


_CUTS: Mapping[str, Callable[[Pixels, int], Segments]] = {
    "grid": _grid,
    "felzenszwalb": _felzenszwalb,
    "slic": _slic,
}


def _skimage() -> Any:
    """scikit-image's segmentation."""
    from firebit.extras import missing

    try:
        from skimage import segmentation
    except ModuleNotFoundError as error:
        raise missing(error, "Cutting pictures along their edges") or error from error
    return segmentation


def filling(picture: Pixels, fill: str = "mean") -> Pixels:
    """What stands where segments were, uint8 (C, H, W).

    Args:
        picture: uint8 (C, H, W).
        fill: "mean" (of the picture, per channel), "grey" (128), "black", "white", or "blur" (the picture without
            detail: Gaussian, σ an eighth of the shorter side).

    Raises:
        UsageError: there is no such filling.
    """
    if fill not in FILLS:
        raise _no_fill(fill, FILLS)
    if fill == "blur":
        blur = ImageFilter.GaussianBlur(min(picture.shape[1:]) / 8)
        return np.stack([np.asarray(Image.fromarray(channel).filter(blur)) for channel in picture])
    if fill == "mean":
        value = np.rint(picture.reshape(len(picture), -1).mean(1)).astype(np.uint8)
    else:
        value = np.full(len(picture), _VALUES[fill], np.uint8)
    return np.broadcast_to(value[:, None, None], picture.shape).copy()


def fillings(picture: Pixels, fill: str) -> dict[str, Pixels]:
    """Fillings to try, by name: all of them for "auto", in the order of :data:`FILLS`, else the one.

    Raises:
        UsageError: there is no such filling.
    """
    check_fill(fill)
    return {name: filling(picture, name) for name in (FILLS if fill == AUTO else (fill,))}


def check_fill(fill: str) -> None:
    """See that there is such a filling, "auto" included.

    Raises:
        UsageError: there is none.
    """
    if fill not in (AUTO, *FILLS):
        raise _no_fill(fill, (AUTO, *FILLS))


def _no_fill(fill: str, known: tuple[str, ...]) -> UsageError:
    return UsageError(f"There is no filling {fill!r}.", f"Choose one of: {', '.join(known)}.")


def keep(picture: Pixels, segments: Segments, kept: NDArray[np.bool_], filled: Pixels) -> Pixels:
    """The picture with only some of its segments, uint8 (N, C, H, W).

    Args:
        picture: uint8 (C, H, W).
        segments: int64 (H, W), S of them.
        kept: bool (N, S): what remains.
        filled: uint8 (C, H, W): what stands elsewhere.
    """
    return np.where(kept[:, segments][:, None], picture, filled)
