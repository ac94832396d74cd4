"""The store in a file: its index against exact scans, several stores on one file, and what is kept beside it."""

import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from firebit.search import CodeStore
from firebit.search.store import embedded, segment
from firebit.search.store.cache import cache_file

Codes = NDArray[np.uint8]
COUNT = 6000


def clustered(count: int, seed: int = 0) -> Codes:
    """64 bits around 20 centres, many of them the same."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).integers(0, 2, (20, 64))
    bits = centres[random.integers(0, 20, count)] ^ (random.random((count, 64)) < 0.03)
    return np.packbits(bits, axis=1, bitorder="little")


def ids(count: int, first: int = 0) -> list[str]:
    return [f"{(number * 7919) % 100_003:06}" for number in range(first, first + count)]


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists from few codes on."""
    monkeypatch.setattr(embedded, "LISTS_FROM", 500)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of COUNT items."""
    with CodeStore.open(tmp_path / "codes.db", 64) as store:
        payload = [{"part": number % 10} for number in range(COUNT)]
        store.upsert(ids(COUNT), codes=clustered(COUNT), payload=payload)
    return tmp_path / "codes.db"


def pairs(store: CodeStore, queries: Codes, k: int = 10, exact: bool | str = True) -> list[list[tuple[int, str]]]:
    return [[(hit.distance, hit.id) for hit in hits] for hits in store.search(codes=queries, k=k, exact=exact)]


def by_hand(stored: dict[str, Codes], queries: Codes, k: int) -> list[list[tuple[int, str]]]:
    names, codes = list(stored), np.stack(list(stored.values()))
    rows = []
    for query in queries:
        away = np.unpackbits(codes ^ query, axis=1).sum(axis=1).tolist()
        rows.append(sorted(zip(away, names, strict=True))[:k])
    return rows


def test_lists_find_nearly_all_and_all_where_they_must(listed: None, path: Path) -> None:
    queries = clustered(200, 1)
    with CodeStore.open(path, recall=0.95) as store:
        found, exact = store.search(codes=queries), store.search(codes=queries, exact=True)
        index = store.capabilities().index
        assert index["kind"] == "lists" and index["checks"][0]["probes"] > 0
        assert index["checks"][0]["recall"] >= 0.95
        recalls = [(a.distances <= b.distances[-1]).mean() for a, b in zip(found, exact, strict=True)]
        assert np.mean(recalls) >= 0.95
        # Of the hits that are found, distances and order are right, and there are as many as wanted.
        assert all(len(hits) == 10 for hits in found)
        stored = dict(zip(ids(COUNT), clustered(COUNT), strict=True))
        assert pairs(store, queries[:20]) == by_hand(stored, queries[:20], 10)
        (filtered,) = store.search(codes=queries[:1], k=700, where={"part": 3})
        assert len(filtered) == COUNT // 10


def test_a_list_without_enough_items_is_no_reason_for_fewer_hits(listed: None, path: Path) -> None:
    with CodeStore.open(path, recall=0.01) as store:
        assert store.search(codes=clustered(1, 1))
        found = store.search(codes=clustered(30, 1), k=100)
        assert [len(hits) for hits in found] == [100] * 30


def test_a_search_follows_every_change(listed: None, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "_FEWEST_MERGED", 300)
    stored = dict(zip(ids(COUNT), clustered(COUNT), strict=True))
    queries, random = clustered(5, 1), np.random.default_rng(0)
    with CodeStore.open(path, recall=0.99) as store:
        assert store.search(codes=queries)
        for turn in range(12):
            old = random.choice(sorted(stored), 40, replace=False).tolist()
            store.delete(old[:20])
            new = old[20:] + ids(60, COUNT + 60 * turn)
            codes = clustered(80, 100 + turn)
            store.upsert(new, codes=codes)
            stored = {name: code for name, code in stored.items() if name not in old[:20]}
            stored |= dict(zip(new, codes, strict=True))
            assert pairs(store, queries, 25) == by_hand(stored, queries, 25)
        assert len(store) == len(stored)


def test_two_stores_on_one_file_see_each_other(path: Path) -> None:
    queries = clustered(3, 1)
    with CodeStore.open(path) as one, CodeStore.open(path) as other:
        before = pairs(one, queries)
        assert pairs(other, queries) == before
        one.upsert(["new"], codes=queries[:1])
        assert "new" in other.search(codes=queries[:1], k=None, radius=0)[0].ids
        other.delete(["new"])
        assert pairs(one, queries) == before
        other.delete(ids(10))
        other.compact()
        stored = dict(list(zip(ids(COUNT), clustered(COUNT), strict=True))[10:])
        assert pairs(one, queries) == by_hand(stored, queries, 10)


def test_the_index_is_kept_and_read_again(listed: None, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queries = clustered(20, 1)
    with CodeStore.open(path, recall=0.9) as store:
        before = pairs(store, queries, exact="auto")
        assert cache_file(path).is_file()
        store.delete(ids(3))
        store.upsert(["new"], codes=queries[:1])
        after = pairs(store, queries, exact="auto")
        assert after != before
    monkeypatch.setattr(segment, "build", None)
    with CodeStore.open(path, recall=0.9) as store:
        assert pairs(store, queries, exact="auto") == after
        assert store.capabilities().index["kind"] == "lists"


@pytest.mark.parametrize("damage", ["cut", "flip", "nothing", "other", "json"])
def test_an_index_that_is_damaged_or_of_another_store_is_not_read(
    listed: None, path: Path, tmp_path: Path, damage: str
) -> None:
    queries = clustered(20, 1)
    with CodeStore.open(path, recall=0.9) as store:
        before = pairs(store, queries, exact="auto")
    kept = cache_file(path)
    content = bytearray(kept.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    if damage == "other":
        with CodeStore.open(tmp_path / "other.db", 64) as other:
            other.upsert(ids(3000), codes=clustered(3000, 5))
            assert other.search(codes=queries)
        content = bytearray(cache_file(tmp_path / "other.db").read_bytes())
    parts = {"cut": content[: len(content) // 2], "nothing": b"", "json": b"{}"}
    kept.write_bytes(parts.get(damage, content))
    with CodeStore.open(path, recall=0.9) as store:
        assert pairs(store, queries, exact="auto") == before


def test_a_store_that_is_set_back_does_not_read_the_index_of_its_future(listed: None, path: Path) -> None:
    old = path.read_bytes()
    with CodeStore.open(path, recall=0.9) as store:
        store.upsert(ids(50, COUNT), codes=clustered(50, 3))
        assert store.search(codes=clustered(1))
    assert cache_file(path).is_file()
    path.write_bytes(old)
    stored = dict(zip(ids(COUNT), clustered(COUNT), strict=True))
    with CodeStore.open(path, recall=0.9) as store:
        # As many new keys as were given before, of other items.
        store.upsert(ids(50, 2 * COUNT), codes=clustered(50, 4))
        stored |= dict(zip(ids(50, 2 * COUNT), clustered(50, 4), strict=True))
        assert pairs(store, clustered(5, 1)) == by_hand(stored, clustered(5, 1), 10)


def test_a_folder_that_is_closed_has_no_index_kept_and_is_searched_all_the_same(
    listed: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from firebit.errors import FirebitError
    from firebit.search.store import cache

    def full(*_: object) -> None:
        raise FirebitError("No space left.", "Free some.")

    monkeypatch.setattr(cache, "save_tensors", full)
    with CodeStore.open(path, recall=0.9) as store:
        assert len(store.search(codes=clustered(1))[0]) == 10
    assert not cache_file(path).exists()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_do_not_depend_on_threads(path: Path, threads: int) -> None:
    queries = clustered(37, 1)
    with CodeStore.open(path, threads=1) as one, CodeStore.open(path, threads=threads) as other:
        assert pairs(one, queries) == pairs(other, queries)


def test_a_snapshot_is_a_store_of_its_own(path: Path, tmp_path: Path) -> None:
    from firebit.errors import UsageError

    queries, copy = clustered(3, 1), tmp_path / "copy.db"
    with CodeStore.open(path) as store:
        before = pairs(store, queries)
        store.snapshot(copy)
        store.delete(ids(100))
        with pytest.raises(UsageError, match="exists"):
            store.snapshot(copy)
    with CodeStore.open(copy, create=False) as store:
        assert pairs(store, queries) == before
        assert store.capabilities().items == COUNT
    assert [file.name for file in tmp_path.glob(".*.part")] == []


def test_compacting_gives_space_back(path: Path) -> None:
    with CodeStore.open(path) as store:
        store.delete(where={"part": {"gt": 0}})
        before = path.stat().st_size
        store.compact()
        assert path.stat().st_size < before / 2
        assert len(store) == COUNT // 10


def test_many_threads_write_and_search_at_once(path: Path) -> None:
    queries, failed = clustered(4, 1), []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                store.upsert([f"{number} {turn}"], codes=queries[:1])
                assert f"{number} {turn}" in store.search(codes=queries[:1], k=None, radius=0)[0].ids
                store.search(codes=queries, where={"part": turn})
                store.delete([f"{number} {turn}"])
        except BaseException as error:
            failed.append(error)

    with CodeStore.open(path) as store:
        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert failed == []
        assert len(store) == COUNT


def _child(store: CodeStore, out: "multiprocessing.Queue[object]") -> None:
    store.upsert([f"child {os.getpid()}"], codes=clustered(1, 1))
    out.put((len(store), store.search(codes=clustered(1, 1), k=1)[0].distances.tolist()))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_store_outlives_a_fork(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    out: multiprocessing.Queue[object] = context.Queue()
    with CodeStore.open(path) as store:
        assert store.search(codes=clustered(1, 1))
        child = context.Process(target=_child, args=(store, out))
        child.start()
        assert out.get(timeout=60) == (COUNT + 1, [0])
        child.join()
        assert len(store) == COUNT + 1
