"""The database file of a store: its tables, and what must hold before one is read."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from firebit.amounts import in_bytes
from firebit.errors import DataError, FirebitError, UnavailableError, UsageError
from firebit.search.codes import MOST_BITS
from firebit.search.store.where import check_field, column

SCHEMA = 1
_APPLICATION = 0x46424954  # "FBIT"
_BUSY_SECONDS = 10.0
_CACHE_KIBIBYTES = 40_960
_PAGES_PER_CHECKPOINT = 8192

# An item that is replaced gets a new key, so that new rows are those of the largest keys; `gone` lists the keys that
# are no more. Readers thus follow a store by reading what is new.
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    """CREATE TABLE items (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  code BLOB NOT NULL CHECK (typeof(code) = 'blob' AND length(code) = {length}),
  payload TEXT NOT NULL
)""",
    "CREATE TABLE gone (number INTEGER PRIMARY KEY, key INTEGER NOT NULL)",
    "CREATE TRIGGER items_gone AFTER DELETE ON items BEGIN INSERT INTO gone (key) VALUES (old.key); END",
)
_INDEX = "payload_"


@dataclass(frozen=True)
class Settings:
    """What all codes of a store share.

    Attributes:
        bits: per code.
        fingerprint: of the encoder that made them; "" where nobody said.
    """

    bits: int
    fingerprint: str

    @property
    def length(self) -> int:
        """Bytes per code."""
        return in_bytes(self.bits)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into the library's own.

    Raises:
        UnavailableError: the database is locked, cannot be opened, or cannot be written.
        DataError: it is damaged or no database.
        FirebitError: the disk is full.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _explanation(path, error) from error


def _explanation(path: Path, error: sqlite3.Error) -> FirebitError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    reason = " ".join(str(error).split())
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnavailableError(
            f"{path} is locked: another process has been writing to it for more than {_BUSY_SECONDS:.0f} s.",
            "Wait until it is done, and try again.",
        )
    if code == sqlite3.SQLITE_FULL:
        return FirebitError(f"No space left to write {path}.", "Free some space; what was committed is intact.")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR):
        return UnavailableError(f"{path} cannot be opened or written: {reason}.", "Check the path and its rights.")
    return DataError(f"{path} is no whole store: {reason}.", "Restore it from a snapshot, or index the pictures again.")


def connect(path: Path) -> sqlite3.Connection:
    """A connection to an existing or new file, set up for a store but not looked into."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    # FULL: a commit outlives a power cut. recursive_triggers: REPLACE counts as a deletion.
    for pragma in ("synchronous = FULL", "recursive_triggers = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_PER_CHECKPOINT}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
    return connection


def create(path: Path, settings: Settings) -> None:
    """Make a new, empty store. It appears whole or not at all.

    Raises:
        UnavailableError: the file cannot be made.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    with explained(path):
        try:
            connection = connect(temporary)
            # Write-ahead log: readers and one writer do not wait for each other.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            for table in _tables(settings.length):
                connection.execute(table)
            values = {
                "bits": settings.bits,
                "fingerprint": settings.fingerprint,
                "next_key": 1,
                "epoch": 0,
                "cache": "",
            }
            connection.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
            connection.close()
            _publish(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path) -> None:
    """Give the finished file its name, unless another process was first: then its file is the store."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links.
        if not path.exists():
            temporary.replace(path)


def open_existing(path: Path) -> tuple[sqlite3.Connection, Settings]:
    """Open a store and see that it is one.

    Raises:
        UnavailableError: it is locked or cannot be read.
        DataError: it is damaged, or no store.
        UsageError: it was written by a newer version.
    """
    with explained(path):
        connection = connect(path)
        try:
            settings = _checked(path, connection)
        except BaseException:
            connection.close()
            raise
    return connection, settings


def _checked(path: Path, connection: sqlite3.Connection) -> Settings:
    if _pragma(connection, "application_id") != _APPLICATION:
        raise DataError(f"{path} is no store of codes.", "Give a file that firebit index has made.")
    version = _pragma(connection, "user_version")
    if version > SCHEMA:
        raise UsageError(
            f"{path} has schema {version}; this version of Firebit reads up to {SCHEMA}.",
            "Update Firebit: pip install --upgrade firebit.",
        )
    meta: dict[str, Any] = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    bits, fingerprint = meta.get("bits"), meta.get("fingerprint")
    numbers = (meta.get("next_key"), meta.get("epoch"))
    whole = isinstance(bits, int) and 1 <= bits <= MOST_BITS and isinstance(fingerprint, str)
    if not whole or not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise DataError(f"{path} does not say what codes it holds.", "Restore it from a snapshot, or index again.")
    settings = Settings(int(bits or 0), str(fingerprint))
    _check_made_by_us(path, connection, settings)
    return settings


def _check_made_by_us(path: Path, connection: sqlite3.Connection, settings: Settings) -> None:
    """Refuse a file with tables, views or triggers of others: what they say would be run."""
    allowed = set(_tables(settings.length)) | {index_sql(field) for field in indexed_fields(connection)}
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    for name, text in found:
        if text not in allowed:
            raise DataError(f"{path} holds {name!r}, which no store has.", "Give a file that firebit index has made.")


def _tables(length: int) -> tuple[str, ...]:
    return tuple(table.format(length=length) for table in _TABLES)


def index_sql(field: str) -> str:
    """The statement that makes an index on a field of the payload.

    Raises:
        UsageError: the field has no name that filters can speak of.
    """
    return f'CREATE INDEX "{_INDEX}{check_field(field)}" ON items ({column(field)})'


def indexed_fields(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Fields of the payload that have an index."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
    return tuple(sorted(str(name[0])[len(_INDEX) :] for name in names if str(name[0]).startswith(_INDEX)))


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
