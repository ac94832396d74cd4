"""Packed codes and their Hamming distances: bit i of a code is bit i mod 8 of byte ⌊i / 8⌋, padding is 0."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError

Codes = NDArray[np.uint8]


def pack(bits: NDArray[Any]) -> Codes:
    """Codes uint8 (N, ⌈bits / 8⌉) of bits (N, bits), any numbers of which those above 0 are set."""
    return np.packbits(bits > 0, axis=1, bitorder="little")


def unpack(codes: Codes, bits: int) -> NDArray[np.uint8]:
    """The bits, 0 or 1, uint8 (N, bits), of packed codes."""
    return np.unpackbits(codes, axis=1, count=bits, bitorder="little")


def truncate(codes: Codes, bits: int) -> Codes:
    """The first `bits` of each code, packed."""
    return pack(unpack(codes, bits))


def check_codes(codes: NDArray[Any], bits: int, what: str) -> None:
    """See that an array holds one code or more of that many bits.

    Raises:
        UsageError: another dtype or shape, or bits set in the padding.
    """
    wanted = -(-bits // 8)
    if codes.dtype != np.uint8 or codes.ndim != 2 or not len(codes) or codes.shape[1] != wanted or bits < 1:
        raise UsageError(
            f"{what} of dtype {codes.dtype} and shape {codes.shape} are no codes of {bits} bits.",
            f"Give uint8 codes of shape (N, {max(1, wanted)}), N at least 1.",
        )
    if bits % 8 and (codes[:, -1] >> (bits % 8)).any():
        raise UsageError(f"{what}: bits are set behind bit {bits - 1}.", f"Say how many bits there are, not {bits}.")


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
