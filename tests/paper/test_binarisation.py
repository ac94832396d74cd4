"""Figures of binarisation: means by hand, and files that do not change."""

from pathlib import Path
from typing import Any

import pytest

from firebit.paper.binarisation import draw, layers, pictures, shares, table
from firebit.paper.experiment import Experiment, Trial
from firebit.paper.record import Record


def epoch(stage: str, *values: float, number: int = 1) -> dict[str, Any]:
    keys = ("0.9", "0.99", "0.999")
    found = {
        name: {"units": 1000, "constant_units": 10 * (index + 1), "binary_share": dict.fromkeys(keys, value)}
        for index, (name, value) in enumerate(zip(("act1", "act2"), values, strict=True))
    }
    return {"stage": stage, "epoch": number, "layers": found}


def records() -> list[Record]:
    runs = [
        [epoch("phase1", 0.2, 0.4), epoch("phase2", 0.6, 0.8)],
        [epoch("phase1", 0.4, 0.4), epoch("phase2", 0.8, 1.0)],
    ]
    return [Record("", "test", {}, {}, epochs, 1.0, {}) for epochs in runs]


def test_means_over_seeds() -> None:
    assert layers(records()) == ["act1", "act2"]
    assert shares(records(), "act1", "0.9") == pytest.approx([30.0, 70.0])
    assert shares(records(), "act2", "0.999") == pytest.approx([40.0, 90.0])


def test_the_table_is_of_the_last_epoch() -> None:
    assert table(records())[2:] == [
        "| act1 | 1,000 | 70.0 % | 70.0 % | 70.0 % | 1.0 % |",
        "| act2 | 1,000 | 90.0 % | 90.0 % | 90.0 % | 2.0 % |",
    ]


def test_epochs_stand_where_they_were_measured() -> None:
    numbers = [("phase1", 2), ("phase1", 3), ("phase2", 2), ("phase2", 4)]
    found = [epoch(stage, 0.5, 0.5, number=number) for stage, number in numbers]
    panel = draw([Record("", "test", {}, {}, found, 1.0, {})]).axes[0]
    # The line between the phases comes behind those of the layers.
    assert [list(line.get_xdata()) for line in panel.lines] == [[2, 3, 5, 7], [2, 3, 5, 7], [3.5, 3.5]]


def test_figures_are_the_same_bytes_on_every_run(tmp_path: Path) -> None:
    for name in ("a", "b"):
        experiment = Experiment(name, "Figure", {}, (Trial("one", "One", "mnist"), Trial("two", "Two", "mnist")), "")
        (picture,) = pictures(experiment, {"one": records()})
        assert (picture.name, picture.title) == (f"{name}-one", "One")
        assert picture.below == ("At the end of phase 2:", "", *table(records()))
        picture.save(tmp_path / "deep")
    for suffix in ("svg", "png"):
        one, two = ((tmp_path / "deep" / f"{name}-one.{suffix}").read_bytes() for name in "ab")
        assert one == two
        assert len(one) > 1000
    text = (tmp_path / "deep" / "a-one.svg").read_text()
    assert all(f">{word}<" in text for word in ("act1", "act2", "epoch", "binary at least 99.9 % of the time"))
