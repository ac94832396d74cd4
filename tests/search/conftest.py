"""A Milvus server for the tests that need one."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest


class Server:
    """A real server in a folder of its own, on the loopback alone; runs while the context lasts.

    Args:
        folder: where it keeps its data.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("milvus") is None or importlib.util.find_spec("pymilvus") is None:
            pytest.skip("pip install pymilvus 'milvus==2.3.5' brings a server to test with")
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    @property
    def address(self) -> str:
        return f"milvus://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        script = Path(__file__).with_name("milvus_server.py")
        words = [sys.executable, str(script), str(self._folder), str(self.port)]
        self._process = subprocess.Popen(words, stdin=-1, stdout=-1, stderr=-1, text=True)
        self._wait()
        return self

    def _wait(self) -> None:
        assert self._process.stdout is not None and self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            told = self._process.stderr.read()
            if "no network namespace" in told:
                pytest.skip("the server would listen on every address: no network namespace can be made")
            raise RuntimeError(told)
        self._pid = int(line)

    def kill(self) -> None:
        """End the server without a warning."""
        os.kill(self._pid, signal.SIGKILL)

    def start_again(self) -> None:
        """Start a server that was killed, and wait until it is ready."""
        assert self._process.stdin is not None
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        self._wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server on this machine, or of the one of FIREBIT_TEST_MILVUS."""
    if running := os.environ.get("FIREBIT_TEST_MILVUS"):
        yield running
        return
    with Server(tmp_path_factory.mktemp("milvus")) as server:
        yield server.address


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may kill."""
    with Server(tmp_path) as server:
        yield server
