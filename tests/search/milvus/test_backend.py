"""Milvus servers that are away, die and come back; what one finds is in store/test_store.py."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from firebit.errors import UnavailableError
from firebit.search import CodeStore
from firebit.search.milvus.backend import _may_tie


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
