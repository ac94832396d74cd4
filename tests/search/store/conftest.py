"""Stores to test: every backend makes them in its own place."""

import os
import socket
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from firebit.search import CodeStore

Make = Callable[..., CodeStore]


class Server:
    """A real Milvus server, the wheel milvus==2.3.5, in a folder of its own; runs while the context lasts.

    Args:
        folder: where it keeps its data.
    """

    def __init__(self, folder: Path) -> None:
        milvus: Any = pytest.importorskip("milvus", reason="pip install 'milvus==2.3.5' brings a server to test with")
        self.port = _free_port()
        self._server = milvus.MilvusServer(data_dir=str(folder), proxy_port=self.port)

    @property
    def address(self) -> str:
        return f"milvus://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server, and wait until it is gone."""
        if self._server.running:
            self._server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["sqlite", pytest.param("milvus", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store of this backend may be."""
    if request.param == "sqlite":
        return str(tmp_path / "codes.db")
    server: str = request.getfixturevalue("milvus_server")
    return f"{server}/conformance_{os.getpid()}_{next(_numbers)}"


_numbers = count()


@pytest.fixture
def make(address: str) -> Iterator[Make]:
    """Opens the store of a test, as often as it likes, and closes what it leaves open."""
    opened: list[CodeStore] = []

    def opens(bits: int | None = None, encoder: object = None, **options: Any) -> CodeStore:
        opened.append(CodeStore.connect(address, bits, encoder, **options))
        return opened[-1]

    yield opens
    for store in opened:
        store.close()


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server on this machine, in a folder of its own, or of the one of FIREBIT_TEST_MILVUS."""
    if running := os.environ.get("FIREBIT_TEST_MILVUS"):
        yield running
        return
    with Server(tmp_path_factory.mktemp("milvus")) as server:
        yield server.address
