"""The store in a file: SQLite says what is there, and an index in memory, which can be built again, finds it."""

import sqlite3
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np

from firebit.engine.nearest import NO_LIMIT
from firebit.machine import usable_cores
from firebit.search.codes import Codes
from firebit.search.store import cache
from firebit.search.store.backend import Capabilities, Query
from firebit.search.store.distinct import Distinct
from firebit.search.store.hits import Columns, Hits, split
from firebit.search.store.lists import CHECKED_DEPTHS
from firebit.search.store.schema import Settings, explained
from firebit.search.store.segment import Found, Memory, at_rest, in_threads, memory
from firebit.search.store.truth import Truth, Version, check_new
from firebit.search.store.where import Filter

LISTS_FROM = 20_000
"""Distinct codes from which on inverted lists are built."""

_FIRST_BALL = 256
_FILTERS_KEPT = 2

Parts = tuple[Distinct | None, Distinct | None]
"""What a filter leaves of both segments, or nothing where there is none."""

NOTHING_CHOSEN: Parts = (None, None)


class Embedded:
    """A store in one file.

    Args:
        path: of an existing store.
        recall: what inverted lists must reach to be used, 0 < recall ≤ 1.
        threads: how many a search may use, ≥ 1; None: as many as there are cores for this process.

    Raises:
        UnavailableError, DataError, UsageError: see :class:`firebit.search.store.truth.Truth`.
    """

    def __init__(self, path: Path, recall: float, threads: int | None) -> None:
        self._truth = Truth(path)
        self._recall = recall
        self._threads = threads or usable_cores()
        self._lock = threading.RLock()
        self._memory: Memory | None = None
        self._version: Version | None = None
        self._filters: dict[tuple[int, Filter], tuple[Memory, Distinct, Distinct]] = {}

    @property
    def settings(self) -> Settings:
        return self._truth.settings

    def upsert(self, ids: Sequence[str], codes: Codes, payloads: Sequence[str]) -> None:
        self._truth.upsert(ids, codes, payloads)

    def delete(self, ids: Sequence[str]) -> int:
        return self._truth.delete(ids)

    def delete_where(self, where: Filter) -> int:
        return self._truth.delete_where(where)

    def get(self, ids: Sequence[str]) -> dict[str, tuple[bytes, str]]:
        return self._truth.get(ids)

    def count(self, where: Filter | None) -> int:
        return self._truth.count(where)

    def ids(self, where: Filter | None) -> list[str]:
        return self._truth.ids(where)

    def index_field(self, name: str) -> None:
        self._truth.index_field(name)

    def remember(self, model: str) -> None:
        self._truth.note("model", model)

    def remembered(self) -> str:
        return self._truth.noted("model")

    def snapshot(self, path: Path) -> None:
        check_new(path)
        temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
        try:
            self._truth.snapshot(temporary)
            with explained(path):
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def compact(self) -> None:
        self._truth.compact()
        with self._lock:
            self._memory = None
            self._now(lists=True)

    def close(self) -> None:
        with self._lock:
            self._memory = None
            self._filters.clear()
        self._truth.close()

    def capabilities(self) -> Capabilities:
        truth = self._truth
        settings, version = truth.settings, f"SQLite {sqlite3.sqlite_version}"
        own = Capabilities("sqlite", version, settings.bits, settings.fingerprint, truth.count(), True, True, True)
        return Capabilities(**{**own.to_dict(), "fields": truth.fields(), "index": self._index()})

    def _index(self) -> dict[str, object]:
        lists = None if self._memory is None else self._memory.base.lists
        if lists is None:
            return {"kind": "flat"}
        tuned = zip(CHECKED_DEPTHS, lists.probes, lists.recalls, strict=True)
        checks = [{"k": depth, "probes": probes, "recall": recall} for depth, probes, recall in tuned]
        return {"kind": "lists", "lists": len(lists.centres), "target": self._recall, "checks": checks}

    def search(self, queries: Codes, query: Query) -> tuple[Columns, list[Hits]]:
        found = self._found(queries, query)
        if found is None:
            # Somebody removed a hit before its payload was read: once more, in one transaction.
            with self._lock, self._truth.reading():
                found = self._found(queries, query)
        assert found is not None
        return found

    def _found(self, queries: Codes, query: Query) -> tuple[Columns, list[Hits]] | None:
        may_be_listed = query.where is None and query.radius is None and query.exact is not True
        if query.where is None:
            now, parts = self._now(may_be_listed), NOTHING_CHOSEN
        else:
            now, parts = self._filtered(query.where)
        distances, positions = self._searched(now, queries, query, parts)
        there = positions >= 0
        if there.all():
            flat, near, counts = positions.ravel(), distances.ravel(), [positions.shape[1]] * len(positions)
        else:
            flat, near, counts = positions[there], distances[there], there.sum(axis=1).tolist()
        payloads = None
        if query.with_payload:
            keys = now.keys(flat)
            texts = self._truth.payloads(keys)
            if not all(key in texts for key in keys.tolist()):
                return None
            payloads = [texts[key] for key in keys.tolist()]
        codes = self._codes(now, flat) if query.with_codes else None
        columns = Columns(partial(now.ids, flat), near, payloads, None, codes)
        return columns, split(columns, counts)

    def _searched(self, now: Memory, queries: Codes, query: Query, parts: Parts) -> Found:
        limit = NO_LIMIT if query.radius is None else query.radius
        most = sum(len(part.members) for part in parts if part) if parts[0] else now.size
        if query.k is not None:
            return self._k_nearest(now, queries, max(1, min(query.k, most)), limit, query.exact, parts)
        k = min(most, _FIRST_BALL)
        while True:
            found = self._k_nearest(now, queries, max(1, k), limit, True, parts)
            if k >= most or not (found[1][:, -1] >= 0).any():
                return found
            k = min(most, 8 * k)

    def _k_nearest(
        self,
        now: Memory,
        queries: Codes,
        k: int,
        limit: int,
        exact: bool | str,
        parts: Parts,
    ) -> Found:
        probes = 0 if parts[0] or limit != NO_LIMIT or exact is True else _probes(now, k, exact)

        def search(some: Codes) -> Found:
            old = now.base.search(some, k, limit, probes, parts[0])
            short = (old[1][:, -1] < 0) if probes else np.zeros(len(some), bool)
            if short.any():
                # The lists ran out of items; there may be more in others.
                old[0][short], old[1][short] = now.base.search(some[short], k, limit)
            if not len(now.recent.keys):
                return old
            return now.merged(old, now.recent.search(some, k, limit, 0, parts[1]))

        return in_threads(queries, self._threads, search)

    def _codes(self, now: Memory, positions: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Codes:
        out = np.empty((len(positions), self.settings.length), np.uint8)
        late = positions >= len(now.base.keys)
        for chosen, part, first in ((~late, now.base, 0), (late, now.recent, len(now.base.keys))):
            out[chosen] = part.items.codes[part.items.code_of[positions[chosen] - first]]
        return out

    def _filtered(self, where: Filter) -> tuple[Memory, tuple[Distinct, Distinct]]:
        """What is stored now, and the parts of it that match."""
        with self._lock, self._truth.reading():
            now = self._now(lists=False)
            known = self._filters.get((id(now), where))
            if known is None:
                keys = self._truth.keys(where)
                base, recent = (part.items.chosen(part.positions(keys)) for part in (now.base, now.recent))
                known = now, base, recent
                while len(self._filters) >= _FILTERS_KEPT:
                    del self._filters[next(iter(self._filters))]
                self._filters[id(now), where] = known
            return now, known[1:]

    def _now(self, lists: bool) -> Memory:
        """What is stored now; with inverted lists where they are wanted and worth it."""
        with self._lock:
            version = self._truth.version()
            if self._memory is None or version != self._version:
                with self._truth.reading():
                    self._memory = self._read(self._memory)
                self._version = version
            now = self._memory
            if lists and now.base.lists is None and len(now.base.items.codes) >= LISTS_FROM:
                base = now.base.with_lists(self._recall)
                self._memory = now = Memory(base, now.recent, now.rows, now.state)
                if not len(now.recent.keys):
                    cache.save(self._truth, base, now.state, self._recall)
                    self._version = self._truth.version()
            return now

    def _read(self, known: Memory | None) -> Memory:
        if known is None and (kept := cache.load(self._truth, self._recall)) is not None:
            known = at_rest(*kept)
        state = self._truth.state()
        if known is not None and known.state.epoch == state.epoch:
            if known.state == state:
                return known
            gone = self._truth.gone(known.state.last_gone)
            now = known.followed(self._truth.rows(known.state.last_key), gone, state)
            if not now.is_ripe:
                return now
        return memory(self._truth.rows(), state)


def _probes(now: Memory, k: int, exact: bool | str) -> int:
    lists = now.base.lists
    if lists is None:
        return 0
    # Asked for lists whatever they miss, some are looked into all the same.
    return lists.probes_for(k) or (max(1, len(lists.centres) // 8) if exact is False else 0)
