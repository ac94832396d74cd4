"""Figures 2 and 4 (left) of the paper: the share of units that are binary most of the time, along training."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from firebit.errors import UsageError
from firebit.paper.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARES = {"0.9": "90 %", "0.99": "99 %", "0.999": "99.9 %"}
"""The three thresholds of figure 2, as records name them."""

_COLOURS = ("#12558f", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#757575", "#333333")
_INK = "#333333"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "firebit",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
}


def shares(records: Sequence[Record], layer: str, at_least: str) -> list[float]:
    """Per epoch of both phases, the share of a layer's units, in per cent, that are binary at least so often.

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


def save_figure(records: Sequence[Record], path: Path) -> None:
    """Draw one panel per threshold, a curve per layer, as `path`.svg and `path`.png: the same bytes on every run.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise UsageError("Drawing needs matplotlib, which is not installed.", "pip install 'firebit[docs]'") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure = _draw(records)
        figure.savefig(path.with_name(f"{path.name}.svg"), metadata={"Date": None, "Creator": "Firebit"})
        figure.savefig(path.with_name(f"{path.name}.png"), dpi=110, metadata={"Software": "Firebit"})


def _draw(records: Sequence[Record]) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    panels: Any = figure.subplots(1, len(SHARES), sharex=True, sharey=True)
    for axes, (key, text) in zip(panels, SHARES.items(), strict=True):
        _draw_panel(axes, records, key)
        axes.set_title(f"binary at least {text} of the time", loc="left", fontsize=10, color=_INK)
        axes.set_xlabel("epoch")
    panels[0].set_ylabel("share of units, %")
    panels[0].legend(frameon=False, fontsize=9)
    return figure


def _draw_panel(axes: "Axes", records: Sequence[Record], key: str) -> None:
    epochs = records[0].epochs
    for layer, colour in zip(layers(records), _COLOURS, strict=False):
        axes.plot(range(1, len(epochs) + 1), shares(records, layer, key), color=colour, linewidth=2, label=layer)
    first = sum(epoch["stage"] == "phase1" for epoch in epochs)
    # Where phase 1 ends and phase 2 begins.
    axes.axvline(first + 0.5, color="#d9d9d9", linewidth=1, zorder=0)
    axes.set_ylim(-2, 102)
