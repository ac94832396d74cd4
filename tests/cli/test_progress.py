"""How training shows itself: plain lines and a bar."""

import io
from typing import Any

import pytest
from rich.console import Console

from firebit.cli import progress
from firebit.cli.progress import Bar, PlainLines, epoch_line, reporter
from firebit.train.checkpoint import Progress
from firebit.train.stage import Stage

STAGE = Stage("phase1", "rectifier", 3, 0.1, "cosine")
RECORD: dict[str, Any] = {
    "stage": "phase1",
    "epoch": 2,
    "train_loss": 0.123456,
    "measured_on": "validation",
    "soft": {"top1": 0.98765},
    "steps": {"top1": 0.5},
    "census": {"level": 0.71249},
}


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    return Console(file=screen, force_terminal=terminal, width=100, no_color=True), screen


def test_an_epoch_in_one_line() -> None:
    line = "phase1 2 · loss 0.1235 · validation 98.77 % · with steps 50.00 % · binary 71.2 %"
    assert epoch_line(RECORD) == line


def test_an_epoch_of_the_baseline() -> None:
    record = {key: value for key, value in RECORD.items() if key not in ("steps", "census")}
    assert epoch_line(record) == "phase1 2 · loss 0.1235 · validation 98.77 %"


def test_an_epoch_that_was_not_measured() -> None:
    record = {key: value for key, value in RECORD.items() if key not in ("soft", "steps", "census")}
    assert epoch_line(record) == "phase1 2 · loss 0.1235"


def test_plain_lines_speak_every_twenty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    screen = console(False)
    with PlainLines(screen[0]) as lines:
        lines.stage(STAGE, 60)
        for batch, now in ((1, 5.0), (2, 19.0), (3, 21.0), (4, 30.0), (5, 42.0)):
            clock[0] = now
            lines.batch(Progress(epoch=1, batch=batch), 0.5)
        lines.epoch(RECORD)
        clock[0] = 61.0
        lines.batch(Progress(epoch=2, batch=1), 0.25)
    assert screen[1].getvalue().splitlines() == [
        "phase1 2/3 · batch 3/60 · loss 0.5000",
        "phase1 2/3 · batch 5/60 · loss 0.5000",
        epoch_line(RECORD),
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_notes_are_printed_as_they_are(terminal: bool) -> None:
    screen = console(terminal)
    with reporter(screen[0]) as report:
        report.note("runs/[b]old[/b] [/x]: lenet on ./a[1]")
    assert "runs/[b]old[/b] [/x]: lenet on ./a[1]" in screen[1].getvalue()


def test_a_long_note_stays_on_one_plain_line() -> None:
    screen = console(False)
    PlainLines(screen[0]).note("x" * 300)
    assert screen[1].getvalue() == "x" * 300 + "\n"


def test_a_terminal_gets_a_bar_and_a_file_plain_lines() -> None:
    assert isinstance(reporter(console(True)[0]), Bar)
    assert isinstance(reporter(console(False)[0]), PlainLines)


def test_the_bar_shows_stage_batches_loss_and_epochs() -> None:
    screen = console(True)
    with reporter(screen[0]) as report:
        report.batch(Progress(), 1.0)
        report.stage(STAGE, 6)
        report.batch(Progress(epoch=1, batch=3), 0.25)
        assert isinstance(report, Bar)
        report._progress.refresh()
        report.epoch(RECORD)
        report.stage(Stage("phase2", "rectifier", 1, 0.1, "cosine"), 6)
        report.batch(Progress(epoch=0, batch=6), 0.125)
    text = screen[1].getvalue()
    assert "\x1b[" in text
    for part in ("9/18", "0.250", "6/6", "phase2", "0.125", epoch_line(RECORD)):
        assert part in text


def test_a_bar_ends_when_training_fails() -> None:
    screen = console(True)
    with pytest.raises(ValueError, match="no"), reporter(screen[0]) as report:
        report.stage(STAGE, 6)
        raise ValueError("no")
    # The cursor is shown again.
    assert screen[1].getvalue().endswith("\x1b[?25h")
