"""A store brought up to date with the pictures of a source: what is there unchanged is not encoded again."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firebit.errors import DataError
from firebit.search.encode.encoded import Bad, Coder
from firebit.search.encode.job import PER_SHARD, Progress, Report
from firebit.search.encode.pictures import Picture
from firebit.search.encode.pool import worked
from firebit.search.store import CodeStore
from firebit.search.store.arguments import is_id

_ASKED_AT_ONCE = 5_000


@dataclass(frozen=True)
class Update:
    """What became of the pictures of a source.

    Attributes:
        new: that were put in under an id that was not there.
        changed: that were put in, in place of what was there.
        unchanged: that were there and are left as they are.
        removed: items that were removed, because their picture is no more.
        bad: that could not be read.
    """

    new: int
    changed: int
    unchanged: int
    removed: int
    bad: tuple[Bad, ...]


def update(
    store: CodeStore,
    source: str | Path,
    pictures: Sequence[Picture],
    begin: Callable[[], Coder],
    workers: int,
    report: Report,
    *,
    strict: bool = False,
    prune: bool = False,
) -> Update:
    """Put the pictures of a source into a store, part by part. Killed at any moment, it can be run again, and goes on.

    A picture is unchanged where its item says the same source, size and time of change as its file does, or the archive
    that it is in. Pictures of a data set never change.

    Args:
        store: of codes that `begin` makes.
        source: where the pictures were found.
        pictures: all that are there, as :func:`firebit.search.encode.find` gives them.
        begin: called by every worker; can be pickled.
        workers: how many, ≥ 1.
        report: is told how far it is, after every part, of those that are new or changed.
        strict: end at the first picture that cannot be read; what was put in stays.
        prune: remove items of this source whose picture is no more, or can no longer be read.

    Raises:
        DataError: `strict`, and a picture cannot be read; or the database is damaged.
        UnavailableError: the store is locked, or the server is away.
        FirebitError: a worker ended, or the disk is full.
    """
    seen = _Seen(source, pictures)
    known = _known(store, pictures)
    left = [each for each in pictures if not _is_same(known.get(each.id), seen.payload(each))]
    parts = [left[at : at + PER_SHARD] for at in range(0, len(left), PER_SHARD)]
    start, changed, good, bad = time.perf_counter(), 0, set[str](), list[Bad]()
    for found in worked(begin, parts, workers, left[0].is_ready) if left else ():
        ids = [each.id for each in found.pictures]
        store.upsert(ids, codes=found.codes, payload=[seen.payload(each) for each in found.pictures])
        bad += found.bad
        if strict and bad:
            raise DataError(f"{bad[0].id}: {bad[0].reason}", "Replace or remove it; the same command then goes on.")
        good.update(ids)
        changed += sum(name in known for name in ids)
        done = len(good) + len(bad)
        report(Progress(done, len(left), len(bad), done / (time.perf_counter() - start)))
    there = {each.id for each in pictures} - ({each.id for each in left} - good)
    removed = _pruned(store, seen.place, there) if prune else 0
    return Update(len(good) - changed, changed, len(pictures) - len(left), removed, tuple(bad))


class _Seen:
    """What items are to say of their pictures: what was true before any of them was read.

    Args:
        source: where the pictures were found.
        pictures: all of them.
    """

    def __init__(self, source: str | Path, pictures: Sequence[Picture]) -> None:
        self._folder = Path(source).resolve() if Path(source).exists() else Path(source)
        self.place = os.fsencode(self._folder).decode("utf-8", "backslashreplace")
        files = dict.fromkeys(each.file for each in pictures if not each.is_ready)
        self._states = {file: state for file in files if (state := _state(file)) is not None}

    def payload(self, picture: Picture) -> dict[str, Any]:
        """Where the picture is, and in which state."""
        told: dict[str, Any] = {"file": picture.id, "label": picture.label, "source": self.place}
        if picture.file not in self._states:
            return told
        size, modified = self._states[picture.file]
        if picture.start >= 0:
            return {**told, "size": picture.size, "modified": modified}
        return {**told, "path": str(self._folder / picture.id), "size": size, "modified": modified}


def _state(file: str) -> tuple[int, int] | None:
    """Bytes of a file, and when it was changed in ns; None where it is gone meanwhile, which reading it will say."""
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _known(store: CodeStore, pictures: Sequence[Picture]) -> dict[str, dict[str, Any]]:
    """Payloads of the pictures that are in the store, by id."""
    ids = [each.id for each in pictures if is_id(each.id)]
    found = (item for at in range(0, len(ids), _ASKED_AT_ONCE) for item in store.get(ids[at : at + _ASKED_AT_ONCE]))
    return {item.id: item.payload for item in found if item is not None}


def _is_same(stored: dict[str, Any] | None, now: dict[str, Any]) -> bool:
    """Whether an item says all of a picture that is to be said now; it may say more."""
    return stored is not None and all(stored.get(name) == value for name, value in now.items())


def _pruned(store: CodeStore, place: str, there: set[str]) -> int:
    gone = [name for name in store.ids({"source": place}) if name not in there]
    return store.delete(gone) if gone else 0
