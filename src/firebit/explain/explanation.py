"""Everything about a layer at once: what `firebit explain` prints, and what the report shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from firebit.explain.minimal import Minimal
from firebit.explain.names import Hierarchy, Name
from firebit.explain.neurons import NeuronClassifier
from firebit.explain.permutation import Null
from firebit.explain.selectivity import Selectivity

if TYPE_CHECKING:
    import numpy as np

    from firebit.engine.network import Network


@dataclass(frozen=True, eq=False)
class Explanation:
    """What is known of the units of a layer.

    Attributes:
        found: positive and negative classes, and the firing matrix (``found.firing``), over all pictures.
        null: what the same rules find in shuffled labels.
        classifiers: single-neuron classifiers, classes from one half of the pictures, measured on the other.
        hierarchy: where names come from; "" for nowhere.
        names: of every unit, at most one per side.
    """

    found: Selectivity
    null: Null
    classifiers: tuple[NeuronClassifier, ...]
    hierarchy: str
    names: tuple[tuple[Name, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values, the firing matrix as counts."""
        raise NotImplementedError


def explain(
    network: "Network",
    images: "NDArray[np.uint8]",
    labels: ArrayLike,
    classes: Sequence[str] = (),
    *,
    layer: str | None = None,
    by: str = "unit",
    share: float = 1.0,
    level: float = 0.05,
    hierarchy: Hierarchy | None = None,
    permutations: int = 100,
    seed: int = 0,
) -> Explanation:
    """Explain a layer: arguments as of :func:`firing`, :func:`selectivity`, :func:`names` and :func:`permutation_null`.

    Pairs of units are counted too where there are at most 4,096.
    """
    raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Column:
    """Smallest pictures of one unit (a column of figure 6).

    Attributes:
        unit: index.
        positive: one picture per positive class, those with the highest bound first; of classes that fire most often
            where there are too few positive ones.
        negative: likewise.
        labels: the classes of `positive`, then of `negative`.
    """

    unit: int
    positive: tuple[Minimal, ...]
    negative: tuple[Minimal, ...]
    labels: tuple[int, ...]


def columns(
    network: "Network",
    images: "NDArray[np.uint8]",
    labels: ArrayLike,
    found: Selectivity,
    units: Sequence[int],
    *,
    count: int = 6,
    mode: str = "fast",
    method: str = "auto",
    fill: str = "mean",
    seed: int = 0,
) -> tuple[Column, ...]:
    """Columns of figure 6: for every unit a random picture of each of `count` positive and `count` negative classes.

    Args:
        network: whose units they are; `found` is of one of its layers.
        images: uint8 (N, C, H, W) of the network's size.
        labels: their classes, int (N,).
        found: which classes are positive and negative.
        units: indices.
        count: classes on each side, ≥ 1.
        mode: see :func:`firebit.explain.minimal.minimal`, as `method` and `fill`.
        seed: of the choice of pictures, among those of the class for which the unit fires (or does not).
    """
    raise NotImplementedError
