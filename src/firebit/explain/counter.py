"""Bits of batches, added up class by class."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError

MOST_COUNTS = 1 << 27
"""Most counts of a matrix, classes × units, and most pairs of units: 1 GiB of either."""

_FEWER = 'Choose a smaller layer, or give by="channel".'


class Counter:
    """Adds up the bits of batches."""

    def __init__(self, classes: int, units: int, together: bool) -> None:
        if classes * units > MOST_COUNTS:
            raise UsageError(f"{units:,} units of {classes:,} classes are too many to count.", _FEWER)
        if together and units * units > MOST_COUNTS:
            raise UsageError(f"{units:,} units have too many pairs to count.", _FEWER)
        self.counts = np.zeros((classes, units), np.int64)
        self.signatures = np.zeros(units, np.uint64)
        self.signature = np.zeros(1, np.uint64)
        self.together = np.zeros((units, units), np.int64) if together else None

    def add(self, bits: NDArray[np.uint8], labels: NDArray[np.int64], hashes: NDArray[np.uint64]) -> None:
        """Bits uint8 (n, U) of pictures of these classes int64 (n,) and hashes uint64 (n,)."""
        order = np.argsort(labels, kind="stable")
        present, starts = np.unique(labels[order], return_index=True)
        self.counts[present] += np.add.reduceat(bits[order], starts, axis=0, dtype=np.int64)
        self.signatures += hashes @ bits
        self.signature += hashes.sum(dtype=np.uint64)
        if self.together is not None:
            # Exact: a batch has far fewer than 2²⁴ pictures.
            real = bits.astype(np.float32)
            self.together += (real.T @ real).astype(np.int64)


def hashes(pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64 bits of every picture that depend on its pixels alone, uint64 (n,)."""
    digests = (hashlib.blake2b(picture.tobytes(), digest_size=8).digest() for picture in pixels)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
