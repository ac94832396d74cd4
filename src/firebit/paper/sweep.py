"""Figure 4 (right) of the paper: accuracy against a row of networks, of which each has one more layer binary."""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import mean, stdev
from typing import TYPE_CHECKING

from firebit.figure import COLOURS
from firebit.paper.experiment import Experiment
from firebit.paper.picture import Picture, panels
from firebit.paper.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Point = tuple[str, float, float]
"""What a network is called, its mean accuracy over seeds in per cent, and the standard deviation."""


def pictures(experiment: Experiment, found: Mapping[str, Sequence[Record]]) -> list[Picture]:
    """One figure: trials from left to right, a line per row of the table."""
    lines = {heading: points(experiment, found, row) for row, heading in experiment.rows.items()}
    alt = "Accuracy as more layers are binary"
    return [Picture(experiment.name, "", alt, partial(_draw, {name: line for name, line in lines.items() if line}))]


def points(experiment: Experiment, found: Mapping[str, Sequence[Record]], row: str) -> list[Point]:
    """The networks that have that row, in the order of the trials."""
    line = []
    for trial in experiment.trials:
        values = [record.top1[row] for record in found.get(trial.name, ()) if row in record.top1]
        if values:
            line.append((trial.title, mean(values), stdev(values) if len(values) > 1 else 0.0))
    return line


def _draw(lines: Mapping[str, Sequence[Point]]) -> "Figure":
    figure, (axes,) = panels(("accuracy, %",), "")
    for (heading, line), colour in zip(lines.items(), COLOURS, strict=False):
        names, means, deviations = zip(*line, strict=True)
        axes.errorbar(names, means, deviations, color=colour, marker="o", linewidth=2, capsize=3, label=heading)
    axes.legend(frameon=False, fontsize=9)
    return figure
