"""Tables keep their cells whole where there is no window."""

import pytest
from rich.table import Table

from firebit.cli.table import show


def test_a_pipe_gets_every_cell_whole_and_as_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    table = Table("name", "value")
    table.add_row("a" * 60, "[red]" + "b" * 60)
    show(table)
    out = capsys.readouterr().out
    assert "a" * 60 in out and "[red]" in out and "b" * 60 in out
