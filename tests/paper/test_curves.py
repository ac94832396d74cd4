"""Curves of figure 3: means by hand, and what is drawn of them."""

from pathlib import Path
from typing import Any

import pytest

from firebit.paper.curves import of_trial, pictures
from firebit.paper.experiment import Experiment, Trial
from firebit.paper.record import Record


def point(stage: str, value: float, epoch: int = 1) -> dict[str, Any]:
    return {"stage": stage, "epoch": epoch, "train_loss": value, "loss": 2 * value, "top1": 50 + value}


def record(*curves: dict[str, Any]) -> Record:
    return Record("", "test", {}, {}, [], 1.0, {}, {}, list(curves))


RECORDS = [
    record(point("relu", 1.0, 4), point("relu", 2.0, 6), point("phase1", 3.0), point("classifier", 9.0)),
    record(point("relu", 2.0, 4), point("relu", 4.0, 6), point("phase1", 5.0), point("classifier", 9.0)),
]


def test_means_over_seeds_of_relu_and_of_phase_1() -> None:
    relu, ours = of_trial("no dropout", RECORDS)
    assert (relu.label, ours.label) == ("ReLU, no dropout", "ours, no dropout")
    assert relu.style != ours.style
    assert relu.values["train_loss"] == pytest.approx([1.5, 3.0])
    assert relu.values["loss"] == pytest.approx([3.0, 6.0])
    assert ours.values["top1"] == pytest.approx([54.0])


def test_a_trial_without_a_baseline_has_one_curve() -> None:
    assert [curve.label for curve in of_trial("x", [record(point("phase1", 1.0))])] == ["ours, x"]


def test_the_figure_has_a_panel_per_quantity_and_a_curve_per_network(tmp_path: Path) -> None:
    trials = (Trial("a", "one", "mnist"), Trial("b", "two", "mnist"), Trial("c", "three", "mnist"))
    (picture,) = pictures(Experiment("figure9", "Figure", {}, trials, ""), {"a": RECORDS, "b": RECORDS[:1]})
    figure = picture.draw()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["training loss", "test loss", "test accuracy, %"]
    labels = ["ReLU, one", "ours, one", "ReLU, two", "ours, two"]
    for axes in figure.axes:
        assert [line.get_label() for line in axes.lines] == labels
    assert list(figure.axes[1].lines[0].get_xdata()) == [4, 6]
    assert list(figure.axes[1].lines[0].get_ydata()) == [3.0, 6.0]
    picture.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure9.png", "figure9.svg"]
