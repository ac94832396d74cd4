"""Where the pictures of a tar shard in WebDataset layout lie, and their labels: found without reading a pixel.

Members that share a name up to its first dot are a sample: `000123.jpg`, `000123.cls`, and perhaps `000123.json`. Only
pictures and labels are read; members of any other kind are passed over, and nothing is ever unpacked to a disk.
"""

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit.errors import DataError

PICTURES = frozenset(("jpg", "jpeg", "png"))
_LABELS = {"cls": 32, "json": 1 << 20}
"""Kinds of members that tell a label, and the bytes that they may have."""

_MOST_BYTES = 1 << 28
_MOST_NAME = 1 << 16
_BLOCK = 512
_EXTENDED = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE)


@dataclass(frozen=True, eq=False)
class Samples:
    """The pictures of one shard, in its order.

    Attributes:
        offsets: int64 (N,), where the bytes of each begin.
        sizes: int64 (N,), how many there are.
        labels: int64 (N,), ≥ 0.
        broken: what is wrong with the shard, if anything: where it ends, or what has no label.
    """

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    labels: NDArray[np.int64]
    broken: str | None = None

    def __len__(self) -> int:
        return len(self.offsets)


def scan(shard: Path) -> Samples:
    """Walk over the headers of a shard.

    Returns:
        Its samples; where it ends in the middle, those that lie before that, and `broken` says where.

    Raises:
        DataError: it cannot be opened.
    """
    try:
        with shard.open("rb", buffering=0) as file:
            return _scan(file.fileno())
    except OSError as error:
        raise DataError(f"Cannot read {shard}: {error.strerror}.", "Bring the shard back.") from error


@dataclass
class _Sample:
    """A sample while its members come along."""

    key: str
    picture: tuple[int, int] | None = None
    label: int | None = None


class _BrokenError(Exception):
    """What is wrong with an archive."""


def _scan(descriptor: int) -> Samples:
    found: list[tuple[int, int, int]] = []
    lacking: list[str] = []
    broken, sample = None, _Sample("")
    try:
        for member in _members(descriptor):
            key, kind = _key(member.name)
            if key != sample.key:
                _finish(sample, found, lacking)
                sample = _Sample(key)
            _take(sample, member, kind, descriptor)
    except _BrokenError as error:
        broken = str(error)
        # What is cut off of the last sample may be its label, which is no fault of its own.
        sample = _Sample("") if sample.label is None else sample
    _finish(sample, found, lacking)
    if broken is None and lacking:
        broken = f"has {len(lacking)} pictures without a label (.cls), such as {lacking[0]}"
    columns = np.array(found, np.int64).reshape(-1, 3)
    return Samples(columns[:, 0].copy(), columns[:, 1].copy(), columns[:, 2].copy(), broken)


def _take(sample: _Sample, member: tarfile.TarInfo, kind: str, descriptor: int) -> None:
    if kind in PICTURES and 0 < member.size <= _MOST_BYTES:
        sample.picture = (member.offset_data, member.size)
    elif member.size <= _LABELS.get(kind, 0) and (kind == "cls" or sample.label is None):
        label = _label(os.pread(descriptor, member.size, member.offset_data), kind)
        sample.label = sample.label if label is None else label


def _finish(sample: _Sample, found: list[tuple[int, int, int]], lacking: list[str]) -> None:
    if sample.picture is None:
        return
    if sample.label is None:
        lacking.append(repr(sample.key))
        return
    found.append((*sample.picture, sample.label))


def _members(descriptor: int) -> Iterator[tarfile.TarInfo]:
    """Regular members whose content is there to its last byte.

    tarfile.TarFile would take a cut between two members for the end.

    Raises:
        _BrokenError: the archive ends before its end mark.
    """
    total = os.fstat(descriptor).st_size
    at, name = 0, ""
    while True:
        block = os.pread(descriptor, _BLOCK, at)
        if len(block) < _BLOCK:
            raise _BrokenError(f"ends in the middle, at byte {total}: the end mark of an archive is missing")
        if not block.strip(b"\0"):
            return
        member = _header(block, at)
        data, size = at + _BLOCK, member.size if member.isreg() or member.type in _EXTENDED else 0
        if data + size > total:
            raise _BrokenError(f"ends in the middle, at byte {total}: {member.name!r} has {size} from {data} on")
        if member.type in _EXTENDED:
            name = _long_name(member.type, os.pread(descriptor, min(size, _MOST_NAME), data)) or name
        else:
            member.name, member.offset_data, name = name or member.name, data, ""
            if member.isreg():
                yield member
        at = data + -(-size // _BLOCK) * _BLOCK


def _header(block: bytes, at: int) -> tarfile.TarInfo:
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise _BrokenError(f"is no tar archive at byte {at}: {error}") from error
    if member.size < 0:
        raise _BrokenError(f"is no tar archive at byte {at}: a member of {member.size} bytes")
    return member


def _long_name(kind: bytes, content: bytes) -> str:
    """The name that an extended header gives to the next member; "" where it gives none."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return content.rstrip(b"\0").decode("utf-8", "surrogateescape")
    records = content.split(b"\n") if kind == tarfile.XHDTYPE else []
    texts = (record.partition(b" ")[2] for record in records)
    found = next((text for text in texts if text.startswith(b"path=")), b"path=")
    return found.removeprefix(b"path=").decode("utf-8", "surrogateescape")


def _key(name: str) -> tuple[str, str]:
    """The name of a sample and the kind of its member, which begins at the first dot: "a/b" and "jpg" of a/b.jpg."""
    folder, slash, file = name.rpartition("/")
    stem, _, kind = file.partition(".")
    return f"{folder}{slash}{stem}", kind.lower()


def _label(content: bytes, kind: str) -> int | None:
    text: object = content.decode("ascii", "replace").strip()
    if kind == "json":
        try:
            record = json.loads(content)
        except (ValueError, RecursionError):
            return None
        text = record.get("label", record.get("cls")) if isinstance(record, dict) else None
    if isinstance(text, bool) or not isinstance(text, int | str):
        return None
    whole = str(text)
    return int(whole) if whole.isascii() and whole.isdecimal() and len(whole) < 10 else None
