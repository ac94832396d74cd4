"""One picture: its header, its pixels, its size. Files are PNG or JPEG, read through Pillow, and nothing else."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from firebit.errors import DataError

FORMATS = ("PNG", "JPEG")
MOST_PIXELS = 89_478_485
_GREY = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"))
_ORIENTATION = 0x0112

Size = int | tuple[int, int]
"""Pixels to bring a picture to: the side of a square, or (width, height)."""


@dataclass(frozen=True)
class Header:
    """What a picture says about itself before it is decoded.

    Args:
        width: in pixels, as it is to be looked at (EXIF orientation applied).
        height: in pixels, likewise.
        grey: it has no colours.
    """

    width: int
    height: int
    grey: bool


def read_header(path: Path) -> Header:
    """Read size and mode without decoding.

    Raises:
        DataError: the file is no PNG or JPEG picture, or has more than `MOST_PIXELS` pixels.
    """
    with _opened(path) as picture:
        width, height = picture.size
        turned = _orientation(picture) >= 5
        return Header(height if turned else width, width if turned else height, picture.mode in _GREY)


def read_pixels(path: Path, grey: bool, size: Size | None = None) -> NDArray[np.uint8]:
    """Decode a picture.

    EXIF orientation is applied, transparency is laid over white, 16-bit grey is divided by 257, palettes and CMYK
    become RGB.

    Args:
        path: a PNG or JPEG file.
        grey: one channel (L) rather than three (RGB).
        size: bring it to that size (:func:`fit`); None leaves it as it is.

    Returns:
        uint8 (1 or 3, H, W).

    Raises:
        DataError: the file is broken, no PNG or JPEG picture, or has more than `MOST_PIXELS` pixels.
    """
    with _opened(path) as picture:
        return _pixels(picture, grey, size)


def decode(
    content: bytes, name: str, grey: bool, size: Size | None = None, most: int = MOST_PIXELS
) -> NDArray[np.uint8]:
    """Decode a picture that is not in a file: the same as :func:`read_pixels` gives of its file.

    Args:
        content: of a PNG or JPEG file.
        name: what an error calls it.
        grey: one channel (L) rather than three (RGB).
        size: bring it to that size (:func:`fit`); None leaves it as it is.
        most: pixels that it may have.

    Returns:
        uint8 (1 or 3, H, W).

    Raises:
        DataError: it is broken, no PNG or JPEG picture, or has more than `most` pixels.
    """
    with _opened(BytesIO(content), name, most) as picture:
        return _pixels(picture, grey, size)


@dataclass(frozen=True)
class Cut:
    """Which part of a picture is wanted, and how carefully.

    Args:
        box: (left, top, right, bottom) of the part, in pixels, given width and height of the upright picture.
        mirrored: left and right change places.
        quick: a JPEG may be decoded at ½, ¼ or ⅛ of its size where that leaves no fewer pixels than are wanted, and is
            resized linearly; else decoded as it is and resized by bicubic interpolation, as by :func:`fit`.
    """

    box: Callable[[int, int], tuple[float, float, float, float]]
    mirrored: bool = False
    quick: bool = False


def decode_cut(content: bytes, name: str, cut: Cut, side: int) -> NDArray[np.uint8]:
    """Decode a part of a picture and bring it to side × side, in colour. Always the same bytes for the same arguments.

    Args:
        content: of a PNG or JPEG file.
        name: what an error calls it.
        cut: the part.
        side: in pixels, ≥ 1.

    Returns:
        uint8 (3, side, side).

    Raises:
        DataError: it is broken, no PNG or JPEG picture, or has more than `MOST_PIXELS` pixels.
    """
    with _opened(BytesIO(content), name) as picture:
        turned = _orientation(picture)
        width, height = picture.size[::-1] if turned >= 5 else picture.size
        left, top, right, bottom = cut.box(width, height)
        if cut.quick:
            wanted = (math.ceil(width * side / (right - left)), math.ceil(height * side / (bottom - top)))
            picture.draft(None, wanted[::-1] if turned >= 5 else wanted)
        upright = _opaque(_eight_bits(ImageOps.exif_transpose(picture) if turned > 1 else picture))
        colours = upright if upright.mode == "RGB" else upright.convert("RGB")
        # A reduced picture rounds its sides up.
        across, down = colours.width / width, colours.height / height
        how = Image.Resampling.BILINEAR if cut.quick else Image.Resampling.BICUBIC
        part = colours.resize((side, side), how, (left * across, top * down, right * across, bottom * down))
        pixels = _channels_first(part)
        return pixels[..., ::-1] if cut.mirrored else pixels


def thumbnail(path: Path, side: int) -> NDArray[np.uint8]:
    """A small copy of a picture for eyes: its longer side at most `side`, its shape kept.

    Args:
        path: a PNG or JPEG file.
        side: in pixels, ≥ 1.

    Returns:
        uint8 (3, H, W).

    Raises:
        DataError: as of :func:`read_pixels`.
    """
    with _opened(path) as picture:
        # Of a JPEG file not all that will be thrown away is decoded.
        picture.draft("RGB", (2 * side, 2 * side))
        small = ImageOps.exif_transpose(_eight_bits(picture))
        small.thumbnail((side, side))
        return _channels_first(_opaque(small).convert("RGB"))


def to_pixels(picture: Image.Image, name: str, grey: bool, size: Size | None = None) -> NDArray[np.uint8]:
    """The pixels of a picture in memory: the same as :func:`read_pixels` gives of its file.

    Args:
        picture: of any format and mode of integers; left as it is. Modes I and I;16 hold 16 bits, 0 … 65535.
        name: what an error calls it.
        grey: one channel (L) rather than three (RGB).
        size: bring it to that size (:func:`fit`); None leaves it as it is.

    Returns:
        uint8 (1 or 3, H, W).

    Raises:
        DataError: the picture is closed, cannot be decoded, leaves 16 bits, or its mode has no way to grey or RGB.
    """
    try:
        with _quiet():
            return _pixels(picture, grey, size)
    except Exception as error:  # decoders fail on a broken picture in many ways
        raise DataError(
            f"{name} cannot be decoded: {_reason(error)}.", "Give a whole picture that is open, in mode L or RGB."
        ) from error


def fit(picture: Image.Image, size: Size) -> Image.Image:
    """Resize (bicubic) until the picture just covers `size`, then cut out the middle."""
    sides = (size, size) if isinstance(size, int) else size
    if picture.size == sides:
        return picture
    return ImageOps.fit(picture, sides, Image.Resampling.BICUBIC)


def resized(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Bring pictures (N, C, H, W) to (N, C, size, size) as :func:`fit` does."""
    if images.shape[2:] == (size, size):
        return images
    result = np.empty((*images.shape[:2], size, size), np.uint8)
    for target, image in zip(result, images, strict=True):
        pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
        target[:] = _channels_first(fit(Image.fromarray(pixels), size))
    return result


def _pixels(picture: Image.Image, grey: bool, size: Size | None) -> NDArray[np.uint8]:
    upright = _eight_bits(ImageOps.exif_transpose(picture))
    flat = _opaque(upright).convert("L" if grey else "RGB")
    return _channels_first(fit(flat, size) if size else flat)


@contextmanager
def _opened(source: Path | BytesIO, name: str = "", most: int = MOST_PIXELS) -> Iterator[Image.Image]:
    name = name or str(source)
    try:
        with _quiet(), Image.open(source, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > most:
                raise DataError(f"{name} claims {width} × {height} pixels.", f"The limit is {most} pixels.")
            yield picture
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{name} claims too many pixels.", f"The limit is {most} pixels.") from error
    except UnidentifiedImageError as error:
        # Its own words name an object in memory where there is no file.
        reason = _reason(error) if isinstance(source, Path) else f"{name}: cannot identify image"
        raise DataError(f"Not a whole PNG or JPEG picture: {reason}.", "Replace or remove the file.") from error
    except Exception as error:  # decoders fail on a broken file in many ways
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"Cannot read {name}: {error.strerror}.", "Check the path.") from error
        reason = _reason(error)
        if name not in reason:
            reason = f"{name}: {reason}"
        raise DataError(f"Not a whole PNG or JPEG picture: {reason}.", "Replace or remove the file.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    # Our own limit is an error; Pillow's warnings about odd metadata change no pixel.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _orientation(picture: Image.Image) -> int:
    # Asking a PNG without a leading EXIF block for it would decode the whole picture.
    if picture.format == "PNG" and "exif" not in picture.info:
        return 1
    value = picture.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _eight_bits(picture: Image.Image) -> Image.Image:
    if not picture.mode.startswith("I"):
        return picture
    # Pillow would clip 16-bit grey at 255 instead of scaling it.
    values = np.asarray(picture).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise ValueError(f"its pixels reach from {values.min()} to {values.max()}, not 0 … 65535")
    scaled = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    scaled.info = dict(picture.info)
    scaled.info.pop("transparency", None)
    return scaled


def _opaque(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture
    colours = picture.convert("RGBA")
    white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, colours)


def _channels_first(picture: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(picture, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
