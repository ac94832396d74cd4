"""The app as a server."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from firebit.errors import UnavailableError, UsageError
from firebit.web.serve import address, listen

from .conftest import quadrant_plan


def test_a_free_port_is_found() -> None:
    with listen("127.0.0.1", 0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1" and port > 0
        assert address(listening) == f"http://127.0.0.1:{port}/"


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"Port {port} of 127.0.0.1 is in use"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7", "x" * 300])
def test_what_is_no_address_of_this_machine_is_said(host: str) -> None:
    with pytest.raises(UsageError):
        listen(host, 0)


def test_it_serves_until_it_is_interrupted_and_never_imports_torch(tmp_path: Path) -> None:
    quadrant_plan().save(tmp_path / "model.firebit")
    code = (
        "import sys, firebit as fb\n"
        "from firebit.web import Lens, serve\n"
        "told = lambda where: print(where, sorted(m for m in sys.modules if m.split('.')[0] == 'torch'), flush=True)\n"
        f"serve(Lens(fb.load({str(tmp_path / 'model.firebit')!r}), 'corners'), port=0, told=told)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None and run.stderr is not None
        where, _, torch = run.stdout.readline().partition(" ")
        try:
            assert torch == "[]\n"
            with urlopen(where) as answer:
                assert b"<h1>corners</h1>" in answer.read()
                assert answer.headers["server"] is None
        finally:
            os.kill(run.pid, signal.SIGINT)
        assert run.wait(20) == 0
        assert run.stderr.read().count("Traceback") == 0
