"""Packed codes: uint8 (n, ⌈bits / 8⌉), bit i is unit i, little-endian inside a byte, followed by zeros."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.amounts import in_bytes
from firebit.engine import native
from firebit.errors import UsageError

Codes = NDArray[np.uint8]

MOST_BITS = 1 << 20
"""The longest code that a store takes."""


def pack(bits: ArrayLike) -> Codes:
    """Pack bits into codes.

    Args:
        bits: (n, bits) of 0 and 1, of booleans or integers, bits ≥ 1.

    Returns:
        uint8 (n, ⌈bits / 8⌉).

    Raises:
        UsageError: `bits` are no such matrix.

    Example:
        >>> pack([[1, 0, 0, 0, 0, 0, 0, 0, 1]]).tolist()
        [[1, 1]]
    """
    array = np.asarray(bits)
    if array.ndim != 2 or not array.shape[1] or array.dtype.kind not in "biu":
        raise UsageError(
            f"bits are {array.dtype} of shape {array.shape}, not a matrix of 0 and 1.",
            "Give booleans or integers of shape (n, bits); threshold real values first.",
        )
    if array.dtype.kind != "b" and array.size and (array.min() < 0 or array.max() > 1):
        raise UsageError(f"bits reach from {array.min()} to {array.max()}.", "Give 0 and 1.")
    return np.packbits(array.astype(bool), axis=1, bitorder="little")


def unpack(codes: ArrayLike, bits: int) -> NDArray[np.uint8]:
    """The bits of codes: uint8 (n, bits) of 0 and 1.

    Args:
        codes: uint8 (n, ⌈bits / 8⌉).
        bits: bits per code, 1 … :data:`MOST_BITS`.

    Raises:
        UsageError: they are no codes of that length; see :func:`check`.
    """
    return np.unpackbits(check(codes, bits), axis=1, count=bits, bitorder="little")


def hamming(a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
    """Bits in which every code of `a` differs from every code of `b`: int32 (len(a), len(b)).

    Raises:
        UsageError: `a` or `b` is not a matrix of uint8, or their lengths differ.
    """
    return native.hamming(a, b)


def truncate(codes: ArrayLike, bits: int, kept: int) -> Codes:
    """The first `kept` bits of every code, as codes of their own.

    Args:
        codes: uint8 (n, ⌈bits / 8⌉).
        bits: bits per code.
        kept: 1 … bits.

    Raises:
        UsageError: they are no codes of that length, or `kept` is out of range.
    """
    whole = check(codes, bits)
    if not 1 <= kept <= bits:
        raise UsageError(f"{kept} is no number of bits to keep of {bits}.", f"Give 1 … {bits}.")
    shorter = whole[:, : in_bytes(kept)].copy()
    if kept % 8:
        shorter[:, -1] &= (1 << kept % 8) - 1
    return shorter


def check(codes: ArrayLike, bits: int, name: str = "codes") -> Codes:
    """The codes as a contiguous array, once it is sure that they are codes of so many bits.

    Args:
        codes: uint8 (n, ⌈bits / 8⌉), or one code (⌈bits / 8⌉,).
        bits: bits per code.
        name: what an error calls them.

    Raises:
        UsageError: another type or shape, another length, or a bit behind the last is set: a sign of another order of
            bits, or of codes of another length.
    """
    check_bits(bits)
    array: NDArray[Any] = np.asarray(codes)
    length = in_bytes(bits)
    if array.ndim == 1:
        array = array[None]
    if array.dtype != np.uint8 or array.ndim != 2:
        raise UsageError(
            f"{name} are {array.dtype} of shape {np.shape(codes)}, not a matrix of packed codes.",
            "Give uint8 of shape (n, bytes), as firebit.search.pack(bits) or network.codes(images) make.",
        )
    if array.shape[1] != length:
        raise UsageError(
            f"{name} have {array.shape[1]} bytes each; codes of {bits} bits have {length}.",
            "Give codes of the same layer of the same network.",
        )
    if bits % 8 and (array[:, -1] >> bits % 8).any():
        raise UsageError(
            f"{name} have bits set behind the last of {bits}.",
            "Give codes with bit i in byte i // 8 at place i % 8, the least significant first, and zeros behind.",
        )
    return np.ascontiguousarray(array)


def check_some(codes: ArrayLike, bits: int, name: str) -> Codes:
    """As :func:`check`, of one code or more.

    Raises:
        UsageError: there is none, or what :func:`check` refuses.
    """
    found = check(codes, bits, name)
    if not len(found):
        raise UsageError(f"There are no {name}.", "Give one code at least.")
    return found


def check_bits(bits: object) -> None:
    """Refuse what is no code length.

    Raises:
        UsageError: it is no whole number from 1 to :data:`MOST_BITS`.
    """
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not 1 <= bits <= MOST_BITS:
        raise UsageError(f"bits={bits!r} is no length of a code.", f"Give a whole number from 1 to {MOST_BITS:,}.")
