"""One summand of a layer: integer weights on the values of an earlier one."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.engine import native
from firebit.engine.check import LONGEST_SIDE, MOST_CELLS, MOST_COLUMNS, MOST_GROUPS, check, is_count
from firebit.engine.pool import Pool
from firebit.engine.tables import Tables

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Term:
    """One summand of a layer: integer weights on the values of a source.

    Attributes:
        source: "input" or the name of an earlier layer.
        weights: int16 or int8 (O, I) linear, on the flattened values; int16 (O, I / groups, kh, kw) convolution; or
            int32 (C,), a coefficient per channel on the values as they are (a shortcut).
        stride: of a convolution, down and to the right.
        padding: of a convolution: rows above and below, columns left and right. A cell of it is a bit 0, or the input's
            pad value.
        dilation: of a convolution.
        groups: of a convolution.
        pool: pooling of the sums, "max" or "sum".
        tables: of a convolution over bits, how its partial sums are quantised; None: they are exact.
    """

    source: str
    weights: NDArray[np.int8] | NDArray[np.int16] | NDArray[np.int32]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    pool: Pool | None = None
    tables: Tables | None = None

    def __post_init__(self) -> None:
        weights = self.weights
        kind = weights.dtype if is_linear_bytes(weights) else np.int32 if weights.ndim == 1 else np.int16
        check(weights.ndim in (1, 2, 4) and weights.size > 0, f"weights have the shape {weights.shape}")
        check(weights.dtype == kind, f"weights of shape {weights.shape} are {weights.dtype}")
        check(int(weights.min()) > np.iinfo(kind).min, "a weight has no negative of its own size")
        geometry = ((self.stride, 2, 1), (self.padding, 4, 0), (self.dilation, 2, 1), ((self.groups,), 1, 1))
        for sizes, length, least in geometry:
            good = isinstance(sizes, tuple) and len(sizes) == length and all(is_count(n, least) for n in sizes)
            check(good, f"a convolution has the sizes {sizes}")
        plain = (self.stride, self.padding, self.dilation, self.groups) == ((1, 1), (0, 0, 0, 0), (1, 1), 1)
        check(plain or self.is_convolution, "only a convolution has a stride, padding, dilation or groups")
        check(self.groups <= MOST_GROUPS, f"a convolution has {self.groups} groups, too many")
        check(self.pool is None or self.pool.kind in ("max", "sum"), "sums are pooled by max or sum")
        if self.tables is not None:
            check(self.is_convolution, "only a convolution has tables")
            self.tables.check(self.weights)  # type: ignore[arg-type]

    @property
    def is_convolution(self) -> bool:
        """Whether the weights are those of a convolution."""
        return self.weights.ndim == 4

    @property
    def is_shortcut(self) -> bool:
        """Whether the weights are a coefficient per channel."""
        return self.weights.ndim == 1

    @cached_property
    def is_sign(self) -> bool:
        """Whether all weights, of no shortcut, are −1 or +1: a file stores a bit of each."""
        # Most weights are neither, and the first of them tell.
        few = self.weights.reshape(-1)[:64]
        return not self.is_shortcut and all(bool((np.abs(found) == 1).all()) for found in (few, self.weights))

    @property
    def channels(self) -> int:
        """Channels that come out."""
        return len(self.weights)

    def sums(self, source: Shape) -> Shape:
        """Shape of the sums before they are pooled, from the shape of the source."""
        if self.is_shortcut:
            check(source[0] == self.channels, f"{self.channels} coefficients meet a source of {source[0]} channels")
            return source
        if not self.is_convolution:
            check(prod(source) == self.weights.shape[1], f"weights {self.weights.shape} meet {prod(source)} values")
            return (self.channels,)
        return (self.channels, *self._map(source))

    def _map(self, source: Shape) -> tuple[int, int]:
        outputs, inputs, *kernel = self.weights.shape
        check(len(source) == 3, f"a convolution meets a source of shape {source}")
        check(source[0] == inputs * self.groups, f"a convolution of {inputs * self.groups} channels meets {source[0]}")
        check(outputs % self.groups == 0, f"{outputs} channels are no {self.groups} groups")
        top, bottom, left, right = self.padding
        sides = (source[1] + top + bottom, source[2] + left + right)
        check(max(sides) <= LONGEST_SIDE, f"padding {self.padding} makes a map too large")
        check(prod((source[0], *sides)) <= MOST_CELLS, f"padding {self.padding} makes a map too large")
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, self.dilation, strict=True)]
        down, across = ((side - r) // step + 1 for side, r, step in zip(sides, reach, self.stride, strict=True))
        check(all(r <= side for r, side in zip(reach, sides, strict=True)), f"a kernel {kernel} meets a map of {sides}")
        columns = down * across * inputs * prod(kernel)
        check(columns <= MOST_COLUMNS, f"{down}×{across} placements of {inputs} kernels {kernel} are too many")
        return down, across

    def output(self, source: Shape) -> Shape:
        """Shape of what the term adds."""
        sums = self.sums(source)
        check(prod(sums) <= MOST_CELLS, f"{sums} sums are too many")
        return sums if self.pool is None else self.pool.shape(sums)

    def work(self, source: Shape) -> int:
        """Its multiply-accumulates, and the cells under the windows of its pooling, per picture."""
        per_sum = self.weights.size // self.channels
        return prod(self.sums(source)) * per_sum + pooled_cells(self.pool, self.output(source))

    def bound(self, source: Shape, largest: int) -> NDArray[np.float64]:
        """The largest size of its sums per channel, float64 (O,), pooling included, of values up to `largest`."""
        if self.tables is None:
            sizes = native.row_sizes(self.weights.reshape(self.channels, -1))
        else:
            sizes = self.tables.most(self.weights).sum(1)  # type: ignore[arg-type]
        sums = self.sums(source)
        # In floating point, where a sum too large stays too large.
        covered = self.pool.most(*sums[1:]) if self.pool else 1
        bound: NDArray[np.float64] = sizes.astype(np.float64) * largest * covered
        return bound


def is_linear_bytes(weights: NDArray[Any]) -> bool:
    """Whether weights are bytes where they may be: those of a linear layer, which can be many."""
    return weights.ndim == 2 and weights.dtype == np.int8


def pooled_cells(pool: Pool | None, output: Shape) -> int:
    """Cells under all windows of a pooling that gives maps (C, H', W')."""
    return 0 if pool is None else prod(output) * prod(pool.kernel)
