"""What a report shows of the units of a layer together: the firing matrix, and how many units are what."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from firebit.web.heat import shade
from firebit.web.picture import heat_address, shrunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from firebit.explain import ClassEvidence, Explanation, Selectivity

MOST_COLUMNS = 30
"""Classes that have a column each in the table of units."""

_MOST_CELLS = 12_000
_MOST_ROWS = 1_000
_MOST_NAMES = 12
_PICTURE = (400, 1200)


@dataclass(frozen=True)
class Cell:
    """How often a unit fires for a class: per cent as text, and its shade."""

    text: str
    shade: str


@dataclass(frozen=True)
class UnitRow:
    """A unit in the table.

    Attributes:
        index: of the unit.
        name: of the unit.
        rate: share of all pictures for which it fires, in per cent, as text.
        information: about the class, in bits, as text.
        positive: names of its positive classes; of very many the first, and how many more.
        negative: likewise of its negative classes.
        concept: what its classes have in common; "" for no name.
        flag: "" or what is odd about it.
        cells: one per class, where there are few enough.
    """

    index: int
    name: str
    rate: str
    information: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    concept: str
    flag: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Units:
    """The units of a layer.

    Attributes:
        layer: its name.
        by: "unit" or "channel".
        count: units in all.
        pictures: that were counted.
        data: what they are called.
        share: of a class's pictures for which a unit must fire for the class to be positive.
        matrix: address of the clustered matrix, classes in rows.
        order: names of its rows; () where there are too many.
        named: whether units could have names.
        classes: names of the columns of the table; () where there are too many.
        rows: of the table, the most telling units first.
        facts: how many units are what, as text by heading.
        null: what the same rules find in shuffled labels, a sentence.
    """

    layer: str
    by: str
    count: int
    pictures: int
    data: str
    share: float
    matrix: str
    order: tuple[str, ...]
    named: bool
    classes: tuple[str, ...]
    rows: tuple[UnitRow, ...]
    facts: dict[str, str] = field(default_factory=dict)
    null: str = ""


def unit_rows(made: "Explanation") -> tuple[UnitRow, ...]:
    """The rows of the table, the most telling units first, as many as a page can hold."""
    found = made.found
    classes = len(found.firing.classes)
    most = min(_MOST_ROWS, _MOST_CELLS // classes) if classes <= MOST_COLUMNS else _MOST_ROWS
    rates, base = found.firing.rates, found.firing.base
    return tuple(_row(made, int(unit), rates, base) for unit in found.ranked()[:most])


def _row(made: "Explanation", unit: int, rates: "NDArray[np.float64]", base: "NDArray[np.float64]") -> UnitRow:
    found = made.found
    few = len(found.firing.classes) <= MOST_COLUMNS
    return UnitRow(
        index=unit,
        name=found.firing.unit_name(unit),
        rate=f"{100 * base[unit]:.1f}",
        information=signed(found.information[unit], 3),
        positive=_listed(found.positives(unit)),
        negative=_listed(found.negatives(unit)),
        concept=", ".join(_named(name.concept, name.side) for name in made.names[unit]) if made.names else "",
        flag=found.flags[unit],
        cells=tuple(Cell("" if np.isnan(r) else f"{100 * r:.0f}", shade(r)) for r in rates[:, unit]) if few else (),
    )


def _listed(found: "Sequence[ClassEvidence]") -> tuple[str, ...]:
    """Names of classes, of very many the first."""
    names = tuple(each.name for each in found)
    more = len(names) - _MOST_NAMES
    return (*names[:_MOST_NAMES], f"{more} more") if more > 0 else names


def _named(concept: str, side: str) -> str:
    return concept if side == "positive" else f"not {concept}"


def units(made: "Explanation", data: str) -> Units:
    """Everything about the units of a layer but their pages."""
    from firebit.explain.drawing import clustered

    found = made.found
    firing = found.firing
    classes, order = clustered(firing)
    rates = np.nan_to_num(firing.rates)[np.ix_(classes, order)]
    few = len(firing.classes) <= MOST_COLUMNS
    return Units(
        layer=firing.layer,
        by=firing.by,
        count=firing.units,
        pictures=firing.pictures,
        data=data,
        share=found.share,
        matrix=heat_address(shrunk(rates, _PICTURE)),
        order=tuple(firing.classes[index] for index in classes) if few else (),
        named=bool(made.hierarchy),
        classes=firing.classes if few else (),
        rows=unit_rows(made),
        facts=_facts(made),
        null=_null(made),
    )


def _facts(made: "Explanation") -> dict[str, str]:
    found = made.found
    positive, negative = found.positive.any(0), found.negative.any(0)
    constant = sum(flag in ("never fires", "always fires") for flag in found.flags)
    same = sum(flag.startswith(("same", "opposite")) for flag in found.flags)
    return {
        "units": f"{found.firing.units:,}",
        "with a positive class": f"{int(positive.sum()):,}",
        "with a negative class": f"{int(negative.sum()):,}",
        "with both": f"{int((positive & negative).sum()):,}",
        "without exception": f"{_strict(found):,}",
        "constant": f"{constant:,}",
        "same or opposite as another": f"{same:,}",
        "fire on average": f"{100 * float(found.firing.base.mean()):.1f} %",
    }


def _strict(found: "Selectivity") -> int:
    """Units with a class that they always or never fire for, without exception, as the paper has it."""
    counts, sizes = found.firing.counts, found.firing.sizes[:, None]
    always = (counts == sizes) & (found.q_more <= found.level)
    never = (counts == 0) & (found.q_less <= found.level)
    return int(((always | never) & (sizes > 0)).any(0).sum())


def _null(made: "Explanation") -> str:
    null = made.null
    if null is None:
        return ""
    return (
        f"With labels shuffled {null.permutations} times, the same rules find a positive or negative class for "
        f"{100 * null.units:.2g} % of the units (at most {100 * null.most:.2g} %)."
    )


def signed(value: float, digits: int) -> str:
    """A number of so many digits, its sign a true minus, and no minus before zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")
