"""From whatever pictures a user has to the pixels that a network sees, by the same steps as in training."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError

Pixels = NDArray[np.uint8]

if TYPE_CHECKING:
    from PIL import Image

    Picture = str | os.PathLike[str] | Image.Image | Pixels
    Images = Picture | Sequence[Picture]

_GIVE = "Give a uint8 array (N, C, H, W), a path, a PIL image, or a list of paths, PIL images and uint8 arrays."


@dataclass(frozen=True, eq=False)
class Pictures:
    """A batch of pictures, decoded part by part.

    Attributes:
        items: pixels uint8 (N, *shape), or pictures in files or in memory, of any size.
        shape: of the pixels of one picture: (C, H, W) or (F,).
    """

    items: Pixels | Sequence[object]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.items)

    def pixels(self, part: slice) -> Pixels:
        """The pixels of some of the pictures, uint8 (n, *shape).

        Raises:
            DataError: a picture cannot be read.
            UsageError: an item of the list is no picture.
        """
        items = self.items[part]
        if isinstance(items, np.ndarray):
            return items
        first = part.indices(len(self))[0]
        pixels = np.empty((len(items), *self.shape), np.uint8)
        for index, item in enumerate(items):
            pixels[index] = _fitted(item, f"images[{first + index}]", self.shape)
        return pixels


def pictures(images: object, shape: tuple[int, ...]) -> Pictures:
    """The pictures that a user means.

    Args:
        images: pixels of the network's size, or pictures of any size; :class:`firebit.engine.network.Network` lists
            the ways to give them.
        shape: of the pixels of one picture: (C, H, W) or (F,).

    Raises:
        UsageError: `images` are none of these, or have another shape or type.
    """
    if isinstance(images, np.ndarray):
        return Pictures(_whole(images, shape), shape)
    if not isinstance(images, list | tuple):
        if not (_is_path(images) or _is_pil(images)):
            raise UsageError(f"images are of type {type(images).__name__}.", _GIVE)
        images = [images]
    if images and (len(shape) != 3 or shape[0] not in (1, 3)):
        raise UsageError(
            f"The network takes arrays of shape {shape}, which no picture has.", f"Give a uint8 array {_sides(shape)}."
        )
    return Pictures(images, shape)


def _whole(images: NDArray[Any], shape: tuple[int, ...]) -> Pixels:
    """An array as (N, *shape). One picture is told from many by its dimensions, and so is one without its channel."""
    _check_type(images, "images")
    found = images.shape
    if found[1:] == shape:
        return images
    if found == shape:
        return images[None]
    if len(shape) == 3 and shape[0] == 1:
        if found == shape[1:]:
            return images[None, None]
        if found[1:] == shape[1:]:
            return images[:, None]
    remedy = f"Give {_sides(shape)}"
    remedy += "; put pictures of other sizes into a list to have them fitted." if len(shape) == 3 else "."
    raise UsageError(f"images have the shape {found}; the network takes {shape} per picture.", remedy)


def _sides(shape: tuple[int, ...]) -> str:
    return f"(N, {', '.join(map(str, shape))})"


def _check_type(images: NDArray[Any], name: str) -> None:
    if images.dtype == np.uint8:
        return
    known = {"f": "multiply them by 255 if they are 0…1, round them", "b": "multiply them by 255"}
    known |= {"u": "divide them by 257 if they are 16 bits, round them"} if images.dtype == np.uint16 else {}
    how = known.get(images.dtype.kind, "bring them to 0…255")
    raise UsageError(
        f"{name}: pixels are {images.dtype}; they must be uint8, 0…255.",
        f"If they are pixels, {how} and convert with .astype(numpy.uint8).",
    )


def _fitted(item: object, name: str, shape: tuple[int, ...]) -> Pixels:
    from firebit.data.picture import read_pixels, to_pixels

    grey, size = shape[0] == 1, (shape[2], shape[1])
    if _is_path(item):
        return read_pixels(Path(os.fsdecode(item)), grey, size)
    if isinstance(item, np.ndarray):
        return to_pixels(_picture(item, name), name, grey, size)
    if not _is_pil(item):
        raise UsageError(f"{name} is of type {type(item).__name__}.", _GIVE)
    if item.mode == "F":
        raise UsageError(
            f"{name}: pixels are floating-point numbers (mode F); they must be whole, 0…255.",
            "Multiply by 255 if they are 0…1, and convert to mode L.",
        )
    return to_pixels(item, name, grey, size)


def _picture(item: NDArray[Any], name: str) -> "Image.Image":
    """An array as a picture: (H, W), (H, W, 3) or (H, W, 4)."""
    from PIL import Image

    _check_type(item, name)
    if not item.size or item.ndim not in (2, 3) or (item.ndim == 3 and item.shape[2] not in (3, 4)):
        raise UsageError(
            f"{name} has the shape {item.shape}; an array in a list is (H, W), (H, W, 3) or (H, W, 4).",
            "Put the channels last, or stack arrays of the network's size to (N, C, H, W).",
        )
    return Image.fromarray(item)


def _is_path(item: object) -> "TypeGuard[str | os.PathLike[str]]":
    return isinstance(item, str | os.PathLike)


def _is_pil(item: object) -> "TypeGuard[Image.Image]":
    from PIL import Image

    return isinstance(item, Image.Image)
