"""Everything about a layer at once: what `firebit explain` prints, and what the report shows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.data.image_set import held_out
from firebit.engine.pixels import Pictures, pictures
from firebit.errors import DataError
from firebit.explain.firing import Firing, checked_labels, class_names, firing
from firebit.explain.hierarchy import Hierarchy
from firebit.explain.layer import Reader
from firebit.explain.names import Name, names
from firebit.explain.neurons import NeuronClassifier, neuron_classifiers
from firebit.explain.permutation import Null, permutation_null
from firebit.explain.selectivity import ClassEvidence, Selectivity, selectivity

if TYPE_CHECKING:
    from firebit.engine.network import Network
    from firebit.engine.pixels import Images

MOST_PAIRED = 4096
"""Units up to which pairs are counted too."""

_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Explanation:
    """What is known of the units of a layer.

    Attributes:
        found: positive and negative classes, and the firing matrix (``found.firing``), over all pictures.
        null: what the same rules find in shuffled labels; None where it was not asked for.
        classifiers: single-neuron classifiers: classes from one half of the pictures, measured on the other.
        hierarchy: where names come from; "" for nowhere.
        names: of every unit, at most one per side.
    """

    found: Selectivity
    null: Null | None
    classifiers: tuple[NeuronClassifier, ...]
    hierarchy: str
    names: tuple[tuple[Name, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values."""
        found, matrix = self.found, self.found.firing
        return {
            "fingerprint": matrix.fingerprint,
            "layer": matrix.layer,
            "by": matrix.by,
            "pictures": matrix.pictures,
            "share": found.share,
            "level": found.level,
            "confidence": found.confidence,
            "classes": [
                {"class": name, "pictures": size}
                for name, size in zip(matrix.classes, matrix.sizes.tolist(), strict=True)
            ],
            "null": None if self.null is None else asdict(self.null),
            "hierarchy": self.hierarchy,
            "units": [self._unit(unit) for unit in range(matrix.units)],
            "classifiers": [self._classifier(each) for each in self.classifiers],
        }

    def _unit(self, unit: int) -> dict[str, Any]:
        found, matrix = self.found, self.found.firing
        return {
            "unit": unit,
            "place": matrix.unit_name(unit),
            "fired": int(matrix.totals[unit]),
            "rate": float(matrix.base[unit]),
            "counts": matrix.counts[:, unit].tolist(),
            "information": float(found.information[unit]),
            "information_null": float(found.information_null[unit]),
            "flag": found.flags[unit],
            "positive": [_evidence(each) for each in found.positives(unit)],
            "negative": [_evidence(each) for each in found.negatives(unit)],
            "names": [asdict(name) for name in self.names[unit]],
        }

    def _classifier(self, each: NeuronClassifier) -> dict[str, Any]:
        classes = self.found.firing.classes
        sides = {side: [classes[index] for index in getattr(each, side)] for side in ("positive", "negative")}
        return {**asdict(each), **sides, "accuracy": each.accuracy, "baseline": each.baseline}


def _evidence(each: ClassEvidence) -> dict[str, Any]:
    return {"class": each.name, **{key: value for key, value in asdict(each).items() if key != "name"}}


def explain(
    network: "Network",
    images: "Images",
    labels: ArrayLike,
    classes: Sequence[str] = (),
    *,
    layer: str | None = None,
    by: str = "unit",
    share: float = 1.0,
    level: float = 0.05,
    hierarchy: Hierarchy | None = None,
    permutations: int = 0,
    seed: int = 0,
) -> Explanation:
    """Explain the units of a layer by the classes that fire them.

    Args:
        network: a compiled network.
        images: pictures.
        labels: int (N,): the class of each.
        classes: names; see :func:`firing`, as for `layer` and `by`. Pairs of units are counted too where there are at
            most 4,096.
        layer: a name of ``network.layers``; None: the last.
        by: what a unit of a convolution layer is.
        share: of a class's pictures for which a unit must fire; see :func:`selectivity`.
        level: false discovery rate of classes and of names, above 0 and below 1.
        hierarchy: concepts to name units by; None: units have no names.
        permutations: shuffles of labels; see :func:`permutation_null`. 0: none.
        seed: of halves and shuffles, ≥ 0.

    Raises:
        UsageError: arguments do not fit each other, or are out of range.
        DataError: fewer than two classes have pictures, or no class has two.
    """
    reader = Reader(network, layer, by)
    given = pictures(images, network.input_shape)
    names_ = class_names(network, labels, classes)
    indices = checked_labels(labels, len(given), names_)
    later = held_out(indices, 0.5, seed)
    if not later.any():
        raise DataError("No class has two pictures: none can be held out.", "Give more pictures of each class.")
    paired = reader.units <= MOST_PAIRED
    parts = (np.flatnonzero(~later), np.flatnonzero(later))
    chosen, other = (_counted(network, given, indices, part, names_, reader, paired) for part in parts)
    found = selectivity(chosen + other, share, level)
    return Explanation(
        found=found,
        null=permutation_null(network, images, indices, found, permutations, seed) if permutations else None,
        classifiers=neuron_classifiers(selectivity(chosen, share, level), other),
        hierarchy="" if hierarchy is None else hierarchy.source,
        names=((),) * reader.units if hierarchy is None else names(found, hierarchy, level),
    )


def _counted(
    network: "Network",
    given: Pictures,
    labels: NDArray[np.int64],
    part: NDArray[np.int64],
    classes: Sequence[str],
    reader: Reader,
    paired: bool,
) -> Firing:
    """The matrix of some of the pictures, which are taken block by block: a copy of them all may be large."""
    blocks = (part[at : at + _BLOCK] for at in range(0, len(part), _BLOCK))
    counted = (
        firing(network, _some(given, block), labels[block], classes, layer=reader.layer, by=reader.by, together=paired)
        for block in blocks
    )
    return reduce(add, counted)


def _some(given: Pictures, block: NDArray[np.int64]) -> Any:
    items = given.items
    return items[block] if isinstance(items, np.ndarray) else [items[index] for index in block]
