"""Addresses and options of Milvus, and servers that are away; what it finds is in store/test_store.py."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from firebit.errors import UnavailableError, UsageError
from firebit.search import CodeStore
from firebit.search.milvus import Options, server
from firebit.search.milvus.backend import _may_tie
from firebit.search.milvus.server import parts


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("milvus://host/photos", ("host:19530", "photos")),
        ("milvus://10.0.0.1:7/a_b1", ("10.0.0.1:7", "a_b1")),
    ],
)
def test_addresses(url: str, found: tuple[str, str]) -> None:
    assert parts(url) == found


@pytest.mark.parametrize(
    "url",
    ["milvus://host", "milvus:///a", "milvus://host:x/a", "milvus://host/a/b", "milvus://host/a-b", "milvus://u@h/a"],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        CodeStore.connect(url, 8)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"index": "hnsw"}, "hnsw"),
        ({"probes": 0}, "range"),
        ({"lists": 4, "probes": 5}, "range"),
        ({"timeout": 0}, "range"),
        ({"threads": 2}, "threads="),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        CodeStore.connect("milvus://127.0.0.1:1/a", 8, **options)


def test_options_have_defaults_that_are_exact() -> None:
    assert Options().index == "flat"


def test_more_is_asked_for_where_the_last_wanted_hit_may_tie() -> None:
    row = [(distance, "", {}) for distance in (1, 2, 2, 3)]
    assert not _may_tie(row, 2, 5)
    assert not _may_tie(row, 2, 4)
    assert _may_tie([*row[:2], (2, "", {})], 2, 3)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_is_away(closed_port: int) -> None:
    pytest.importorskip("pymilvus")
    begun = time.monotonic()
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{closed_port}") as caught:
        CodeStore.connect(f"milvus://127.0.0.1:{closed_port}/photos", 8, timeout=1.0)
    assert caught.value.exit_code == 6
    assert time.monotonic() - begun < 30


def test_only_what_may_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pymilvus = pytest.importorskip("pymilvus")
    pauses: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(server.time, "sleep", sleep)
    monkeypatch.setattr(pymilvus, "MilvusClient", lambda **options: options["uri"])
    opened = server.Server("127.0.0.1:7", "", 10.0)
    errors = [pymilvus.MilvusException(2, "gone"), pymilvus.MilvusException(5, "soon", retriable=True)]

    def use(client: str, more: dict[str, float]) -> tuple[str, float]:
        if errors:
            raise errors.pop()
        return client, more["timeout"]

    assert opened.call(use) == ("http://127.0.0.1:7", pytest.approx(9.7))
    assert pauses == [0.1, 0.2]
    errors[:] = [pymilvus.MilvusException(5, "never")]
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:7 does not do it: never"):
        opened.call(use)
    assert len(pauses) == 2
    errors[:] = [pymilvus.MilvusException(2, "gone")] * 99
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:7 is away: gone"):
        opened.call(use)
    assert pauses[2:] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0] and len(errors) == 91


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle_of_a_search(mortal: Any) -> None:
    url = f"{mortal.address}/photos"
    codes = np.random.default_rng(0).integers(0, 256, (300, 4), np.uint8)
    with CodeStore.connect(url, 32, timeout=300.0, index="ivf", lists=16, probes=4) as store:
        store.upsert([str(number) for number in range(300)], codes=codes)
        exact = store.search(codes=codes[:3], exact=True)
        assert [hits[0].distance for hits in exact] == [0, 0, 0]
        assert store.capabilities().index == {"kind": "ivf", "lists": 16, "probes": 4}
    with CodeStore.connect(url, timeout=10.0, probes=4) as store:
        killer = threading.Timer(1.0, mortal.kill)
        killer.start()
        with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{mortal.port}") as caught:
            while True:
                store.search(codes=codes)
        killer.join()
        assert caught.value.exit_code == 6 and "\n" not in caught.value.problem
        for call in (store.ids, lambda: store.delete(["1"])):
            begun = time.monotonic()
            with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{mortal.port}"):
                call()
            assert time.monotonic() - begun < 60


@pytest.mark.slow
def test_a_call_waits_for_a_server_that_comes_back(mortal: Any) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (300, 4), np.uint8)
    with CodeStore.connect(f"{mortal.address}/photos", 32, timeout=300.0) as store:
        store.upsert([str(number) for number in range(300)], codes=codes)
        before = store.ids()
        mortal.kill()
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(lambda: store.search(codes=codes[:3]))
            mortal.start_again()
            assert [hits[0].distance for hits in found.result()] == [0, 0, 0]
        assert store.ids() == before == sorted(before) and len(before) == 300
