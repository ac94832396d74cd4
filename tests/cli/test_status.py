"""What a command is doing right now."""

import pytest
from rich.console import Console

from firebit.cli.status import status


def test_nothing_is_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with status() as told:
        told("reading")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(Console, "is_terminal", property(lambda console: True))
    monkeypatch.setattr("rich.status.Status.update", lambda self, what: shown.append(what))
    with status() as told:
        told("predictions")
    assert shown == ["predictions"]
