"""The index of tar shards, index.json: how many pictures each holds and where they lie, its size and its SHA-256."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firebit.data.samples import Samples
from firebit.errors import DataError
from firebit.files import write_text

FILE = "index.json"
_FORMAT = 1
_LARGEST = 1 << 30
_PIECE = 1 << 20


@dataclass(frozen=True, eq=False)
class Shard:
    """What the index says of a shard.

    Attributes:
        file: its name, in the folder of the index.
        split: "train" or "test".
        bytes: its size.
        sha256: 64 hexadecimal digits.
        samples: where its pictures lie.
    """

    file: str
    split: str
    bytes: int
    sha256: str
    samples: Samples


@dataclass(frozen=True, eq=False)
class Index:
    """An index.

    Attributes:
        name: of the data set.
        classes: their names, in order.
        shards: of both splits, in order.
    """

    name: str
    classes: tuple[str, ...]
    shards: tuple[Shard, ...]

    def of(self, split: str) -> tuple[Shard, ...]:
        """The shards of a split."""
        return tuple(shard for shard in self.shards if shard.split == split)


def write_index(folder: Path, index: Index) -> Path:
    """Write an index, atomically."""
    record = {
        "format": _FORMAT,
        "name": index.name,
        "pictures": {split: sum(len(shard.samples) for shard in index.of(split)) for split in ("train", "test")},
        "classes": list(index.classes),
        "shards": [_shard_record(shard) for shard in index.shards],
    }
    path = folder / FILE
    write_text(path, json.dumps(record, separators=(",", ":")) + "\n")
    return path


def read_index(folder: Path) -> Index | None:
    """Read the index of a folder; None where it has none.

    Raises:
        DataError: it is damaged, of a newer format, or speaks of files outside the folder.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        return _index(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(
            f"{path} is no index of shards: {reason}.",
            "Write the shards again, or remove it to have them looked through.",
        ) from error


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def differing(folder: Path, shards: Iterable[Shard]) -> list[str]:
    """Files that are not what the index says, by their SHA-256; those that are missing, too."""
    return [
        shard.file
        for shard in shards
        if not (folder / shard.file).is_file() or sha256_of(folder / shard.file) != shard.sha256
    ]


def _shard_record(shard: Shard) -> dict[str, Any]:
    samples = shard.samples
    return {
        "file": shard.file,
        "split": shard.split,
        "pictures": len(samples),
        "bytes": shard.bytes,
        "sha256": shard.sha256,
        "offsets": samples.offsets.tolist(),
        "sizes": samples.sizes.tolist(),
        "labels": samples.labels.tolist(),
    }


def _index(record: dict[str, Any]) -> Index:
    if record["format"] != _FORMAT:
        raise ValueError(f"format {record['format']!r} is not {_FORMAT}")
    classes = record["classes"]
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("its classes are no list of names")
    shards = tuple(_shard(each, len(classes)) for each in record["shards"])
    return Index(str(record["name"]), tuple(classes), shards)


def _shard(record: dict[str, Any], classes: int) -> Shard:
    file, total, split = record["file"], record["bytes"], record["split"]
    if not isinstance(file, str) or Path(file).name != file or file in ("", ".", ".."):
        raise ValueError(f"{file!r} is no plain name of a file")
    if split not in ("train", "test") or not isinstance(total, int) or not isinstance(record["sha256"], str):
        raise ValueError(f"{file} has no split, size or digest")
    offsets, sizes, labels = (np.array(record[key], np.int64) for key in ("offsets", "sizes", "labels"))
    if not offsets.ndim == sizes.ndim == labels.ndim == 1 or not len(offsets) == len(sizes) == len(labels):
        raise ValueError(f"{file}: offsets, sizes and labels do not go with each other")
    inside = (offsets >= 0) & (sizes > 0) & (sizes <= total) & (offsets <= total - sizes)
    if not inside.all() or not ((labels >= 0) & (labels < classes)).all():
        raise ValueError(f"{file}: a picture lies outside, or its label is none of {classes} classes")
    return Shard(file, split, total, record["sha256"], Samples(offsets, sizes, labels))
