"""The items of a store in SQLite: what was committed is there, and nothing else."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from firebit.errors import DataError, UsageError
from firebit.search.codes import Codes
from firebit.search.store.schema import explained, index_sql, indexed_fields, open_existing
from firebit.search.store.where import Filter, Sql, sql

_AT_ONCE = 10_000
_EVERYTHING = Sql("1", ())

Result = TypeVar("Result")
Version = tuple[int, int, int]


@dataclass(frozen=True)
class State:
    """How far a store has come: what is needed to read on from there.

    Attributes:
        epoch: grows when the list of removed keys is cleared.
        last_key: the largest key given.
        last_gone: the last entry of the list of removed keys.
    """

    epoch: int
    last_key: int
    last_gone: int


@dataclass(frozen=True, eq=False)
class Rows:
    """Items in ascending order of id.

    Attributes:
        ids: n strings.
        keys: int64 (n,).
        codes: uint8 (n, bytes).
    """

    ids: list[str]
    keys: NDArray[np.int64]
    codes: Codes


class Truth:
    """The database of a store. Safe to use from several threads, and after a fork.

    Args:
        path: of an existing store.

    Raises:
        UnavailableError, DataError, UsageError: see :func:`firebit.search.store.schema.open_existing`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection, self.settings = open_existing(path)
        self._process = os.getpid()

    def close(self) -> None:
        """Close the database; nothing can be asked of it any more."""
        with self._lock, explained(self.path):
            self._connection.close()

    @contextmanager
    def _held(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self.path):
            if os.getpid() != self._process:
                # SQLite's connections must not be carried over a fork; the parent's is left as it is.
                self._abandoned = self._connection
                self._connection, self._process = open_existing(self.path)[0], os.getpid()
            yield self._connection

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        with self._held() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute(f"BEGIN {kind}")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Everything asked inside sees one state of the store."""
        with self._transaction("DEFERRED"):
            yield

    def upsert(self, ids: Sequence[str], codes: Codes, payloads: Iterable[str]) -> None:
        """Put items in, in place of those of the same ids: all or none."""
        raw, length = codes.tobytes(), codes.shape[1]
        blobs = (raw[at : at + length] for at in range(0, len(raw), length))
        with self._transaction("IMMEDIATE") as connection:
            first = self._meta(connection, "next_key")
            rows = zip(range(first, first + len(ids)), ids, blobs, payloads, strict=True)
            connection.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)", rows)
            self._set(connection, "next_key", first + len(ids))

    def delete(self, ids: Sequence[str]) -> int:
        """Remove items by id, all or none of those that are there; how many there were."""
        return self._in_parts(ids, "DELETE FROM items WHERE id IN ({})", "IMMEDIATE", _changed)

    def delete_where(self, where: Filter) -> int:
        """Remove all items that match; how many there were."""
        condition = sql(where)
        with self._transaction("IMMEDIATE") as connection:
            return connection.execute(f"DELETE FROM items WHERE {condition.text}", condition.parameters).rowcount

    def get(self, ids: Sequence[str]) -> dict[str, tuple[bytes, str]]:
        """(code, payload) of those ids that are there."""
        found: dict[str, tuple[bytes, str]] = {}

        def keep(cursor: sqlite3.Cursor) -> int:
            found.update((row[0], (row[1], row[2])) for row in cursor)
            return 0

        self._in_parts(ids, "SELECT id, code, payload FROM items WHERE id IN ({})", "DEFERRED", keep)
        return found

    def payloads(self, keys: NDArray[np.int64]) -> dict[int, str]:
        """Payloads of those keys that are there."""
        found: dict[int, str] = {}
        wanted = sorted(set(keys.tolist()))

        def keep(cursor: sqlite3.Cursor) -> int:
            found.update(cursor.fetchall())
            return 0

        self._in_parts(wanted, "SELECT key, payload FROM items WHERE key IN ({})", "DEFERRED", keep)
        return found

    def count(self, where: Filter | None = None) -> int:
        """How many items match."""
        condition = _EVERYTHING if where is None else sql(where)
        with self._held() as connection:
            text = f"SELECT count(*) FROM items WHERE {condition.text}"
            return int(connection.execute(text, condition.parameters).fetchone()[0])

    def ids(self, where: Filter | None = None) -> list[str]:
        """Ids of all items that match, in ascending order."""
        condition = _EVERYTHING if where is None else sql(where)
        with self._held() as connection:
            text = f"SELECT id FROM items WHERE {condition.text} ORDER BY id"
            cursor = connection.execute(text, condition.parameters)
            cursor.row_factory = _only
            return cursor.fetchall()

    def keys(self, where: Filter) -> NDArray[np.int64]:
        """Keys of all items that match, in no order."""
        condition = sql(where)
        with self._held() as connection:
            cursor = connection.execute(f"SELECT key FROM items WHERE {condition.text}", condition.parameters)
            cursor.row_factory = _only
            return np.fromiter(cursor, np.int64)

    def state(self) -> State:
        """How far the store has come."""
        with self._held() as connection:
            last = connection.execute("SELECT coalesce(max(number), 0) FROM gone").fetchone()[0]
            return State(self._meta(connection, "epoch"), self._meta(connection, "next_key") - 1, int(last))

    def version(self) -> Version:
        """What changes when something was committed: by another connection, by this one, or before a fork."""
        with self._held() as connection:
            # SQLite's own number tells a connection of the others' changes, and a second one of its own.
            others = connection.execute("PRAGMA data_version").fetchone()[0]
            return int(others), connection.total_changes, self._process

    def rows(self, after: int = 0) -> Rows:
        """All items of a key larger than `after`.

        Raises:
            DataError: an item is not what a store holds.
        """
        order = "ORDER BY id" if not after else ""
        ids: list[str] = []
        keys: list[NDArray[np.int64]] = []
        codes: list[bytes] = []
        with self._held() as connection:
            cursor = connection.execute(f"SELECT key, id, code FROM items WHERE key > ? {order}", (after,))
            while part := cursor.fetchmany(_AT_ONCE):
                columns = list(zip(*part, strict=True))
                keys.append(np.array(columns[0], np.int64))
                ids += columns[1]
                codes.append(b"".join(columns[2]))
        found = self._rows(ids, np.concatenate(keys) if keys else np.empty(0, np.int64), b"".join(codes))
        return found if not after else ordered(found)

    def _rows(self, ids: list[str], keys: NDArray[np.int64], codes: bytes) -> Rows:
        length = self.settings.length
        if len(codes) != length * len(ids) or not all(map(str.__instancecheck__, ids)):
            raise DataError(
                f"{self.path} holds codes of another length.", "Restore it from a snapshot, or index again."
            )
        return Rows(ids, keys, np.frombuffer(codes, np.uint8).reshape(len(ids), length))

    def gone(self, after: int) -> NDArray[np.int64]:
        """Keys that were removed, from entry `after` + 1 of the list on."""
        with self._held() as connection:
            cursor = connection.execute("SELECT key FROM gone WHERE number > ?", (after,))
            cursor.row_factory = _only
            return np.fromiter(cursor, np.int64)

    def compact(self) -> None:
        """Clear the list of removed keys, and give the space that nothing uses back to the system."""
        with self._transaction("IMMEDIATE") as connection:
            connection.execute("DELETE FROM gone")
            self._set(connection, "epoch", self._meta(connection, "epoch") + 1)
        with self._held() as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def snapshot(self, path: Path) -> None:
        """Copy the store as it is now to a new file, without stopping anybody."""
        with self._held() as connection:
            connection.execute("VACUUM INTO ?", (str(path),))

    def check(self) -> None:
        """Read the whole file and see that its pages and indexes fit together.

        Raises:
            DataError: they do not.
        """
        with self._held() as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            reason = " ".join(str(found).split())
            raise DataError(f"{self.path} is damaged: {reason}.", "Restore it from a snapshot, or index again.")

    def fields(self) -> tuple[str, ...]:
        """Fields of the payload that have an index."""
        with self._held() as connection:
            return indexed_fields(connection)

    def index_field(self, field: str) -> None:
        """Keep an index on a field of the payload, so that filters on it need not look at every item."""
        statement = index_sql(field)
        with self._transaction("IMMEDIATE") as connection:
            if field not in indexed_fields(connection):
                connection.execute(statement)

    def noted(self, name: str) -> str:
        """What was noted last under a name; "" where nothing was."""
        with self._held() as connection:
            row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def note(self, name: str, value: str) -> None:
        """Note a text under a name."""
        with self._transaction("IMMEDIATE") as connection:
            self._set(connection, name, value)

    def _in_parts(self, values: Sequence[Any], text: str, kind: str, use: Callable[[sqlite3.Cursor], int]) -> int:
        """A statement over many values, in one transaction; what `use` made of the results, added up."""
        total = 0
        with self._transaction(kind) as connection:
            for start in range(0, len(values), _AT_ONCE):
                part = values[start : start + _AT_ONCE]
                total += use(connection.execute(text.format(",".join("?" * len(part))), part))
        return total

    def _meta(self, connection: sqlite3.Connection, name: str) -> int:
        row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is None or not isinstance(row[0], int):
            raise DataError(f"{self.path} does not say its {name}.", "Restore it from a snapshot, or index again.")
        return row[0]

    def _set(self, connection: sqlite3.Connection, name: str, value: int | str) -> None:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def ordered(rows: Rows) -> Rows:
    """The same rows in ascending order of id."""
    order = sorted(range(len(rows.ids)), key=rows.ids.__getitem__)
    return Rows([rows.ids[at] for at in order], rows.keys[order], rows.codes[order])


def check_new(path: Path) -> None:
    """Refuse to write over something.

    Raises:
        UsageError: there is something at that path.
    """
    if path.exists():
        raise UsageError(f"{path} exists already.", "Give the path of a new file.")


def _changed(cursor: sqlite3.Cursor) -> int:
    return cursor.rowcount


def _only(_: sqlite3.Cursor, row: tuple[Any, ...]) -> Any:
    return row[0]
