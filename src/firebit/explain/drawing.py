"""The pictures of explanations: tiles of smallest pictures as pixels, and figures (matplotlib)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from firebit.explain.columns import Column
from firebit.explain.firing import Firing
from firebit.explain.minimal import Minimal
from firebit.explain.selectivity import Selectivity
from firebit.figure import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE = 96
"""Side of a tile in pixels, unless another is asked for."""

FIRES, STAYS_OFF, NEITHER = "#12558f", "#d55e00", "#b5b5b5"
"""Colours of what fires a unit, of what keeps it off, and of the rest; colour-blind readers can tell them apart."""

MARKS = {"mean": "", "grey": " ▒", "black": " ■", "white": " □", "blur": " ≈"}
"""What stands behind a class in figure 6 where segments were not replaced by the mean colour."""

_GONE = 232
_THUMBNAIL = 0.3
_MOST_LEAVES = 2000


def tile(found: Minimal, side: int = TILE) -> NDArray[np.uint8]:
    """A smallest picture for eyes, uint8 (side, side, 3), side ≥ 16.

    What is gone is light grey; the original stands in that corner where it hides least, the upper left if it is all
    the same. Where the blank picture does it, nothing else is to be seen.
    """
    picture, gone = _rgb(found.picture), np.full(3, _GONE, np.uint8)
    mask = np.array(Image.fromarray(found.mask).resize((side, side), Image.Resampling.NEAREST))
    canvas = np.where(mask[:, :, None], _square(picture, side), gone)
    small = round(side * _THUMBNAIL)
    ends = (slice(small), slice(-small, None))
    rows, columns = min(product(ends, ends), key=lambda corner: int(mask[corner].sum()))
    canvas[rows, columns] = np.pad(_square(picture, small - 2), ((1, 1), (1, 1), (0, 0)), constant_values=255)
    return canvas


def _rgb(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(C, H, W), C 1 or 3, as (H, W, 3)."""
    return np.broadcast_to(picture.transpose(1, 2, 0), (*picture.shape[1:], 3))


def _square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    resized = Image.fromarray(np.ascontiguousarray(picture)).resize((side, side), Image.Resampling.LANCZOS)
    return np.array(resized)


def clustered(firing: Firing) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Orders of classes int64 (C,) and units int64 (U,) that put alike ones side by side.

    Average linkage of Euclidean distances between rates, leaves in the optimal order; above 2,000 rows in the order of
    the mean rate. Classes without pictures come last.
    """
    there = firing.sizes > 0
    rates = firing.rates[there]
    classes = np.concatenate([np.flatnonzero(there)[_order(rates)], np.flatnonzero(~there)])
    return classes, _order(rates.T)


def _order(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import leaves_list, linkage

    if not 2 < len(rows) <= _MOST_LEAVES:
        return np.argsort(rows.mean(1), kind="stable").astype(np.int64)
    order: NDArray[np.int64] = leaves_list(linkage(rows, "average", optimal_ordering=True)).astype(np.int64)
    return order


def matrix_figure(firing: Firing) -> "Figure":
    """The firing matrix, classes and units clustered (figure 5, top)."""
    from matplotlib.figure import Figure

    classes, units = clustered(firing)
    named = len(classes) <= 40
    figure = Figure(figsize=(9.6, min(8.0, 1.3 + 0.26 * len(classes))), layout="constrained")
    axes = figure.subplots()
    rates = firing.rates[np.ix_(classes, units)]
    shown = axes.imshow(rates, "cividis", aspect="auto", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xlabel(f"{firing.units:,} units of {firing.layer}, clustered")
    axes.set_xticks([])
    if named:
        axes.set_yticks(range(len(classes)), [firing.classes[index] for index in classes])
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(classes):,} classes, clustered")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(shown, ax=axes, pad=0.01, aspect=12)
    bar.set_label("share of pictures that fire")
    bar.outline.set_visible(False)
    return figure


def units_figure(found: Selectivity, units: Sequence[int], titles: Sequence[str] = ()) -> "Figure":
    """How often every class fires some units, a panel each, with bounds (figure 5, bottom).

    Args:
        found: positive and negative classes.
        units: indices.
        titles: what stands above the panels; none: "unit 17".
    """
    from matplotlib.figure import Figure

    firing = found.firing
    many = len(firing.classes) > 40
    rows = -(-len(units) // 2)
    figure = Figure(figsize=(9.6, rows * (2.2 if many else 0.9 + 0.2 * len(firing.classes))), layout="constrained")
    panels: Any = figure.subplots(rows, min(2, len(units)), squeeze=False, sharex=not many).reshape(-1)
    above = list(titles) or [f"unit {firing.unit_name(unit)}" for unit in units]
    for axes, unit, title in zip(panels, units, above, strict=False):
        (_many_bars if many else _bars)(axes, found, unit)
        axes.set_title(title, loc="left", fontsize=10, color=INK)
    for axes in panels[len(units) :]:
        axes.set_visible(False)
    return figure


def unit_figure(found: Selectivity, unit: int, title: str = "") -> "Figure":
    """How often every class fires one unit, with bounds (figure 5, bottom)."""
    return units_figure(found, [unit], [title] if title else ())


def _colours(found: Selectivity, unit: int, order: NDArray[np.int64]) -> list[str]:
    sides = zip(found.positive[order, unit], found.negative[order, unit], strict=True)
    return [FIRES if positive else STAYS_OFF if negative else NEITHER for positive, negative in sides]


def _sorted_classes(found: Selectivity, unit: int) -> NDArray[np.int64]:
    there = np.flatnonzero(found.firing.sizes > 0)
    order: NDArray[np.int64] = there[np.argsort(found.firing.rates[there, unit], kind="stable")]
    return order


def _bars(axes: "Axes", found: Selectivity, unit: int) -> None:
    """A bar per class, its one-sided bounds as a line, the base rate as an upright."""
    firing, order = found.firing, _sorted_classes(found, unit)
    rates = 100 * firing.rates[order, unit]
    places = np.arange(len(order))
    axes.barh(places, rates, color=_colours(found, unit, order), height=0.72)
    reach = 100 * np.stack([found.lower[order, unit], found.upper[order, unit]])
    axes.hlines(places, reach[0], reach[1], color=INK, linewidth=1)
    axes.axvline(100 * firing.base[unit], color=INK, linewidth=0.8, linestyle=":")
    axes.set_yticks(places, [firing.classes[index] for index in order])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 100)
    axes.set_xlabel("pictures that fire, %")


def _many_bars(axes: "Axes", found: Selectivity, unit: int) -> None:
    """Classes from left to right, as in the paper: too many to name."""
    firing, order = found.firing, _sorted_classes(found, unit)
    axes.bar(np.arange(len(order)), 100 * firing.rates[order, unit], color=_colours(found, unit, order), width=1)
    axes.set_xlabel(f"{len(order):,} classes")
    axes.set_ylabel("pictures that fire, %")
    axes.set_ylim(0, 100)
    axes.margins(x=0)


@dataclass(frozen=True)
class _Side:
    """One half of a column: its pictures, their classes, the row where it begins, its colour, what stands above."""

    pictures: Sequence[Minimal]
    labels: Sequence[int]
    start: int
    colour: str


def panel_figure(columns: Sequence[Column], classes: Sequence[str], titles: Sequence[str] = ()) -> "Figure":
    """A column per unit: smallest pictures that fire it above, that keep it off below (figure 6).

    Args:
        columns: of :func:`firebit.explain.columns`.
        classes: names, by label.
        titles: what stands above the columns; none: "unit 17".
    """
    from matplotlib.figure import Figure

    above = max((len(column.positive) for column in columns), default=0)
    below = max((len(column.negative) for column in columns), default=0)
    rows = above + below
    names = list(titles) or [f"unit {column.unit}" for column in columns]
    head = 0.4 + 0.17 * max((name.count("\n") + 1 for name in names), default=1)
    width, height = 1.18 * len(columns) + 0.5, 1.32 * rows + 0.35 + head
    figure = Figure(figsize=(width, height))
    grid = figure.add_gridspec(
        rows + 1,
        len(columns),
        height_ratios=[1] * above + [0.22] + [1] * below,
        left=0.5 / width,
        right=0.995,
        top=1 - head / height,
        bottom=0.02,
        wspace=0.08,
        hspace=0.26,
    )
    for at, (column, name) in enumerate(zip(columns, names, strict=True)):
        split = len(column.positive)
        sides = (
            _Side(column.positive, column.labels[:split], 0, FIRES),
            _Side(column.negative, column.labels[split:], above + 1, STAYS_OFF),
        )
        for side in sides:
            _draw_side(figure, grid, at, side, classes)
        box = grid[0, at].get_position(figure)
        figure.text(
            (box.x0 + box.x1) / 2, box.y1 + 0.12 / height, name, ha="center", va="bottom", fontsize=9, color=INK
        )
    _side_titles(figure, grid, above, below)
    return figure


def _draw_side(figure: "Figure", grid: Any, at: int, side: _Side, classes: Sequence[str]) -> None:
    for row, (picture, label) in enumerate(zip(side.pictures, side.labels, strict=True)):
        axes = figure.add_subplot(grid[side.start + row, at])
        axes.imshow(tile(picture), interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(visible=True, color=side.colour, linewidth=1.2)
        if picture.blank:
            axes.text(0.5, 0.4, "blank\ndoes it", transform=axes.transAxes, ha="center", va="center", fontsize=7.5)
        axes.set_xlabel(f"{classes[label]}{MARKS[picture.fill]}", fontsize=7.5, labelpad=2, color=INK)


def _side_titles(figure: "Figure", grid: Any, above: int, below: int) -> None:
    sides = ((0, above, FIRES, "fires"), (above + 1, below, STAYS_OFF, "stays off"))
    for start, count, colour, text in sides:
        if count:
            top, bottom = grid[start, 0].get_position(figure), grid[start + count - 1, 0].get_position(figure)
            middle = (top.y1 + bottom.y0) / 2
            figure.text(top.x0 / 2, middle, text, rotation=90, ha="center", va="center", fontsize=11, color=colour)
