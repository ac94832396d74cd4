"""Pictures into tar shards: the same bytes as in their files, in an order that is even over classes."""

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from firebit.data.index import FILE, Index, Shard, write_index
from firebit.data.samples import Samples
from firebit.data.source import Source
from firebit.data.transforms import epoch_order
from firebit.errors import DataError, UsageError
from firebit.files import remove_temporaries, written_atomically

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_HEADER = 512
_SIGNATURES = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}
_SMALLEST = 10_000

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Packed:
    """What was written.

    Attributes:
        index: of the shards.
        skipped: names of files that are no PNG or JPEG pictures or could not be read, which were left out.
    """

    index: Index
    skipped: tuple[str, ...]


def pack(splits: dict[str, Source], folder: Path, size: int, told: Told | None = None) -> Packed:
    """Write `train-000000.tar` … and `test-000000.tar` … with an index.

    A shard takes its place when it is whole; the index comes last.

    Args:
        splits: sources by split, "train" and perhaps "test", of the same classes.
        folder: new, or without an index.
        size: bytes after which a shard ends, ≥ 10,000; one picture more than that may be in it.
        told: is told how many pictures of how many are done.

    Raises:
        UsageError: there is an index in the folder, the folder cannot be written, or `size` is out of range.
        DataError: none of the pictures can be read.
        FirebitError: the disk is full.
    """
    if size < _SMALLEST:
        raise UsageError(f"Shards of {size} bytes are too small.", f"Give {_SMALLEST:,} or more, such as 1GB.")
    if (folder / FILE).exists():
        raise UsageError(f"{folder} holds shards already.", "Choose another folder.")
    if folder.is_dir():
        remove_temporaries(folder)
    work = _Work(folder, size, sum(len(source.labels) for source in splits.values()), told)
    shards = [shard for split, source in splits.items() for shard in work.shards(split, source)]
    first = next(iter(splits.values()))
    index = Index(first.name.removesuffix("-train"), first.classes, tuple(shards))
    write_index(folder, index)
    return Packed(index, tuple(work.skipped))


@dataclass
class _Work:
    folder: Path
    size: int
    total: int
    told: Told | None
    done: int = 0
    skipped: list[str] = field(default_factory=list)

    def shards(self, split: str, source: Source) -> Iterator[Shard]:
        order, number, at = epoch_order(len(source.labels), 0, 0).tolist(), 0, 0
        while at < len(order):
            path = self.folder / f"{split}-{number:06}.tar"
            with written_atomically(path) as file:
                shard = _Writer(file)
                while at < len(order) and shard.length < self.size:
                    self._add(shard, source, order[at], f"{at:09}")
                    at += 1
                shard.close()
            yield shard.described(path.name, split)
            number += 1
        if len(self.skipped) == self.done:
            raise DataError(f"{source.name}: none of {self.done} pictures can be read.", "Give PNG or JPEG files.")

    def _add(self, shard: "_Writer", source: Source, index: int, key: str) -> None:
        try:
            content = source.content(index)
        except DataError:
            content = b""
        kind = next((kind for signature, kind in _SIGNATURES.items() if content.startswith(signature)), None)
        if kind is None:
            self.skipped.append(source.called(index))
        else:
            shard.add(key, kind, content, int(source.labels[index]))
        self.done += 1
        if self.told is not None:
            self.told(self.done, self.total)


class _Digesting(RawIOBase):
    """Passes bytes on to a file, and counts and digests them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, content: "Buffer") -> int:
        self.sha256.update(content)
        self.bytes += memoryview(content).nbytes
        return self._file.write(content)

    def tell(self) -> int:
        return self.bytes


class _Writer:
    """A shard as it grows."""

    def __init__(self, file: IO[bytes]) -> None:
        self._out = _Digesting(file)
        self._found: list[tuple[int, int, int]] = []
        self._tar = tarfile.TarFile(mode="w", fileobj=self._out, format=tarfile.USTAR_FORMAT)

    def add(self, key: str, kind: str, content: bytes, label: int) -> None:
        self._found.append((self._tar.offset + _HEADER, len(content), label))
        self._member(f"{key}.{kind}", content)
        self._member(f"{key}.cls", str(label).encode())

    def close(self) -> None:
        self._tar.close()

    @property
    def length(self) -> int:
        """Bytes so far."""
        return self._tar.offset

    def described(self, file: str, split: str) -> Shard:
        """What the index says of it, after it is closed."""
        columns = np.array(self._found, np.int64).reshape(-1, 3)
        samples = Samples(columns[:, 0], columns[:, 1], columns[:, 2])
        return Shard(file, split, self._out.bytes, self._out.sha256.hexdigest(), samples)

    def _member(self, name: str, content: bytes) -> None:
        # No time, no user: the same pictures give the same bytes.
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._tar.addfile(member, BytesIO(content))
