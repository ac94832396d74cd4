"""What is seen of a photograph: a random part of it while training, its middle otherwise."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from firebit.data.picture import Cut
from firebit.data.transforms import AREA, ASPECT, COLUMN, FLIP, ROW, Indices, random_words, uniforms
from firebit.errors import UsageError


class View(Protocol):
    """A way to see pictures: what to cut out of each, as a function of (seed, epoch, index) alone."""

    @property
    def side(self) -> int:
        """Pixels of the square that every picture is brought to."""

    def cuts(self, seed: int, epoch: int, indices: Indices) -> list[Cut]:
        """The cut of every picture, int64 (B,) positions in its data set."""


@dataclass(frozen=True)
class RandomCrop:
    """A part of random area, shape and place, mirrored or not (Szegedy et al. 2015, section 6).

    A share of the picture's area is drawn evenly from `area`, width / height from [1 / aspect, aspect], evenly in its
    logarithm. A part that is wider or taller than the picture is shrunk, its shape kept, until it fits (others draw
    again). It is then put at an even random place.

    Args:
        side: in pixels, ≥ 1.
        area: smallest and largest share of the picture, 0 < smallest ≤ largest ≤ 1.
        aspect: the widest shape, width / height ≥ 1; the tallest is its inverse.
        flip: mirror left and right with probability ½.

    Raises:
        UsageError: a number is out of range.
    """

    side: int
    area: tuple[float, float] = (0.08, 1.0)
    aspect: float = 4 / 3
    flip: bool = True

    def __post_init__(self) -> None:
        _check_side(self.side)
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise UsageError(
                f"area={self.area} are no shares of a picture.", "Give two numbers, 0 < first ≤ second ≤ 1."
            )
        if not self.aspect >= 1:
            raise UsageError(f"aspect={self.aspect} is below 1.", "Give width / height of the widest part, as 4/3.")

    def cuts(self, seed: int, epoch: int, indices: Indices) -> list[Cut]:
        areas, shapes, rows, columns = (
            uniforms(seed, epoch, indices, stream) for stream in (AREA, ASPECT, ROW, COLUMN)
        )
        shares = self.area[0] + (self.area[1] - self.area[0]) * areas
        aspects = np.exp(np.log(self.aspect) * (2 * shapes - 1))
        mirrored = (random_words(seed, epoch, indices, FLIP) >> np.uint64(63)).astype(bool) & self.flip
        drawn = zip(shares.tolist(), aspects.tolist(), columns.tolist(), rows.tolist(), mirrored.tolist(), strict=True)
        return [Cut(_Part(*numbers).box, flipped, quick=True) for *numbers, flipped in drawn]


@dataclass(frozen=True)
class CentreCrop:
    """The middle: shorter side brought to `shorter`, the central square of `side` cut out.

    Args:
        side: in pixels, ≥ 1.
        shorter: in pixels, ≥ `side`; None: `side`, which is what networks see when they predict.

    Raises:
        UsageError: a number is out of range.
    """

    side: int
    shorter: int | None = None

    def __post_init__(self) -> None:
        _check_side(self.side)
        if self.shorter is not None and self.shorter < self.side:
            raise UsageError(
                f"The shorter side, {self.shorter}, is below the {self.side} pixels to cut out.",
                f"Give {self.side} or more.",
            )

    def cuts(self, seed: int, epoch: int, indices: Indices) -> list[Cut]:
        return [Cut(self._box)] * len(indices)

    def _box(self, width: int, height: int) -> tuple[float, float, float, float]:
        side = min(width, height) * self.side / (self.shorter or self.side)
        left, top = (width - side) * 0.5, (height - side) * 0.5
        return left, top, left + side, top + side


@dataclass(frozen=True)
class _Part:
    share: float
    aspect: float
    across: float
    down: float

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        area = self.share * width * height
        wide, tall = (area * self.aspect) ** 0.5, (area / self.aspect) ** 0.5
        fits = min(1.0, width / wide, height / tall)
        wide, tall = min(wide * fits, width), min(tall * fits, height)
        left, top = self.across * (width - wide), self.down * (height - tall)
        return left, top, min(left + wide, width), min(top + tall, height)


def _check_side(side: int) -> None:
    if side < 1:
        raise UsageError(f"side={side} is not a number of pixels.", "Give 1 or more, such as 224.")
