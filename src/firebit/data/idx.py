"""IDX files, the format of MNIST: pictures and labels, gzipped or not.

A header is believed only as far as the file can keep its promise: what it claims is compared with the size of the file
before anything is allocated, and a gzip stream is read to the claimed size plus one byte, never further.
"""

import gzip
import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from firebit.data.image_set import ImageSet
from firebit.errors import DataError

PREFIXES = {"train": "train", "test": "t10k"}
_CHUNK = 1 << 20
# Deflate cannot shrink data to less than 1/1032 of its size.
_LARGEST_RATIO = 1032
_REMEDY = "Fetch or copy the file again; it is not a complete IDX file."


def find(folder: Path | Traversable, split: str, kind: str) -> Path | Traversable | None:
    """The file of a split in a folder under any of its usual names, or None.

    Args:
        folder: where to look.
        split: "train" or "test".
        kind: "images-idx3" or "labels-idx1".
    """
    for middle in (kind, kind.replace("-idx", ".idx")):
        for ending in ("", ".gz"):
            path = folder / f"{PREFIXES[split]}-{middle}-ubyte{ending}"
            if path.is_file():
                return path
    return None


def read_images(path: Path | Traversable) -> NDArray[np.uint8]:
    """Read an IDX3 file of pictures.

    Returns:
        uint8 (N, 1, H, W), N, H, W ≥ 1.

    Raises:
        DataError: the file is missing, empty, truncated, too long, or not of this format.
    """
    return _read(path, 3)[:, None]


def read_labels(path: Path | Traversable) -> NDArray[np.int64]:
    """Read an IDX1 file of labels.

    Returns:
        int64 (N,), N ≥ 1, values 0 … 255.

    Raises:
        DataError: the file is missing, empty, truncated, too long, or not of this format.
    """
    return _read(path, 1).astype(np.int64)


def read(folder: Path | Traversable, split: str, classes: tuple[str, ...] | None, name: str) -> ImageSet:
    """Read one split of a folder of IDX files.

    Args:
        folder: holds `{train,t10k}-{images-idx3,labels-idx1}-ubyte`, gzipped or not, or the dotted variant.
        split: "train" or "test".
        classes: their names. None: the lines of `classes.txt` in the folder; without one "0", "1" … to the largest
            label of the training set.
        name: what to call the set.

    Raises:
        DataError: a file is missing or corrupt, counts differ, or a label is out of range.
    """
    images_path, labels_path = _require(folder, split, "images-idx3"), _require(folder, split, "labels-idx1")
    labels = read_labels(labels_path)
    names = classes or _class_names(folder, labels)
    if labels.max() >= len(names):
        raise DataError(
            f"{labels_path} holds label {labels.max()}, but there are {len(names)} classes.",
            "Fetch or copy the file again, or name all classes in classes.txt, one a line.",
        )
    images = read_images(images_path)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images)} pictures, {labels_path} {len(labels)} labels.",
            "Put the two files of the same data set beside each other.",
        )
    return ImageSet(images, labels, names, name)


def _require(folder: Path | Traversable, split: str, kind: str) -> Path | Traversable:
    path = find(folder, split, kind)
    if path is None:
        raise DataError(
            f"There is no {PREFIXES[split]}-{kind}-ubyte or {PREFIXES[split]}-{kind}-ubyte.gz in {folder}.",
            "Put the file there, or give the folder that has it.",
        )
    return path


def _class_names(folder: Path | Traversable, labels: NDArray[np.int64]) -> tuple[str, ...]:
    listed = folder / "classes.txt"
    if listed.is_file():
        try:
            return tuple(line.strip() for line in listed.read_text("utf-8").splitlines() if line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{listed} cannot be read: {error}", "Save it as UTF-8 text, one class a line.") from error
    training = find(folder, "train", "labels-idx1")
    largest = (read_labels(training) if training else labels).max()
    return tuple(str(label) for label in range(int(largest) + 1))


def _read(path: Path | Traversable, dimensions: int) -> NDArray[np.uint8]:
    with _opened(path) as (stream, size, zipped):
        shape = _read_shape(stream, dimensions, path)
        claimed = math.prod(shape)
        room = size * _LARGEST_RATIO if zipped else size - 4 * (1 + dimensions)
        if claimed > room or (not zipped and claimed < room):
            raise DataError(
                f"{path} is {size} bytes long, but its header claims {' × '.join(map(str, shape))} values.", _REMEDY
            )
        body = _read_body(stream, claimed)
    if len(body) != claimed:
        what = "ends before" if len(body) < claimed else "goes on after"
        raise DataError(f"{path} {what} the {claimed} values that its header claims.", _REMEDY)
    return np.frombuffer(body, np.uint8).reshape(shape)


@contextmanager
def _opened(path: Path | Traversable) -> Iterator[tuple[IO[bytes], int, bool]]:
    """The unpacked stream of a file, its size on disk, and whether it is gzipped (by content, not by name)."""
    try:
        with path.open("rb") as raw:
            size = raw.seek(0, io.SEEK_END)
            raw.seek(0)
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if zipped:
                with gzip.open(raw) as stream:
                    yield cast(IO[bytes], stream), size, True
            else:
                yield raw, size, False
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}", _REMEDY) from error


def _read_shape(stream: IO[bytes], dimensions: int, path: Path | Traversable) -> tuple[int, ...]:
    length = 4 * (1 + dimensions)
    header = stream.read(length)
    if len(header) < length:
        raise DataError(f"{path} is {'empty' if not header else 'shorter than an IDX header'}.", _REMEDY)
    magic, *shape = struct.unpack(f">{1 + dimensions}I", header)
    if magic != 0x800 + dimensions:
        kind = {1: "labels (0x00000801)", 3: "pictures (0x00000803)"}[dimensions]
        raise DataError(f"{path} starts with 0x{magic:08x}, not with the mark of IDX {kind}.", _REMEDY)
    if 0 in shape:
        raise DataError(f"{path} claims to hold nothing: {' × '.join(map(str, shape))} values.", _REMEDY)
    return tuple(shape)


def _read_body(stream: IO[bytes], claimed: int) -> bytearray:
    """At most claimed + 1 bytes, in pieces: what a header claims is not allocated before the data are there."""
    body = bytearray()
    while len(body) <= claimed and (piece := stream.read(min(_CHUNK, claimed + 1 - len(body)))):
        body += piece
    return body
