"""Files that are no stores, are damaged, are locked, or are of another time."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from firebit.errors import DataError, UnavailableError, UsageError
from firebit.search import CodeStore
from firebit.search.store import schema
from firebit.search.store.truth import Truth


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with CodeStore.open(tmp_path / "codes.db", 16) as store:
        codes = np.arange(2000, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
        store.upsert([f"item {n}" for n in range(1000)], codes=codes[:1000], payload=[{"n": n} for n in range(1000)])
        store.index_field("n")
    return tmp_path / "codes.db"


def test_what_is_promised_of_the_file_is_set(path: Path) -> None:
    connection, settings = schema.open_existing(path)
    with closing(connection):
        pragma = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
        assert pragma == {"journal_mode": "wal", "synchronous": 2}
        assert settings == schema.Settings(16, "")


def test_a_new_store_appears_whole(tmp_path: Path) -> None:
    schema.create(tmp_path / "a.db", schema.Settings(8, "f"))
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]
    schema.create(tmp_path / "a.db", schema.Settings(16, "g"))
    with CodeStore.open(tmp_path / "a.db") as store:
        assert (store.bits, store.fingerprint) == (8, "f")


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, b"SQLite format 3\0" + bytes(4000)])
def test_a_file_that_is_no_store(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.db").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.db"):
        CodeStore.open(tmp_path / "a.db", 16)
    assert (tmp_path / "a.db").read_bytes() == content


def test_a_database_of_others(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
    with pytest.raises(DataError, match="no store of codes"):
        CodeStore.open(tmp_path / "a.db", 16)


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("CREATE TRIGGER mine AFTER INSERT ON items BEGIN DELETE FROM items; END", "'mine'"),
        ("CREATE VIEW mine AS SELECT * FROM items", "'mine'"),
        ("CREATE INDEX payload_x ON items (abs(payload))", "payload_x"),
        ("UPDATE meta SET value = 'many' WHERE name = 'bits'", "what codes"),
        ("UPDATE meta SET value = 0 WHERE name = 'bits'", "what codes"),
        ("UPDATE meta SET value = 32 WHERE name = 'bits'", "items"),
        ("DELETE FROM meta WHERE name = 'next_key'", "what codes"),
        ("DROP TABLE meta", "no whole store"),
    ],
)
def test_a_file_that_was_tampered_with(path: Path, statement: str, says: str) -> None:
    change(path, statement)
    with pytest.raises(DataError, match=says):
        CodeStore.open(path)


def test_a_newer_schema_is_refused(path: Path) -> None:
    change(path, f"PRAGMA user_version = {schema.SCHEMA + 1}")
    with pytest.raises(UsageError, match="reads up to 1"):
        CodeStore.open(path)


def test_damage_is_an_error_and_never_a_wrong_answer(path: Path) -> None:
    content = bytearray(path.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    for start in range(page, len(content), page):
        content[start : start + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"codes\.db"), CodeStore.open(path) as store:
        store.search(codes=np.zeros((1, 2), np.uint8))


def test_the_whole_file_can_be_checked(path: Path) -> None:
    with closing(Truth(path)) as truth:
        truth.check()
    content = bytearray(path.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    middle = len(content) // page // 2 * page
    content[middle : middle + page] = bytes(page)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged|no whole store"), closing(Truth(path)) as truth:
        truth.check()


def test_a_store_that_another_holds_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 0.1)
    with CodeStore.open(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="locked") as caught:
            store.upsert(["a"], codes=np.zeros((1, 2), np.uint8))
        assert caught.value.exit_code == 6
        # Readers do not wait for a writer.
        assert len(store.search(codes=np.zeros((1, 2), np.uint8))[0]) == 10
        other.execute("ROLLBACK")
        store.upsert(["a"], codes=np.zeros((1, 2), np.uint8))
        assert len(store) == 1001


def test_a_writer_waits_for_another(path: Path) -> None:
    with CodeStore.open(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        free = threading.Timer(0.3, lambda: None)
        free.start()
        worker = threading.Thread(target=lambda: store.upsert(["a"], codes=np.zeros((1, 2), np.uint8)))
        worker.start()
        free.join()
        assert worker.is_alive()
        other.execute("COMMIT")
        worker.join()
        assert len(store) == 1001


def test_a_folder_in_place_of_a_file_and_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        CodeStore.open(tmp_path, 16)
    with pytest.raises(UnavailableError):
        CodeStore.open(tmp_path / "none" / "a.db", 16)
    with pytest.raises(UnavailableError, match="no store"):
        CodeStore.open(tmp_path / "a.db", create=False)
    with pytest.raises(UsageError, match="how long"):
        CodeStore.open(tmp_path / "a.db")
    assert list(tmp_path.iterdir()) == []
