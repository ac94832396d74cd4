"""`firebit serve` as a user meets it; what would serve until it is interrupted is only looked at."""

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from firebit import web
from firebit.web import Lens

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The arguments of what would be served."""
    found: list[Any] = []

    def serve(*arguments: Any, told: Callable[[str], None], **_: Any) -> None:
        found.extend(arguments)
        told("http://127.0.0.1:1/")

    monkeypatch.setattr(web, "serve", serve)
    return found


@pytest.fixture
def firebit(command_line: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return partial(command_line, "serve")


def test_a_pretrained_network_on_other_data(firebit: Run, served: list[Any]) -> None:
    code, out, err = firebit("mnist-lenet", "--data", "digits", "--port", 1, "--allow", "me.lan")
    assert (code, out, err) == (0, "Open http://127.0.0.1:1/ (stop with Ctrl+C).\n", "")
    lens, store, host, port, names = served
    assert isinstance(lens, Lens) and lens.name == "mnist-lenet"
    assert lens.pictures is not None and lens.pictures.name == "digits-test"
    assert (store, host, port, names) == (None, "127.0.0.1", 1, frozenset({"me.lan"}))


def test_data_that_are_not_here_are_left_out(firebit: Run, served: list[Any]) -> None:
    code, _, err = firebit("mnist-lenet")
    assert code == 0 and served[0].pictures is None
    assert "The data set mnist is not in" in err and "Units are judged by no data." in err


def test_without_data(firebit: Run, served: list[Any]) -> None:
    assert firebit("mnist-lenet", "--no-data") == (0, "Open http://127.0.0.1:1/ (stop with Ctrl+C).\n", "")
    assert served[0].pictures is None


def test_an_address_that_others_can_reach_is_warned_of(firebit: Run, served: list[Any]) -> None:
    _, _, err = firebit("mnist-lenet", "--no-data", "--host", "0.0.0.0")
    assert err == "Anyone who can reach 0.0.0.0 can use it.\n"


def test_a_port_in_use(firebit: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = firebit("mnist-lenet", "--no-data", "--port", port)
    assert (code, out) == (6, "")
    assert f"Port {port} of 127.0.0.1 is in use." in err and "another --port" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nowhere.firebit",), 4, "There is no run or model file"),
        (("mnist-lenett",), 4, "Did you mean 'mnist-lenet'?"),
        (("mnist-lenet", "--data", "mnist"), 3, "firebit data fetch mnist"),
        (("mnist-lenet", "--port", "70000"), 2, "65535"),
        (("mnist-lenet", "--no-data", "--host", "no such host"), 2, "no such host"),
        (("cifar10-quick", "--data", "digits"), 2, "The network takes pictures of 3×32×32"),
    ],
)
def test_wrong_usage(firebit: Run, words: tuple[str, ...], code: int, said: str) -> None:
    found, _, err = firebit(*words)
    assert (found, said in err) == (code, True), err


def test_without_the_libraries_it_says_what_to_install(firebit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name == "firebit.web" or name.startswith("firebit.web.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    code, _, err = firebit("mnist-lenet", "--no-data")
    assert code == 2 and "needs fastapi, which is not installed" in err and "pip install 'firebit[web]'" in err
