"""Pictures in tar shards (WebDataset layout), read from where they lie: nothing is unpacked.

The order of an epoch is that of a stream that reads the shards one after the other, in an order of its own for each
epoch, through a buffer out of which the next picture is drawn. Since positions are known beforehand, the buffer holds
positions and no pictures: the order follows from (seed, epoch) alone, for any number of processes, and an epoch can be
entered anywhere.
"""

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit.data.classes import read_classes
from firebit.data.index import Index, read_index
from firebit.data.samples import Samples, scan
from firebit.data.source import Names, digest
from firebit.data.transforms import BUFFER, SHARD, random_words
from firebit.errors import DataError, UsageError

BUFFERED = 16_384
"""Positions in the buffer."""

_ENDING = ".tar"
_MOST_SHARDS = 1_000_000
_OPEN = 64
_HELD_OUT = ("test", "val", "validation")
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,12})\.\.(\d{1,12})")


@dataclass(frozen=True, eq=False)
class ShardSource:
    """Pictures of one split in tar shards (:class:`firebit.data.source.Source`).

    Attributes:
        name: what reports call it.
        classes: names of the classes.
        labels: int64 (N,).
        shards: paths of the shards.
        stamps: changes with the content of the files, so that none is read that was replaced.
        starts: int64 (shards + 1,), the position at which each shard begins, and N.
        offsets: int64 (N,), in its shard.
        sizes: int64 (N,), in bytes.
        notes: where classes come from, and shards that end in the middle.
    """

    name: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    shards: Names
    stamps: tuple[int, ...]
    starts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def content(self, index: int) -> bytes:
        shard, offset, size = self._place(index)
        try:
            file = _opened(self.shards[shard], self.stamps[shard])
            found = os.pread(file.fileno(), size, offset)
        except OSError as error:
            raise DataError(f"Cannot read {self.called(index)}: {error.strerror}.", "Bring the shard back.") from error
        if len(found) != size:
            raise DataError(f"{self.called(index)}: the shard ends in the middle.", "Make the shard again.")
        return found

    def called(self, index: int) -> str:
        shard, offset, _ = self._place(index)
        return f"{self.shards[shard]}, the picture at byte {offset}"

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        count = len(self.shards)
        shards = np.argsort(random_words(seed, epoch, np.arange(count), SHARD), kind="stable")
        stream = np.concatenate([np.arange(self.starts[shard], self.starts[shard + 1]) for shard in shards])
        return drawn_through_buffer(stream, random_words(seed, epoch, np.arange(len(stream)), BUFFER), BUFFERED)

    def relabelled(self, classes: tuple[str, ...], labels: NDArray[np.int64]) -> "ShardSource":
        return replace(self, classes=classes, labels=labels)

    def fingerprint(self) -> str:
        names = "\n".join(Path(self.shards[at]).name for at in range(len(self.shards)))
        numbers = (array.astype("<i8").tobytes() for array in (self.starts, self.offsets, self.sizes))
        return digest("shards", self.classes, self.labels, names.encode("utf-8", "surrogateescape"), *numbers)

    def _place(self, index: int) -> tuple[int, int, int]:
        shard = int(np.searchsorted(self.starts, index, side="right")) - 1
        return shard, int(self.offsets[index]), int(self.sizes[index])


def drawn_through_buffer(stream: NDArray[np.int64], words: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
    """What comes out of a buffer that is filled from a stream, and out of which one at random is drawn each time.

    Args:
        stream: what goes in, (N,).
        words: a random word for each draw, (N,).
        size: of the buffer, ≥ 1. One that holds the whole stream shuffles it evenly.

    Returns:
        The same, in the order in which they come out.
    """
    count = len(stream)
    held, at = stream[:size].tolist(), size
    # The high word of a product: even up to 2⁻³², as everywhere.
    remaining = np.minimum(size, count - np.arange(count)).astype(np.uint64)
    draws = (((words >> np.uint64(32)) * remaining) >> np.uint64(32)).tolist()
    incoming, found = stream.tolist(), []
    for draw in draws:
        found.append(held[draw])
        if at < count:
            held[draw] = incoming[at]
            at += 1
        else:
            held[draw] = held[-1]
            held.pop()
    return np.array(found, np.int64)


@lru_cache(maxsize=_OPEN)
def _opened(path: str, stamp: int) -> FileIO:
    del stamp
    return open(path, "rb", buffering=0)  # noqa: PTH123 - closed when it falls out of the cache


def is_pattern(text: str) -> bool:
    """Whether a text names shards: it ends in .tar, and may have braces."""
    return text.endswith(_ENDING)


def holds_shards(folder: Path) -> bool:
    """Whether a folder, or its folder `train`, has tar files directly in it."""
    return any(next(place.glob(f"*{_ENDING}"), None) is not None for place in (folder, folder / "train"))


def expanded(pattern: str) -> list[Path]:
    """The files that a pattern means, as `train-{000000..000146}.tar` or `{a,b}-{00..07}.tar`.

    Raises:
        UsageError: it means more than a million files, or none.
    """
    parts = _BRACES.split(str(Path(pattern).expanduser()))
    choices = [_choices(part) if at % 2 else [part] for at, part in enumerate(parts)]
    count = int(np.prod([float(len(each)) for each in choices]))
    if not 0 < count <= _MOST_SHARDS:
        raise UsageError(f"{pattern} means {count} files.", "Give a pattern such as train-{000000..000146}.tar.")
    return [Path("".join(each)) for each in itertools.product(*choices)]


def _choices(braced: str) -> Sequence[str]:
    span = _RANGE.fullmatch(braced)
    if span is None:
        return braced.split(",")
    first, last = int(span[1]), int(span[2])
    if abs(last - first) >= _MOST_SHARDS:
        raise UsageError(f"{{{braced}}} means more than {_MOST_SHARDS:,} files.", "Give a smaller range.")
    width = len(span[1]) if span[1].startswith("0") or len(span[1]) == len(span[2]) else 0
    return [
        str(number).zfill(width)
        for number in range(first, last + (1 if last >= first else -1), 1 if last >= first else -1)
    ]


def shards_of(folder: Path, split: str) -> list[Path]:
    """The shards of a split in a folder: in `train` and `test` or `val`, or named `train-….tar` and so on.

    Returns:
        Their paths, sorted; empty where there are none.
    """
    for prefix in ("train",) if split == "train" else _HELD_OUT:
        for found in (folder.glob(f"{prefix}/*{_ENDING}"), folder.glob(f"{prefix}[-_.]*{_ENDING}")):
            if paths := sorted(path for path in found if not path.name.startswith(".")):
                return paths
    return []


def open_shards(paths: Sequence[Path], name: str, classes: Path | None = None, skip_bad: bool = False) -> ShardSource:
    """The pictures of tar shards.

    Where an index (index.json, :mod:`firebit.data.index`) lies beside a shard and knows it, that is believed if the
    size of the file is as it says; else the headers of the shard are walked over.

    Args:
        paths: of the shards, in the order that positions are counted in.
        name: what to call the set.
        classes: a file with the names of classes; None: those of the index, else numbers.
        skip_bad: use the whole pictures of shards that end in the middle or lack labels, and say so, rather than fail.

    Raises:
        DataError: a shard is missing or broken, a label is none of the classes, or there is no picture.
    """
    if missing := [path for path in paths if not path.is_file()]:
        raise DataError(f"{missing[0]} is missing, and {len(missing) - 1} more.", "Bring the shards back.")
    indexes = {folder: read_index(folder) for folder in dict.fromkeys(path.parent for path in paths)}
    parts, notes = [], []
    for path in paths:
        samples = _known(path, indexes[path.parent]) or scan(path)
        if samples.broken and not skip_bad:
            raise DataError(
                f"{path} {samples.broken}; {len(samples):,} pictures are whole.",
                "Make the shard again, or use its whole pictures with --skip-bad.",
            )
        notes += [f"{path} {samples.broken}: {len(samples):,} pictures used"] if samples.broken else []
        parts.append(samples)
    labels = np.concatenate([part.labels for part in parts])
    if not len(labels):
        raise DataError(f"{paths[0]}: the shards hold no pictures with labels.", "Give shards of .jpg and .cls files.")
    names, note = _names(labels, classes, next(iter(indexes.values())))
    return ShardSource(
        name,
        names,
        labels,
        Names(str(path) for path in paths),
        tuple(_stamp(path) for path in paths),
        np.cumsum([0, *map(len, parts)]),
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.sizes for part in parts]),
        (note, *notes),
    )


def _known(path: Path, index: Index | None) -> Samples | None:
    """What an index says of a shard, where that can be true."""
    for shard in index.shards if index else ():
        if shard.file == path.name and shard.bytes == path.stat().st_size:
            return shard.samples
    return None


def _names(labels: NDArray[np.int64], file: Path | None, index: Index | None) -> tuple[tuple[str, ...], str]:
    if file is not None:
        order = read_classes(file)
        names, note = order.names, order.note
    elif index is not None:
        names, note = index.classes, "classes in the order of the index"
    else:
        names, note = tuple(str(label) for label in range(int(labels.max()) + 1)), "classes are numbers"
    if int(labels.max()) >= len(names):
        raise DataError(
            f"The shards have a label {labels.max()}, and there are {len(names)} classes.", "Give the names of all."
        )
    return names, note


def _stamp(path: Path) -> int:
    found = path.stat()
    return hash((found.st_ino, found.st_mtime_ns, found.st_size))
