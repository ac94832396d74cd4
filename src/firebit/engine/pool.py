"""Pooling windows: their geometry, and how many cells each one covers."""

from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray

from firebit.engine.check import MOST_CELLS, check, is_count

KINDS = ("max", "sum", "mean")
Cells = NDArray[np.int64]
_MOST_WINDOWS = 10_000


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
        axes = [
            np.unique(np.stack(spans, 1), axis=0)
            for spans in zip(self._spans(height, width, False), self._spans(height, width, True), strict=True)
        ]
        check(len(axes[0]) * len(axes[1]) <= _MOST_WINDOWS, f"the window {self.kernel} has too many sizes")
        found: Cells = np.unique((axes[0][:, None] * axes[1][None]).reshape(-1, 2), axis=0)
        return found

    def window_of(self, height: int, width: int) -> NDArray[np.intp]:
        """The class of every window, (H', W'): a row of :meth:`windows`."""
        found = self.windows(height, width)
        pairs = np.stack([self.cells(height, width), self.cells(height, width, count_padding=True)], 2)
        classes: NDArray[np.intp] = np.argmax((pairs[:, :, None] == found).all(3), axis=2)
        return classes

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
