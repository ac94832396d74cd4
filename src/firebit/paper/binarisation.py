"""Figures 2 and 4 (left) of the paper: the share of units that are binary most of the time, along training."""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING

from firebit.figure import COLOURS
from firebit.paper.experiment import Experiment
from firebit.paper.picture import Picture, panels
from firebit.paper.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARES = {"0.9": "90 %", "0.99": "99 %", "0.999": "99.9 %"}
"""The three thresholds of figure 2, as records name them."""


def pictures(experiment: Experiment, found: Mapping[str, Sequence[Record]]) -> list[Picture]:
    """A figure per trial: one panel per threshold, a curve per layer; a table of the end below it."""
    return [
        Picture(
            f"{experiment.name}-{trial.name}",
            trial.title,
            "Share of binary units along training",
            partial(draw, found[trial.name]),
            ("At the end of phase 2:", "", *table(found[trial.name])),
        )
        for trial in experiment.trials
        if trial.name in found
    ]


def shares(records: Sequence[Record], layer: str, at_least: str) -> list[float]:
    """Per measured epoch of both phases, the share of a layer's units, in per cent, that are binary at least so often.

    Args:
        records: one per seed; the mean over them is taken.
        layer: the module path of the rectifier.
        at_least: a key of :data:`SHARES`.
    """
    runs = [[epoch["layers"][layer]["binary_share"][at_least] for epoch in record.epochs] for record in records]
    return [100 * mean(values) for values in zip(*runs, strict=True)]


def layers(records: Sequence[Record]) -> list[str]:
    """Names of the layers in execution order."""
    return list(records[0].epochs[0]["layers"])


def table(records: Sequence[Record]) -> list[str]:
    """Lines of a Markdown table: at the end of phase 2, units that are binary most of the time, and constant ones."""
    lines = [
        f"| layer | units | {' | '.join(f'≥ {text} of the time' for text in SHARES.values())} | constant units |",
        "|---|" + "---|" * (len(SHARES) + 2),
    ]
    for layer in layers(records):
        last = [record.epochs[-1]["layers"][layer] for record in records]
        cells = [f"{shares(records, layer, key)[-1]:.1f} %" for key in SHARES]
        constant = 100 * mean(found["constant_units"] / found["units"] for found in last)
        lines.append(f"| {layer} | {last[0]['units']:,} | {' | '.join(cells)} | {constant:.1f} % |")
    return lines


def draw(records: Sequence[Record]) -> "Figure":
    """One panel per threshold, a curve per layer."""
    titles = tuple(f"binary at least {text} of the time" for text in SHARES.values())
    figure, found = panels(titles, "epoch", share_y=True)
    for axes, key in zip(found, SHARES, strict=True):
        _draw_panel(axes, records, key)
    found[0].set_ylabel("share of units, %")
    found[0].legend(frameon=False, fontsize=9)
    return figure


def _draw_panel(axes: "Axes", records: Sequence[Record], key: str) -> None:
    epochs = records[0].epochs
    first = max((epoch["epoch"] for epoch in epochs if epoch["stage"] == "phase1"), default=0)
    places = [epoch["epoch"] + (first if epoch["stage"] == "phase2" else 0) for epoch in epochs]
    for layer, colour in zip(layers(records), COLOURS, strict=False):
        axes.plot(places, shares(records, layer, key), color=colour, linewidth=2, label=layer)
    # Where phase 1 ends and phase 2 begins.
    axes.axvline(first + 0.5, color="#d9d9d9", linewidth=1, zorder=0)
    axes.set_ylim(-2, 102)
