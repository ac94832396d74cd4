"""Addresses and options of Milvus, and servers that are away; what it finds is in store/test_store.py."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firebit.errors import UnavailableError, UsageError
from firebit.search import CodeStore
from firebit.search.milvus import Options
from firebit.search.milvus.backend import _may_tie, _parts


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("milvus://host/photos", ("host:19530", "photos")),
        ("milvus://10.0.0.1:7/a_b1", ("10.0.0.1:7", "a_b1")),
    ],
)
def test_addresses(url: str, parts: tuple[str, str]) -> None:
    assert _parts(url) == parts


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


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that a test may end, and its address."""
    pytest.importorskip("milvus")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    code = (
        "import sys, milvus\n"
        "server = milvus.MilvusServer(data_dir=sys.argv[1], proxy_port=int(sys.argv[2]))\n"
        "server.start(); print(server.server_proc.pid, flush=True); sys.stdin.readline(); server.stop()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), str(port)], stdin=-1, stdout=-1, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        yield process, f"{pid} milvus://127.0.0.1:{port}/photos"
        process.communicate("end\n", timeout=60)


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle_and_one_that_comes_back(mortal: tuple[subprocess.Popen[str], str]) -> None:
    import os
    import signal

    pid, url = mortal[1].split()
    codes = np.random.default_rng(0).integers(0, 256, (300, 4), np.uint8)
    with CodeStore.connect(url, 32, timeout=5.0, index="ivf", lists=16, probes=4) as store:
        store.upsert([str(number) for number in range(300)], codes=codes)
        exact = store.search(codes=codes[:3], exact=True)
        assert [hits[0].distance for hits in exact] == [0, 0, 0]
        assert store.capabilities().index == {"kind": "ivf", "lists": 16, "probes": 4}
        os.kill(int(pid), signal.SIGKILL)
        for call in (lambda: store.search(codes=codes[:3]), store.count, lambda: store.delete(["1"])):
            with pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
                call()
