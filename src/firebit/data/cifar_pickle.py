"""The pickled Python version of CIFAR, read without letting the file run anything.

A pickle is a program. This reader first walks over its operations without carrying out any of them, and refuses every
one that a table of pictures does not need. Only then is it unpickled, and the few NumPy names that such a file calls
are stand-ins that check what they are given; every other name is refused.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from firebit.errors import DataError

_PIXELS = 3 * 32 * 32
_LARGEST_FILE = 1 << 30
_MOST_TUPLES = 64
_OPERATIONS = """
PROTO FRAME STOP MARK POP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG1
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD
"""
_ALLOWED = frozenset(_OPERATIONS.split())


def read(path: Path, labels_key: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one pickled batch.

    Args:
        path: the file.
        labels_key: "labels" (CIFAR-10) or "fine_labels" (CIFAR-100).
        classes: number of classes.

    Returns:
        images uint8 (N, 3, 32, 32) and labels int64 (N,), N ≥ 1.

    Raises:
        DataError: the file is corrupt, asks for anything but a table of pictures, or a label is out of range.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= _LARGEST_FILE:
            _refuse(path, f"is {size} bytes long")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}", "Fetch or copy the file again.") from error
    batch = _unpickle(content, path)
    if not isinstance(batch, dict):
        _refuse(path, "holds no table of pictures and labels")
    table = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in batch.items()}
    return _images(table.get("data"), path), _labels(table, labels_key, classes, path)


def _refuse(path: Path, what: str) -> NoReturn:
    raise DataError(f"{path} {what}.", "Use the binary version of CIFAR (firebit data fetch cifar10).")


def _images(data: object, path: Path) -> NDArray[np.uint8]:
    if not isinstance(data, _Array) or data.values is None:
        _refuse(path, "holds no pictures under 'data'")
    values = data.values
    if values.ndim != 2 or values.shape[1] != _PIXELS or not len(values):
        _refuse(path, f"holds 'data' of shape {values.shape}, not (N, {_PIXELS})")
    return np.ascontiguousarray(values).reshape(-1, 3, 32, 32)


def _labels(table: dict[Any, Any], key: str, classes: int, path: Path) -> NDArray[np.int64]:
    labels, pictures = table.get(key), len(table["data"].values)
    if not isinstance(labels, list) or len(labels) != pictures:
        _refuse(path, f"does not hold one of '{key}' for each of {pictures} pictures")
    for position, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < classes:
            _refuse(path, f"gives picture {position} a label that is none of {classes} classes")
    return np.array(labels, np.int64)


def _unpickle(content: bytes, path: Path) -> object:
    try:
        _inspect(content)
        return _Restricted(content).load()
    except Exception as error:  # a damaged program fails in any way it likes
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{path} is no CIFAR batch: {reason}",
            "Use the binary version of CIFAR (firebit data fetch cifar10).",
        ) from error


def _inspect(content: bytes) -> None:
    """Refuse operations a batch does not need, and those that cost more time or memory than the file is long.

    Walking over the operations also checks that every length the file claims is there. A huge memo index makes the
    unpickler allocate as much; tuples of tuples made of one shared tuple take forever to hash.
    """
    previous, tuples, stored = "", 0, 0
    shared_tuples: set[int] = set()
    for operation, argument, _ in pickletools.genops(content):
        name = operation.name
        if name not in _ALLOWED:
            raise pickle.UnpicklingError(f"operation {name} is not allowed")
        if name.endswith("PUT") or name == "MEMOIZE":
            index = stored if argument is None else int(argument)
            stored += 1
            # Indices count up from 0 or 1.
            if not 0 <= index <= stored:
                raise pickle.UnpicklingError(f"memo index {index} is out of order")
            if "TUPLE" in previous:
                shared_tuples.add(index)
        elif argument is not None and name.endswith("GET") and int(argument) in shared_tuples:
            raise pickle.UnpicklingError("a tuple is used twice")
        tuples += "TUPLE" in name
        if tuples > _MOST_TUPLES:
            raise pickle.UnpicklingError("too many tuples")
        previous = name


class _Array:
    """Stands in for an array of bytes while it is unpickled."""

    __slots__ = ("values",)

    def __init__(self, values: NDArray[np.uint8] | None = None) -> None:
        self.values = values

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), tuple(shape), _DType(), bool(fortran), bytes(raw)):
                self.values = _view(raw, shape, "F" if fortran else "C")
            case _:
                raise pickle.UnpicklingError("an array that is not made of bytes")


class _DType:
    """Stands in for the type uint8."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Nothing of it matters for single bytes: the type was checked when it was made."""


def _view(raw: bytes | bytearray, shape: tuple[Any, ...], order: str) -> NDArray[np.uint8]:
    sizes_are_right = all(type(size) is int and size >= 0 for size in shape) and len(shape) <= 4
    if not sizes_are_right or math.prod(shape) != len(raw) or order not in ("C", "F"):
        raise pickle.UnpicklingError(f"an array whose shape does not fit its {len(raw)} bytes")
    return np.frombuffer(bytearray(raw), np.uint8).reshape(shape, order="F" if order == "F" else "C")


def _dtype(code: object, *_: object) -> _DType:
    if code not in ("u1", b"u1", "uint8", b"uint8"):
        raise pickle.UnpicklingError(f"an array of type {str(code)[:20]!r}, not of bytes")
    return _DType()


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _frombuffer(raw: object, dtype: object, shape: object, order: object) -> _Array:
    if not (isinstance(raw, bytes | bytearray) and isinstance(dtype, _DType) and isinstance(shape, tuple)):
        raise pickle.UnpicklingError("an array that is not made of bytes")
    return _Array(_view(raw, shape, str(order)))


def _encode(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", b"latin1", b"latin-1"):
        raise pickle.UnpicklingError("a text that is not Latin-1")
    return text.encode("latin-1")


class _Callable:
    """A function that a pickle can call but not change: a plain one has attributes that BUILD would set."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        raise pickle.UnpicklingError("it changes a function")


_NAMES: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
}


class _Restricted(pickle.Unpickler):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("numpy", "ndarray"):
            return "ndarray"  # only ever handed to _reconstruct, which ignores it
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")
        return _Callable(_NAMES[module, name])
