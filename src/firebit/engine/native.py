"""The native kernels where they are built, NumPy where they are not: the same numbers either way.

`pip install` compiles the kernels if it finds a C++ compiler. At run time the best instruction set that the
processor offers is used; the environment variable ``FIREBIT_ISA`` names another one.
"""

import os
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from firebit.errors import UsageError

_native: ModuleType | None
try:
    from firebit.engine import _native
except ImportError:
    _native = None

Codes = npt.NDArray[np.uint8]
Distances = npt.NDArray[np.int32]

_LONGEST_CODE = np.iinfo(np.int32).max // 8


def instruction_sets() -> tuple[str, ...]:
    """Every instruction set that can be used here, best first; the last is always "numpy"."""
    built = _native.instruction_sets() if _native else []
    return (*built, "numpy")


def instruction_set() -> str:
    """The instruction set in use: "avx512", "avx2", "neon", "portable", or "numpy" where no native code is built.

    Raises:
        UsageError: ``FIREBIT_ISA`` names one that this machine or this installation cannot run.
    """
    usable = instruction_sets()
    wanted = os.environ.get("FIREBIT_ISA") or usable[0]
    if wanted not in usable:
        raise UsageError(
            f"FIREBIT_ISA={wanted} is not an instruction set that this installation can run here.",
            f"Unset FIREBIT_ISA, or set it to one of: {', '.join(usable)}.",
        )
    return wanted


def module() -> ModuleType:
    """The native code.

    Raises:
        RuntimeError: none is built.
    """
    if _native is None:
        raise RuntimeError("No native code is built.")
    return _native


def cpu_features() -> tuple[str, ...]:
    """What the processor offers, of the features Firebit knows of; empty where no native code can ask it."""
    return tuple(_native.cpu_features()) if _native else ()


def row_sizes(values: npt.NDArray[np.signedinteger[Any]]) -> npt.NDArray[np.int64]:
    """Sums of the sizes of the numbers in every row.

    Args:
        values: int8, int16 or int32 (n, length).

    Returns:
        int64 (n,).
    """
    found = np.zeros(len(values), np.int64)
    if _native is not None and values.dtype.itemsize <= np.dtype(np.int16).itemsize:
        _native.row_sizes(np.ascontiguousarray(values), found)
        return found
    # Row by row: all of them as int64 would take eight times their memory.
    for row, numbers in enumerate(values):
        found[row] = np.abs(numbers.astype(np.int64)).sum()
    return found


def hamming(a: npt.ArrayLike, b: npt.ArrayLike) -> Distances:
    """Number of bits in which every code of `a` differs from every code of `b`.

    Args:
        a: packed codes, uint8 (n, bytes). Codes that are not contiguous are copied.
        b: packed codes, uint8 (m, bytes).

    Returns:
        Distances, int32 (n, m), each in 0 … 8·bytes.

    Raises:
        UsageError: `a` or `b` is not a matrix of uint8, or their codes have different lengths, or
            ``FIREBIT_ISA`` is wrong.

    Example:
        >>> hamming(np.array([[0b0001], [0b1111]], np.uint8), np.array([[0b0011]], np.uint8)).tolist()
        [[1], [2]]
    """
    left, right = _codes(a, "a"), _codes(b, "b")
    if left.shape[1] != right.shape[1]:
        raise UsageError(
            f"Codes of {left.shape[1]} bytes cannot be compared with codes of {right.shape[1]} bytes.",
            "Give codes of the same layer of the same network.",
        )
    chosen = instruction_set()
    out = np.empty((len(left), len(right)), np.int32)
    if _native is None or chosen == "numpy":
        _hamming_numpy(left, right, out)
    else:
        _native.hamming(left, right, out, chosen)
    return out


def _hamming_numpy(a: Codes, b: Codes, out: Distances) -> None:
    # Row by row: all pairs at once would take n·m·bytes of memory.
    for code, distances in zip(a, out, strict=True):
        np.bitwise_count(b ^ code).sum(axis=1, dtype=np.int32, out=distances)


def _codes(values: npt.ArrayLike, name: str) -> Codes:
    array = np.asarray(values)
    if array.dtype != np.uint8 or array.ndim != 2:
        raise UsageError(
            f"{name} is {array.dtype} of shape {array.shape}, not a matrix of packed codes.",
            "Give uint8 of shape (codes, bytes), as numpy.packbits(bits, axis=1, bitorder='little') makes.",
        )
    if array.shape[1] > _LONGEST_CODE:
        raise UsageError(
            f"{name} has codes of {array.shape[1]} bytes, whose distances do not fit 32 bits.",
            f"Give codes of at most {_LONGEST_CODE} bytes.",
        )
    return np.ascontiguousarray(array)
