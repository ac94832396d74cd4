"""What a report shows of one unit: its classes and what they prove, its smallest pictures, the units like it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firebit.web.picture import data_address
from firebit.web.units import UnitRow, signed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from firebit.explain import ClassEvidence, Column, Explanation, Minimal, NeuronClassifier, Selectivity

_MOST_CLASSES = 24
_RELATIVES = 4
_LEAST_Q = 1e-300


@dataclass(frozen=True)
class ClassRow:
    """A class on the page of a unit: how often the unit fires for it, and what that proves."""

    name: str
    fired: int
    pictures: int
    rate: float
    side: str
    bound: str
    q: str


@dataclass(frozen=True)
class Tile:
    """A smallest picture: its address, the class of the picture, and what is to be said of it."""

    address: str
    name: str
    words: str
    caption: str


@dataclass(frozen=True)
class Relative:
    """Another unit, and how its bit goes with this one's: the phi coefficient, as text."""

    index: int
    name: str
    correlation: str


@dataclass(frozen=True)
class UnitPage:
    """Everything about a unit."""

    row: UnitRow
    null: str
    classes: tuple[ClassRow, ...]
    left_out: int
    positive: tuple[Tile, ...] = ()
    negative: tuple[Tile, ...] = ()
    alike: tuple[Relative, ...] = ()
    opposite: tuple[Relative, ...] = ()
    classifier: str = ""
    blank: str = ""


def unit_page(
    made: "Explanation",
    row: UnitRow,
    column: "Column | None" = None,
    correlation: "NDArray[np.float64] | None" = None,
    classifier: "NeuronClassifier | None" = None,
) -> UnitPage:
    """The page of a unit.

    Args:
        made: what is known of the layer.
        row: the unit's.
        column: its smallest pictures.
        correlation: phi of this unit with every unit, float64 (U,).
        classifier: made of this unit.
    """
    found, unit = made.found, row.index
    classes = _classes(found, unit)
    like, unlike = _relatives(found, unit, correlation) if correlation is not None else ((), ())
    return UnitPage(
        row=row,
        null=signed(found.information_null[unit], 3),
        classes=classes,
        left_out=len(found.firing.classes) - len(classes),
        positive=_tiles(column.positive, column.labels, found) if column else (),
        negative=_tiles(column.negative, column.labels[len(column.positive) :], found) if column else (),
        blank=_blank(column) if column else "",
        alike=like,
        opposite=unlike,
        classifier=_classifier(classifier, found.firing.classes) if classifier else "",
    )


def _classes(found: "Selectivity", unit: int) -> tuple[ClassRow, ...]:
    """Classes by how often the unit fires; of very many those at both ends."""
    sides = {each.index: ("positive", each) for each in found.positives(unit)}
    sides |= {each.index: ("negative", each) for each in found.negatives(unit)}
    rates = found.firing.rates[:, unit]
    there = np.flatnonzero(found.firing.sizes)
    order = there[np.argsort(-rates[there], kind="stable")]
    if len(order) > _MOST_CLASSES:
        order = np.concatenate([order[: _MOST_CLASSES // 2], order[-_MOST_CLASSES // 2 :]])
    return tuple(_class_row(found, unit, int(index), sides) for index in order)


def _class_row(found: "Selectivity", unit: int, index: int, sides: "dict[int, tuple[str, ClassEvidence]]") -> ClassRow:
    firing = found.firing
    side, evidence = sides.get(index, ("", None))
    sign = "≥" if side == "positive" else "≤"
    return ClassRow(
        name=firing.classes[index],
        fired=int(firing.counts[index, unit]),
        pictures=int(firing.sizes[index]),
        rate=100 * float(firing.rates[index, unit]),
        side=side,
        bound=f"{sign} {100 * evidence.bound:.1f}" if evidence else "",
        q=_written(evidence.q) if evidence else "",
    )


def _written(q: float) -> str:
    """A q-value; what is too small for a number of 64 bits is not 0."""
    return f"{q:.1g}" if q >= _LEAST_Q else f"< {_LEAST_Q:g}"


def _tiles(found: Sequence["Minimal"], labels: Sequence[int], of: "Selectivity") -> tuple[Tile, ...]:
    """Tiles of those pictures of which a part is enough."""
    paired = zip(found, labels, strict=False)
    return tuple(_tile(each, of.firing.classes[label]) for each, label in paired if not each.blank)


def _blank(column: "Column") -> str:
    """What the unit does on a blank picture, where that takes the place of smallest pictures; else ""."""
    found = [each for each in (*column.positive, *column.negative) if each.blank]
    if not found:
        return ""
    said = " and ".join(sorted({"fires" if each.fires else "stays off" for each in found}))
    return f"It {said} on a blank picture, so that {len(found)} pictures have no smallest part."


def _tile(found: "Minimal", name: str) -> Tile:
    from firebit.explain.drawing import tile

    does = "fires" if found.fires else "stays off"
    share = f"{100 * found.share:.0f} %"
    return Tile(data_address(tile(found).transpose(2, 0, 1)), name, f"{name}: {does} with {share} left", share)


def _relatives(
    found: "Selectivity", unit: int, correlation: "NDArray[np.float64]"
) -> tuple[tuple[Relative, ...], tuple[Relative, ...]]:
    """The units that go with this one most, and those that go against it most."""
    others = np.flatnonzero(np.arange(len(correlation)) != unit)
    order = others[np.argsort(-correlation[others], kind="stable")]
    like = [int(other) for other in order[:_RELATIVES] if correlation[other] > 0]
    unlike = [int(other) for other in order[::-1][:_RELATIVES] if correlation[other] < 0]

    def shown(units: list[int]) -> tuple[Relative, ...]:
        return tuple(Relative(u, found.firing.unit_name(u), signed(float(correlation[u]), 2)) for u in units)

    return shown(like), shown(unlike)


def _classifier(found: "NeuronClassifier", classes: Sequence[str]) -> str:
    """What the unit alone can tell apart, in a sentence."""
    sides = [", ".join(classes[index] for index in side[:4]) for side in (found.positive, found.negative)]
    more = [f" and {len(side) - 4} more" if len(side) > 4 else "" for side in (found.positive, found.negative)]
    return (
        f"This bit alone tells {sides[0]}{more[0]} from {sides[1]}{more[1]}: {100 * found.accuracy:.1f} % of "
        f"{found.pictures:,} pictures it was not chosen on (at least {100 * found.bound:.1f} % with 95 % confidence); "
        f"always saying the larger side has {100 * found.baseline:.1f} %. These are {100 * found.covered:.0f} % of all "
        "classes."
    )
