"""Figures of codes as a table, as Markdown and as curves."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firebit.figure import COLOURS, save_figure
from firebit.search.evaluate.measure import SearchMetrics
from firebit.search.evaluate.study import summary

if TYPE_CHECKING:
    from rich.table import Table

Found = Mapping[str, SearchMetrics]


def cells(metrics: SearchMetrics) -> dict[str, str]:
    """A line of a table by heading: per cent to two places, entropy of a bit to three."""
    return {
        heading: f"{value:.3f}" if heading == "entropy" else f"{value:.2f}"
        for heading, value in summary(metrics).items()
    }


def search_table(found: Found, title: str) -> "Table":
    """The table that the command line prints, a row for each kind of codes."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title))
    headings = list(cells(next(iter(found.values()))))
    table.add_column("codes", no_wrap=True)
    for heading in ("bits", *headings):
        table.add_column(heading, justify="right")
    for name, metrics in found.items():
        table.add_row(escape(name), str(metrics.bits), *cells(metrics).values())
    return table


def plot(found: Found, title: str, path: Path) -> None:
    """Two curves for each kind of codes, as `path`.svg and `path`.png: precision over recall, precision over hits.

    Raises:
        UsageError: matplotlib is not installed.
    """
    save_figure(lambda: _draw(found, title), path)


def _draw(found: Found, title: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, metrics), colour in zip(found.items(), COLOURS * len(found), strict=False):
        seen = [(r, p) for r, p in zip(metrics.recall, metrics.precision, strict=True) if r > 0]
        left.plot(*zip(*seen, strict=True), color=colour, label=name, marker=".", markersize=4, linewidth=1.2)
        right.plot(metrics.places, metrics.precision_at, color=colour, label=name, linewidth=1.4)
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1), title="within 0, 1, … bits")
    right.set(xlabel="hits", ylabel="precision", ylim=(0, 1), xscale="log", title="of the first hits")
    right.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    return figure
