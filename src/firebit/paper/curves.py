"""Figure 3 of the paper: training loss, loss and accuracy on the test set along training, ReLU beside ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING

from firebit.figure import COLOURS
from firebit.paper.experiment import Experiment
from firebit.paper.picture import Picture, panels
from firebit.paper.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = {"train_loss": "training loss", "loss": "test loss", "top1": "test accuracy, %"}
"""What is drawn, as records name it."""

_STAGES = {"relu": ("ReLU", "--"), "phase1": ("ours", "-")}


@dataclass(frozen=True)
class Curve:
    """One network along its training.

    Attributes:
        label: what it is called in the legend.
        style: of the line: ReLU is dashed.
        epochs: those that were measured.
        values: per panel a value per measured epoch, means over seeds.
    """

    label: str
    style: str
    epochs: Sequence[int]
    values: Mapping[str, Sequence[float]]


def pictures(experiment: Experiment, found: Mapping[str, Sequence[Record]]) -> list[Picture]:
    """One figure: a panel per quantity, two curves per trial."""
    curves = {
        trial.title: of_trial(trial.title, found[trial.name]) for trial in experiment.trials if trial.name in found
    }
    alt = "Training loss, test loss and test accuracy along training"
    return [Picture(experiment.name, "", alt, partial(_draw, curves))]


def of_trial(title: str, records: Sequence[Record]) -> list[Curve]:
    """The curves of a trial: its ReLU baseline, and ours in phase 1; those that were trained."""
    curves = []
    for stage, (name, style) in _STAGES.items():
        runs = [[epoch for epoch in record.curves if epoch["stage"] == stage] for record in records]
        values = {key: [mean(at[key] for at in epochs) for epochs in zip(*runs, strict=True)] for key in PANELS}
        if values["loss"]:
            curves.append(Curve(f"{name}, {title}", style, [at["epoch"] for at in runs[0]], values))
    return curves


def _draw(curves: Mapping[str, Sequence[Curve]]) -> "Figure":
    figure, found = panels(tuple(PANELS.values()), "epoch")
    for of_one, colour in zip(curves.values(), COLOURS, strict=False):
        for curve in of_one:
            for axes, key in zip(found, PANELS, strict=True):
                style = {"color": colour, "linestyle": curve.style, "label": curve.label}
                axes.plot(curve.epochs, curve.values[key], linewidth=1.6, **style)  # type: ignore[arg-type]
    found[-1].legend(frameon=False, fontsize=8)
    return figure
