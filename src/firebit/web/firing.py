"""What a report finds out about the units of a layer, before any of it is written down."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from firebit.errors import DataError, UsageError
from firebit.extras import MissingExtraError
from firebit.web.unit import UnitPage, unit_page
from firebit.web.units import Units, units

if TYPE_CHECKING:
    from firebit.data import ImageSet
    from firebit.engine.network import Network
    from firebit.explain import Column, Explanation, Hierarchy

_MOST_UNITS_APART = 4_096
_PERMUTATIONS = 20
_SHUFFLED_CELLS = 4_000_000

Told = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What a report shows of the units.

    Attributes:
        layer: name of a hidden layer; None: the last.
        share: of a class's pictures for which a unit must fire (or stay off) for the class to be positive (negative).
        smallest: units that get smallest pictures, ≥ 0.
        hierarchy: of concepts over the classes, to name units by.
        permutations: shuffles of labels, to see what chance finds, ≥ 0; None: 20, and fewer for very large matrices.
        seed: of what is drawn at random.

    Raises:
        UsageError: a number is out of range.
    """

    layer: str | None = None
    share: float = 0.9
    smallest: int = 64
    hierarchy: "Hierarchy | None" = None
    permutations: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 < self.share <= 1:
            raise UsageError(f"share={self.share} is no large share.", "Give a number above 0.5, up to 1.")
        if min(self.smallest, self.permutations or 0, self.seed) < 0:
            raise UsageError(
                f"smallest={self.smallest}, permutations={self.permutations}, seed={self.seed}: one is below 0.",
                "Give numbers from 0.",
            )


@dataclass(frozen=True)
class Section:
    """The units of a layer, and a page for each in its table, the most telling first; or why there is nothing."""

    units: Units | None = None
    pages: tuple[UnitPage, ...] = ()
    why_not: str = ""

    @property
    def named(self) -> bool:
        """Whether units could have names."""
        return self.units is not None and self.units.named


def section(network: "Network", pictures: "ImageSet", options: Options, told: Told) -> Section:
    """Look at the units of a layer with labelled pictures.

    Raises:
        UsageError: there is no such layer.
    """
    try:
        told("the firing matrix")
        made = _explained(network, pictures, options)
        told("smallest pictures")
        smallest = _smallest(network, pictures, made, options)
    except (MissingExtraError, DataError) as error:
        return Section(why_not=f"{error.problem} {error.remedy}")
    shown = units(made, pictures.name)
    firing = made.found.firing
    correlation = firing.correlation() if firing.together is not None else None
    classifiers = {each.unit: each for each in made.classifiers}
    pages = (
        unit_page(
            made,
            row,
            smallest.get(row.index),
            None if correlation is None else correlation[row.index],
            classifiers.get(row.index),
        )
        for row in shown.rows
    )
    return Section(shown, tuple(pages))


def _explained(network: "Network", pictures: "ImageSet", options: Options) -> "Explanation":
    from firebit.explain import explain

    units = network.units(options.layer)
    apart = prod(units) <= _MOST_UNITS_APART
    permutations = options.permutations
    if permutations is None:
        cells = len(pictures.classes) * (prod(units) if apart else units[0])
        permutations = max(1, min(_PERMUTATIONS, _SHUFFLED_CELLS // cells))
    return explain(
        network,
        pictures.images,
        pictures.labels,
        pictures.classes,
        layer=options.layer,
        by="unit" if apart else "channel",
        share=options.share,
        hierarchy=options.hierarchy,
        permutations=permutations,
        seed=options.seed,
    )


def _smallest(network: "Network", pictures: "ImageSet", made: "Explanation", options: Options) -> "dict[int, Column]":
    """Columns of figure 6 of the most telling units, by unit; none of channels, which have no bit of their own."""
    from firebit.explain import columns

    if made.found.firing.by != "unit" or len(network.input_shape) != 3:
        return {}
    chosen = [int(unit) for unit in made.found.ranked()[: options.smallest]]
    found = columns(network, pictures.images, pictures.labels, made.found, chosen, seed=options.seed) if chosen else ()
    return {column.unit: column for column in found}
