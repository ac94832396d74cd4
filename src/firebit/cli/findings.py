"""What `firebit explain` found: as tables on the terminal, and as files in a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firebit.cli.error import printable

if TYPE_CHECKING:
    from rich.table import Table

    from firebit.cli.explain import Cut
    from firebit.data import ImageSet
    from firebit.engine.network import Network
    from firebit.explain import Column, Explanation, Selectivity

_MOST_CLASSES = 6
_MOST_CLASSIFIERS = 10
_MOST_DRAWN = 8


def show_all(explanation: "Explanation", data: str, top: int) -> None:
    """A line on everything, a table of units and one of single-neuron classifiers."""
    import typer

    from firebit.cli.table import show

    for line in summary(explanation, data):
        typer.echo(line)
    show(_units(explanation, top))
    if explanation.classifiers:
        show(_classifiers(explanation))


def summary(explanation: "Explanation", data: str) -> list[str]:
    """What was counted and found, in a few lines."""
    found, firing = explanation.found, explanation.found.firing
    both = int((found.positive.any(0) & found.negative.any(0)).sum())
    lines = [
        f"{firing.layer}: {firing.units:,} units, {firing.pictures:,} pictures of {len(firing.classes)} classes "
        f"({printable(data)})",
        f"{_share(found)}, and q ≤ {found.level:g}: {int(found.positive.sum()):,} positive and "
        f"{int(found.negative.sum()):,} negative classes over all units; {both:,} units have both",
    ]
    empty = [name for name, size in zip(firing.classes, firing.sizes, strict=True) if not size]
    if empty:
        lines.append(f"No pictures of: {printable(_listed(empty))}")
    if explanation.null is not None:
        null = explanation.null
        lines.append(
            f"With shuffled labels ({null.permutations}×): {null.found:.2g} of either; "
            f"{100 * null.units:.2g} % of units have a positive class"
        )
    flags = [flag.split(" ")[0] for flag in found.flags if flag]
    if flags:
        words = {"never": "never fire", "always": "always fire", "same": "repeat another", "opposite": "oppose another"}
        lines.append("Units that " + ", ".join(f"{text}: {flags.count(key):,}" for key, text in words.items()))
    if found.share == 1 and not found.positive.any() and not found.negative.any():
        lines.append("No class fires a unit with all its pictures, or with none. See --share 0.9.")
    return lines


def _share(found: "Selectivity") -> str:
    if found.share == 1:
        return "Fired by all pictures of a class, or by none"
    return f"Fired by at least {100 * found.share:g} % of a class, or by at most {100 - 100 * found.share:g} %"


def _listed(names: Sequence[str]) -> str:
    more = f", … {len(names) - _MOST_CLASSES} more" if len(names) > _MOST_CLASSES else ""
    return ", ".join(names[:_MOST_CLASSES]) + more


def _units(explanation: "Explanation", top: int) -> "Table":
    from rich.table import Table
    from rich.text import Text

    found, firing = explanation.found, explanation.found.firing
    table = Table("unit")
    for heading in ("fires, %", "tells, bit"):
        table.add_column(heading, justify="right")
    for heading in ("positive classes", "negative classes", *(["name"] if explanation.hierarchy else []), "remark"):
        table.add_column(heading)
    for unit in found.ranked()[:top]:
        sides = (found.positives(unit), found.negatives(unit))
        classes = [_listed([each.name for each in side]) for side in sides]
        name = [_named(explanation, unit)] if explanation.hierarchy else []
        row = (firing.unit_name(unit), f"{100 * firing.base[unit]:.1f}", f"{found.information[unit]:.3f}")
        table.add_row(*(Text(printable(cell)) for cell in (*row, *classes, *name, found.flags[unit])))
    return table


def _named(explanation: "Explanation", unit: int) -> str:
    signs = {"positive": "+", "negative": "−"}
    found = [f"{signs[name.side]}{name.concept}" for name in explanation.names[unit]]
    return ", ".join(found) or "no name"


def _classifiers(explanation: "Explanation") -> "Table":
    from rich.table import Table
    from rich.text import Text

    classes = explanation.found.firing.classes
    table = Table("single neuron", title="Classifiers of one neuron, on the half not used to choose classes")
    for heading in ("accuracy, %", "at least", "majority, %", "classes covered, %"):
        table.add_column(heading, justify="right")
    table.add_column("positive against negative classes")
    for each in explanation.classifiers[:_MOST_CLASSIFIERS]:
        sides = [_listed([classes[index] for index in side]) for side in (each.positive, each.negative)]
        figures = [f"{100 * value:.1f}" for value in (each.accuracy, each.bound, each.baseline, each.covered)]
        text = printable(f"{sides[0]} ∣ {sides[1]}")
        table.add_row(explanation.found.firing.unit_name(each.unit), *figures, Text(text))
    return table


def show_unit(explanation: "Explanation", unit: int) -> None:
    """A table of how every class fires one unit."""
    import numpy as np
    from rich.table import Table
    from rich.text import Text

    from firebit.cli.table import show

    found, firing = explanation.found, explanation.found.firing
    said = found.flags[unit] or (_named(explanation, unit) if explanation.hierarchy else "")
    title = f"{firing.layer}, unit {firing.unit_name(unit)}" + (f": {said}" if said else "")
    table = Table("class", title=Text(printable(title)))
    for heading in ("fired", "of", "rate, %", "95 % bounds, %", "q, more", "q, less"):
        table.add_column(heading, justify="right")
    table.add_column("")
    there = np.flatnonzero(firing.sizes > 0)
    for index in there[np.argsort(-firing.rates[there, unit], kind="stable")]:
        side = "positive" if found.positive[index, unit] else "negative" if found.negative[index, unit] else ""
        bounds = f"{100 * found.lower[index, unit]:.1f} … {100 * found.upper[index, unit]:.1f}"
        table.add_row(
            Text(printable(firing.classes[index])),
            *(f"{firing.counts[index, unit]:,}", f"{firing.sizes[index]:,}", f"{100 * firing.rates[index, unit]:.1f}"),
            *(bounds, f"{found.q_more[index, unit]:.2g}", f"{found.q_less[index, unit]:.2g}", side),
        )
    show(table)


def write(
    folder: Path,
    network: "Network",
    pictures: "ImageSet",
    explanation: "Explanation",
    units: Sequence[int],
    cut: "Cut",
) -> str:
    """Write the firing matrix, all findings, figures, and a tile of every smallest picture.

    Args:
        folder: made where it is missing.
        network: whose units they are.
        pictures: what was counted.
        explanation: what was found.
        units: to draw; none: those with most to show.
        cut: how pictures are made small.

    Returns:
        What was written, in a line or two.

    Raises:
        FirebitError: something cannot be written.
    """
    import json

    from firebit.explain import columns
    from firebit.explain.drawing import matrix_figure, panel_figure, units_figure
    from firebit.figure import check_drawing, save_figure
    from firebit.files import write_text

    check_drawing()
    found, firing = explanation.found, explanation.found.firing
    chosen = list(units) or _telling(explanation)
    made = columns(network, pictures.images, pictures.labels, found, chosen, **vars(cut))
    firing.save(folder / "firing.safetensors")
    write_text(folder / "firing.csv", _csv(explanation))
    smallest = [found for column in made for found in _smallest(column, firing.classes)]
    values = {"data": pictures.name, **explanation.to_dict(), "smallest": smallest}
    write_text(folder / "explanation.json", json.dumps(values, indent=2) + "\n")
    titles = [f"unit {firing.unit_name(unit)}" for unit in chosen]
    save_figure(lambda: matrix_figure(firing), folder / "matrix")
    save_figure(lambda: units_figure(found, chosen, titles), folder / "units")
    if any((*column.positive, *column.negative) for column in made):
        save_figure(lambda: panel_figure(made, firing.classes, titles), folder / "smallest")
    for column in made:
        _write_tiles(folder / "tiles", column, firing.unit_name(column.unit))
    blank = sum(found["blank"] for found in smallest)
    said = f"\n{blank} of them are blank: on a blank picture these units say the same." if blank else ""
    return f"Written to {folder}: {len(smallest)} smallest pictures of {len(made)} units.{said}"


def _telling(explanation: "Explanation") -> list[int]:
    """Units with classes on both sides, then those that tell most."""
    first = [each.unit for each in explanation.classifiers]
    ranked = explanation.found.ranked()[:_MOST_DRAWN].tolist()
    return list(dict.fromkeys([*first, *ranked]))[:_MOST_DRAWN]


def _csv(explanation: "Explanation") -> str:
    """Counts: a row per class, a column per unit, the number of pictures before them."""
    import csv
    from io import StringIO

    firing = explanation.found.firing
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "pictures", *(firing.unit_name(unit) for unit in range(firing.units))])
    for name, size, counts in zip(firing.classes, firing.sizes.tolist(), firing.counts.tolist(), strict=True):
        writer.writerow([name, size, *counts])
    return text.getvalue()


def _smallest(column: "Column", classes: Sequence[str]) -> list[dict[str, Any]]:
    """What is known of the smallest pictures of a column, as JSON-able values."""
    pictures = zip((*column.positive, *column.negative), column.labels, column.pictures, strict=True)
    return [
        {
            "unit": column.unit,
            "class": classes[label],
            "picture": index,
            "fires": small.fires,
            "blank": small.blank,
            "fill": small.fill,
            "segments": len(small.kept),
            "kept": int(small.kept.sum()),
            "share": small.share,
            "margin": small.margin,
            "forwards": small.forwards,
        }
        for small, label, index in pictures
    ]


def _write_tiles(folder: Path, column: "Column", name: str) -> None:
    from io import BytesIO

    from PIL import Image

    from firebit.explain.drawing import tile
    from firebit.files import write_atomically

    for side, pictures in (("fires", column.positive), ("stays-off", column.negative)):
        for index, small in enumerate(pictures):
            content = BytesIO()
            Image.fromarray(tile(small, 192)).save(content, "PNG")
            write_atomically(folder / f"unit-{name}-{side}-{index + 1}.png", content.getvalue())
