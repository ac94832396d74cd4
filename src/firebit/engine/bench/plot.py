"""Accuracy against time, every contender a point."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from firebit import figure
from firebit.engine.bench.contender import INT8, PEERS, Pictures
from firebit.engine.bench.record import Figures, Record
from firebit.engine.bench.table import setting
from firebit.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def check_plot(pictures: Pictures) -> None:
    """See that there will be something to plot, before anything is measured.

    Raises:
        UsageError: the pictures have no labels, or matplotlib is not installed.
    """
    if pictures.labels is None:
        raise UsageError("There is no accuracy to plot: no picture has a label.", "Leave --plot out, or give --data.")
    figure.check_drawing()


def save_plot(record: Record, path: Path) -> None:
    """Draw accuracy against milliseconds per picture, a panel per batch at the fewest threads, as SVG and PNG.

    Colours are libraries; round points are float, squares 8-bit integers, diamonds bits. A line shows the range over
    rounds.

    Args:
        record: of trained networks.
        path: of both files, without their endings.

    Raises:
        UsageError: matplotlib is not installed.
    """
    figure.save_figure(lambda: _draw(record), path)


def _draw(record: Record) -> "Figure":
    from matplotlib.figure import Figure

    fewest = min(threads for _, threads in record.settings)
    batches = [batch for batch, threads in record.settings if threads == fewest]
    drawn = Figure(figsize=(1.6 + 4.4 * len(batches), 4.0), layout="constrained")
    panels: Any = drawn.subplots(1, len(batches), sharey=True, squeeze=False)
    for axes, batch in zip(panels[0], batches, strict=True):
        _draw_panel(axes, record, batch, fewest)
    panels[0][0].set_ylabel("accuracy, %")
    drawn.legend(*panels[0][0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
    return drawn


def _draw_panel(axes: "Axes", record: Record, batch: int, threads: int) -> None:
    named: set[str] = set()
    for found in record.figures:
        if found.accuracy is None:
            continue
        times = [1000 * seconds for seconds in found.timing(batch, threads).seconds]
        middle, height = 1000 * found.timing(batch, threads).median, 100 * found.accuracy
        colour = figure.COLOURS[list(PEERS).index(found.contender.peer) % len(figure.COLOURS)]
        label = found.contender.name if found.contender.name not in named else None
        named.add(found.contender.name)
        axes.plot([min(times), max(times)], [height, height], color=colour, linewidth=1, zorder=1)
        axes.plot(middle, height, _marker(found), color=colour, markersize=8, linestyle="none", label=label)
        axes.annotate(
            found.contender.network, (middle, height), (0, 8), textcoords="offset points", fontsize=7, ha="center"
        )
    axes.set_xscale("log")
    axes.set_xlabel("ms per picture")
    axes.set_title(setting(batch, threads), loc="left", fontsize=10, color=figure.INK)
    axes.margins(0.15)


def _marker(found: Figures) -> str:
    if found.contender.is_own:
        return "D"
    return "s" if found.contender.precision == INT8 else "o"
