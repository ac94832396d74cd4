"""Real weights on integer grids: as fine as 16 bits allow, and without loss where that is possible."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, frexp, inf, isinf

import numpy as np
from numpy.typing import NDArray

from firebit.compiler.value import Reals
from firebit.engine.check import LARGEST_SUM

LARGEST_WEIGHT = 2**15 - 1
"""Weights are −32767 … 32767."""

LARGEST_COEFFICIENT = 2**30
"""The largest coefficient of a shortcut."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Snapped:
    """Weights on a grid: weights ≈ integers / density.

    Attributes:
        integers: int64 (m, n).
        density: grid points per 1, exact, > 0.
        change: the largest |integers / density − weights| as a share of the largest |weight|; 0: nothing changed.
    """

    integers: Integers
    density: Fraction
    change: float


def snap(weights: Reals, limit: NDArray[np.int64], reach: NDArray[np.int64]) -> Snapped:
    """Weights that share one grid as integers.

    Exact where all weights are 0 or of one size (they become −1, 0 and +1), or multiples of a power of two that fit
    the limits. Otherwise the finest grid within the limits, nearest integers.

    Args:
        weights: float64 (m, n), finite: m sums of n summands.
        limit: the largest integer of each column, int64 (n,).
        reach: how large the value that a column multiplies can be, summed over a window, int64 (n,).

    Raises:
        OverflowError: a sum cannot stay within 31 bits on any grid.
    """
    largest = np.abs(weights).max(initial=0.0)
    if largest == 0:
        return Snapped(np.zeros(weights.shape, np.int64), Fraction(1), 0.0)
    # The largest weight comes to ½ … 1, where no density leaves floating point.
    exponent = frexp(largest)[1]
    found = _snap(np.ldexp(weights, -exponent), limit, reach)
    return replace(found, density=found.density / Fraction(2) ** exponent)


def _snap(weights: Reals, limit: NDArray[np.int64], reach: NDArray[np.int64]) -> Snapped:
    sizes = np.abs(weights)
    largest = sizes.max()
    exact = _signs(weights, sizes, largest) or _dyadic(weights, sizes, limit)
    if exact is not None and _fits(exact.integers, limit, reach):
        return exact
    density = _finest(sizes, limit)
    while True:
        integers = np.rint(weights * density).astype(np.int64)
        if _fits(integers, limit, reach):
            break
        # Rounding can add half a grid point per weight, so the bound may take a few turns.
        total = (np.abs(integers).astype(np.float64) * reach).sum(1).max()
        density *= min(LARGEST_SUM / total, 1 - 2**-15)
        if density * largest < 1:
            raise OverflowError
    change = np.abs(integers / density - weights).max() / largest
    return Snapped(integers, Fraction(density), float(change))


def _fits(integers: Integers, limit: NDArray[np.int64], reach: NDArray[np.int64]) -> bool:
    total = (np.abs(integers).astype(np.float64) * reach).sum(1)
    return bool((np.abs(integers) <= limit).all() and (total <= LARGEST_SUM).all())


def _signs(weights: Reals, sizes: Reals, largest: float) -> Snapped | None:
    if not ((sizes == 0) | (sizes == largest)).all():
        return None
    return Snapped(np.sign(weights).astype(np.int64), 1 / Fraction(float(largest)), 0.0)


def _dyadic(weights: Reals, sizes: Reals, limit: NDArray[np.int64]) -> Snapped | None:
    power = floor_log2(_finest(sizes, limit))
    scaled = np.ldexp(weights, power)
    if not (np.isfinite(scaled).all() and (scaled == np.rint(scaled)).all()):
        return None
    integers = scaled.astype(np.int64)
    divisor = int(np.gcd.reduce(np.abs(integers).ravel()))
    return Snapped(integers // divisor, Fraction(2) ** power / divisor, 0.0)


def _finest(sizes: Reals, limit: NDArray[np.int64]) -> float:
    """The largest density with which every weight keeps its limit."""
    widest = sizes.max(0)
    with np.errstate(divide="ignore", over="ignore"):
        density = float(np.where(widest > 0, limit / np.where(widest > 0, widest, 1), inf).min())
    return density


def floor_log2(value: float) -> int:
    """⌊log₂ value⌋ of a positive number."""
    return frexp(value)[1] - 1


def threshold(wanted: float, direction: int, scale: Fraction, bias: float, bound: int) -> tuple[int, int]:
    """Where an integer sum fires: the threshold and the direction of scale · s + bias against a real threshold.

    Args:
        wanted: the real threshold; ±∞ for a constant unit.
        direction: +1 fires at `wanted` and above, −1 at `wanted` and below, 0 always.
        scale: of the sum, exact.
        bias: added to it.
        bound: the largest size of the sum.

    Returns:
        An integer in −(bound + 1) … bound + 1, and −1, 0 or +1. Exact: computed in fractions.
    """
    if direction == 0:
        return 0, 0
    if scale == 0 or isinf(wanted) or isinf(bias):
        fires = bias >= wanted if direction > 0 else bias <= wanted
        turned = direction if scale == 0 else direction * (1 if scale > 0 else -1)
        return turned * (-bound if fires else bound + 1), turned
    place = (Fraction(wanted) - Fraction(bias)) / scale
    turned = direction if scale > 0 else -direction
    if turned > 0:
        return min(max(ceil(place), -bound), bound + 1), 1
    return max(min(floor(place), bound), -bound - 1), -1
