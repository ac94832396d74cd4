"""Hamming distances of one code from many, as words, and what is refused as codes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError
from firebit.search.codes import Codes, check


def check_codes(codes: NDArray[Any], bits: int, what: str) -> None:
    """See that an array holds one code or more of that many bits.

    Raises:
        UsageError: there is none, or what :func:`firebit.search.codes.check` refuses.
    """
    if not len(check(codes, bits, what)):
        raise UsageError(f"There are no {what}.", "Give one code at least.")


def words(codes: Codes) -> NDArray[np.uint64]:
    """Codes as words of 64 bits (N, ⌈bytes / 8⌉), padded with 0."""
    padded = np.zeros((len(codes), -(-codes.shape[1] // 8) * 8), np.uint8)
    padded[:, : codes.shape[1]] = codes
    return padded.view(np.uint64)


def distances(code: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Hamming distances (N,) of one code (words,) from others (N, words)."""
    if others.shape[1] == 1:
        one: NDArray[np.int64] = np.bitwise_count(others[:, 0] ^ code[0]).astype(np.int64)
        return one
    several: NDArray[np.int64] = np.bitwise_count(others ^ code).sum(axis=1, dtype=np.int64)
    return several
