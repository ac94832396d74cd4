"""Pooling windows: their geometry, and how many cells each one covers."""

from dataclasses import dataclass
from math import lcm, prod

import numpy as np
from numpy.typing import NDArray

from firebit.engine.check import LARGEST_WINDOW, LONGEST_SIDE, MOST_CELLS, MOST_WINDOW_CLASSES, check, is_count

KINDS = ("max", "sum", "mean")
Cells = NDArray[np.int64]
Places = NDArray[np.intp]
_CODE = 2 * LARGEST_WINDOW


@dataclass(frozen=True)
class Pool:
    """A pooling over height and width.

    Attributes:
        kind: "max"; "sum" of the cells; or "mean", which only follows a step and keeps integers by giving
            sum · (multiple / cells), where multiple is the least common multiple of the cells of all its windows.
        kernel: height and width of the window.
        stride: steps down and to the right.
        padding: rows above and below, columns left and right. They hold nothing: never the largest, and 0 in a sum.
        ceil: whether a window that begins inside but ends outside counts (torch's `ceil_mode`).
        count_padding: "mean" divides by the cells of the padding too.
    """

    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    ceil: bool = False
    count_padding: bool = False

    def __post_init__(self) -> None:
        check(self.kind in KINDS, f"pooling is {self.kind!r}, not one of {', '.join(KINDS)}")
        sizes = (self.kernel, self.stride, self.padding)
        check(all(isinstance(pair, tuple) and len(pair) == 2 for pair in sizes), "pooling needs pairs of sizes")
        check(all(is_count(n, 1) for n in (*self.kernel, *self.stride)), f"pooling has the window {self.kernel}")
        check(prod(self.kernel) <= LARGEST_WINDOW, f"pooling has the window {self.kernel}, too large")
        check(all(is_count(n, 0) for n in self.padding), f"pooling has the padding {self.padding}")
        check(
            all(2 * pad <= side for pad, side in zip(self.padding, self.kernel, strict=True)),
            f"padding {self.padding} of a pooling is over half its window {self.kernel}",
        )
        check(isinstance(self.ceil, bool) and isinstance(self.count_padding, bool), "a flag of a pooling is not one")

    def output(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what comes out of a map of `height` × `width`."""
        down, right = (self._places(side, axis) for axis, side in enumerate((height, width)))
        check(down > 0 and right > 0, f"a map of {height}×{width} is smaller than the window {self.kernel}")
        return down, right

    def shape(self, source: tuple[int, ...]) -> tuple[int, int, int]:
        """Shape (C, H', W') of what comes out of a map (C, H, W)."""
        check(len(source) == 3, f"a map of shape {source} has no height and width to pool")
        channels, height, width = source
        places = self.output(height, width)
        sides = [
            max((count - 1) * step + window, pad + side)
            for count, step, window, pad, side in zip(
                places, self.stride, self.kernel, self.padding, (height, width), strict=True
            )
        ]
        small = max(sides) <= LONGEST_SIDE and channels * prod(sides) <= MOST_CELLS
        check(small, f"with its padding, {channels} channels of {sides[0]}×{sides[1]} are too large to pool")
        return channels, *places

    def _places(self, side: int, axis: int) -> int:
        free = side + 2 * self.padding[axis] - self.kernel[axis]
        if free < 0 and not self.ceil:
            return 0
        places = (-(-free // self.stride[axis]) if self.ceil else free // self.stride[axis]) + 1
        if self.ceil and (places - 1) * self.stride[axis] >= side + self.padding[axis]:
            places -= 1
        return places

    def cells(self, height: int, width: int, *, count_padding: bool = False) -> Cells:
        """Cells that every window covers, int64 (H', W'); with or without those of the padding."""
        return np.outer(*self._spans(height, width, count_padding))

    def windows(self, height: int, width: int) -> Cells:
        """The classes of window: those of one class cover as many cells, with and without padding.

        Returns:
            Per class its cells without and with padding, int64 (K, 2), in ascending order.
        """
        return self._classes(height, width)[0]

    def window_of(self, height: int, width: int) -> NDArray[np.intp]:
        """The class of every window, (H', W'): a row of :meth:`windows`."""
        _, of_pair, down, right = self._classes(height, width)
        return of_pair[down[:, None], right[None]]

    def _classes(self, height: int, width: int) -> tuple[Cells, Places, Places, Places]:
        """The classes, the class of every pair of a kind of rows and one of columns, and the kinds of both axes."""
        self.output(height, width)
        (rows, down), (columns, right) = (self._kinds(side, axis) for axis, side in enumerate((height, width)))
        check(len(rows) * len(columns) <= MOST_WINDOW_CLASSES, f"the window {self.kernel} has too many sizes")
        found, of_pair = _distinct((rows[:, None] * columns[None]).reshape(-1, 2))
        return found, of_pair.reshape(len(rows), len(columns)), down, right

    def _kinds(self, side: int, axis: int) -> tuple[Cells, Places]:
        """What windows cover along an axis, without and with padding (n, 2), and which of these each one does."""
        return _distinct(np.stack([self._span(side, axis, False), self._span(side, axis, True)], 1))

    def multiple(self, height: int, width: int) -> int:
        """What a "mean" of ones gives: the least common multiple of the cells of its windows. 1 for other kinds."""
        if self.kind != "mean":
            return 1
        found = 1
        for cells in np.unique(self.windows(height, width)[:, int(self.count_padding)]):
            found = lcm(found, int(cells))
            check(found <= MOST_CELLS, f"the windows {self.kernel} of a mean have no small common multiple")
        return found

    def most(self, height: int, width: int) -> int:
        """The largest value that comes out where the largest that goes in is 1."""
        if self.kind == "mean":
            return self.multiple(height, width)
        down, right = self._spans(height, width, False)
        return int(down.max() * right.max()) if self.kind == "sum" else 1

    def _spans(self, height: int, width: int, count_padding: bool) -> tuple[Cells, Cells]:
        """Rows that the windows cover from top to bottom, and columns from left to right."""
        self.output(height, width)
        return self._span(height, 0, count_padding), self._span(width, 1, count_padding)

    def _span(self, side: int, axis: int, count_padding: bool) -> Cells:
        pad = self.padding[axis]
        starts = np.arange(self._places(side, axis)) * self.stride[axis] - pad
        low, high = (-pad, side + pad) if count_padding else (0, side)
        return np.minimum(starts + self.kernel[axis], high) - np.maximum(starts, low)


def _distinct(pairs: Cells) -> tuple[Cells, Places]:
    """The distinct ones of pairs (N, 2) of sizes up to that of a window, in ascending order, and which each one is."""
    # One number for two is sorted in a tenth of the time.
    coded, kinds = np.unique(pairs[:, 0] * _CODE + pairs[:, 1], return_inverse=True)
    return np.stack([coded // _CODE, coded % _CODE], 1), kinds
