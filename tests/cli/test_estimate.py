"""What a dry run prints."""

import json

import pytest

from firebit.cli.estimate import duration, show_estimate
from firebit.train.estimate import Estimate, Layer, Memory, StageTime

FOUND = Estimate(
    (Layer("conv1", "Conv2d", 1040), Layer("act1", "BoundedRectifier", 40)),
    Memory(2**20, 2**20, 2**21, 2**22),
    (StageTime("phase1", 2, 100, 0.5, 10.0, 2),),
    6000,
    2,
    30,
    "bfloat16",
)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4.24, "4.2 s"), (61, "1 min 1 s"), (3599.7, "1 h 0 min"), (27000, "7 h 30 min"), (187200, "2 d 4 h")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_the_tables_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_estimate(FOUND, 30.0, False)
    out = capsys.readouterr().out
    for text in (
        "BoundedRectifier",
        "1,080",
        "500.0",
        "1 min 0 s",
        "activations 4.0 MiB: 8.0 MiB",
        "micro-batches of 30 of each of 2 processes, bfloat16",
        "about 2 min 0 s",
        "cost: 1.00 at 30 per hour",
    ):
        assert text in out, text


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_estimate(FOUND, 30.0, True)
    found = json.loads(capsys.readouterr().out)
    assert found["cost"] == pytest.approx(1.0)
    assert found["seconds"] == 120.0
    assert found["memory"]["total"] == 2**23
    show_estimate(FOUND, None, True)
    assert "cost" not in json.loads(capsys.readouterr().out)
