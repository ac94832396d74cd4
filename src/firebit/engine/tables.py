"""Quantised tables: of every four bits that a convolution reads, the 16 partial sums as bytes, exactly defined.

Four bits b₀ … b₃ of consecutive channels at one tap choose one of 16 partial sums P = Σ wⱼ·bⱼ. The table of an output
channel with the multiplier m holds

    ⌊((P − min P)·m + 2²³) / 2²⁴⌋

and a convolution adds up entries in place of weights. Of `chunk` consecutive groups (of four channels, then kernel
rows, then columns; chunks begin at the first) the largest entries add up to at most 255, so that a kernel may add them
in bytes; all of them to at most 65,535.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebit.engine.check import check, is_count

FRACTION_BITS = 24
"""A multiplier counts in parts of 2²⁴."""

LARGEST_ENTRIES = 255
"""What the largest entries of a chunk add up to at most."""

LARGEST_SUM_OF_ENTRIES = 65_535
"""What all largest entries of a channel add up to at most."""

LONGEST_CHUNK = 64
"""The most groups of a chunk."""

MOST_GROUPS_OF_BITS = 1 << 20
"""The most groups of four bits that a sum of entries reads."""

BALANCED_BLOCK = 128
"""Groups among which a kernel chooses those that it adds up in a byte."""

BITS = 4
"""Bits that choose an entry."""

Integers = NDArray[np.int64]
Weights = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Tables:
    """How the partial sums of a convolution over bits are quantised.

    Attributes:
        multipliers: int32 (O,), 1 … 2²⁴.
        chunk: 1 … :data:`LONGEST_CHUNK`.
    """

    multipliers: NDArray[np.int32]
    chunk: int

    def __post_init__(self) -> None:
        numbers = self.multipliers
        check(numbers.ndim == 1 and numbers.dtype == np.int32, f"multipliers are {numbers.dtype} {numbers.shape}")
        inside = numbers.size > 0 and numbers.min() >= 1 and numbers.max() <= 1 << FRACTION_BITS
        check(bool(inside), "a multiplier of tables is out of range")
        check(is_count(self.chunk, 1) and self.chunk <= LONGEST_CHUNK, f"tables have chunks of {self.chunk!r}")

    def check(self, weights: Weights) -> None:
        """Refuse weights (O, I, kh, kw) whose entries add up to too much.

        Raises:
            ModelFileError: they do.
        """
        check(
            len(self.multipliers) == len(weights), f"{len(weights)} channels have {len(self.multipliers)} multipliers"
        )
        groups = -(-weights.shape[1] // BITS) * weights.shape[2] * weights.shape[3]
        check(groups <= MOST_GROUPS_OF_BITS, f"tables of {groups} groups are too many")
        most = self.most(weights)
        check(int(chunk_sums(most, self.chunk).max()) <= LARGEST_ENTRIES, "entries of tables do not fit a byte")
        check(int(most.sum(1).max()) <= LARGEST_SUM_OF_ENTRIES, "entries of tables do not fit 16 bits")

    def most(self, weights: Weights) -> Integers:
        """The largest entry of every table: int64 (O, groups)."""
        return self._rounded(spans(weights), 1)

    def entries(self, weights: Weights) -> Integers:
        """All entries, int64 (O, groups, 16)."""
        sums = partial_sums(weights)
        return self._rounded(sums - sums.min(2, keepdims=True), 2)

    def _rounded(self, sums: Integers, more: int) -> Integers:
        wide = self.multipliers.astype(np.int64).reshape(-1, *(1,) * more)
        rounded: Integers = (sums * wide + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
        return rounded


def partial_sums(weights: Weights) -> Integers:
    """The partial sums of every four bits: int64 (O, groups, 16). Bit j of an index is channel j of its group."""
    four = _fours(weights)
    indices = np.arange(1 << BITS)
    chosen = (indices[:, None] >> np.arange(BITS)) & 1
    found: Integers = four @ chosen.T
    return found


def spans(weights: Weights) -> Integers:
    """The largest partial sum less the smallest, int64 (O, groups): the sizes of the four weights, added up."""
    four = _fours(weights)
    found: Integers = np.abs(four).sum(2)
    return found


def chunk_sums(most: Integers, chunk: int) -> Integers:
    """Sums of `chunk` consecutive columns: (O, ⌈groups / chunk⌉)."""
    found: Integers = np.add.reduceat(most, np.arange(0, most.shape[1], chunk), axis=1)
    return found


def balanced_sums(most: Integers, chunk: int) -> Integers:
    """What largest entries add up to where a kernel chooses which ones come together: (O, bunches).

    Within every :data:`BALANCED_BLOCK` columns the largest is added to the smallest, the second largest to the second
    smallest and so on, then their sums likewise, until `chunk` columns, a power of two, are together.
    """
    found = []
    for first in range(0, most.shape[1], BALANCED_BLOCK):
        block = most[:, first : first + BALANCED_BLOCK]
        sums = np.pad(block, ((0, 0), (0, -block.shape[1] % chunk)))
        for _ in range(chunk.bit_length() - 1):
            ordered = np.sort(sums, axis=1)
            half = ordered.shape[1] // 2
            sums = ordered[:, :half] + ordered[:, ::-1][:, :half]
        found.append(sums)
    return np.concatenate(found, axis=1)


def _fours(weights: Weights) -> Integers:
    """Weights by group: int64 (O, groups, 4); channels that are missing in the last have 0."""
    outputs, inputs, *kernel = weights.shape
    whole = np.zeros((outputs, -(-inputs // BITS) * BITS, *kernel), np.int64)
    whole[:, :inputs] = weights
    by_tap = whole.reshape(outputs, -1, BITS, *kernel).transpose(0, 1, 3, 4, 2)
    return by_tap.reshape(outputs, -1, BITS)
