"""Names for units: concepts of a hierarchy that are over-represented among the positive (or negative) classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from firebit.explain.selectivity import Selectivity


@dataclass(frozen=True)
class Hierarchy:
    """Concepts above classes.

    Attributes:
        source: where it comes from, such as "WordNet 3.0" or the name of a file.
        members: indices of the classes below every concept, by its name.
    """

    source: str
    members: Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class Name:
    """What the classes of one side of a unit have in common.

    Attributes:
        concept: its name.
        side: "positive" or "negative".
        precision: share of the side's classes that are below the concept, 0 … 1.
        recall: share of the classes below the concept that are on this side, 0 … 1.
        q: Benjamini–Hochberg q-value over all concepts, sides and units.
    """

    concept: str
    side: str
    precision: float
    recall: float
    q: float


def wordnet(classes: Sequence[str]) -> Hierarchy:
    """WordNet 3.0 above the classes of ImageNet.

    Args:
        classes: wnids ("n01440764"), or names as ImageNet has them ("tench").

    Raises:
        UsageError: they are not classes of ImageNet.
    """
    raise NotImplementedError


def load_hierarchy(path: str | Path, classes: Sequence[str]) -> Hierarchy:
    """A hierarchy of the user's own: a TOML file with a table ``[concepts]`` of lists of classes and other concepts.

    Example:
        [concepts]
        animal = ["bird", "cat", "dog"]
        vehicle = ["airplane", "ship"]
        thing = ["animal", "vehicle"]

    Raises:
        DataError: the file is missing, no TOML, or names what is neither class nor concept, or goes in a circle.
    """
    raise NotImplementedError


def names(found: Selectivity, hierarchy: Hierarchy, level: float = 0.05) -> tuple[tuple[Name, ...], ...]:
    """The name of every unit: at most one per side, none where nothing passes.

    Args:
        found: positive and negative classes.
        hierarchy: of the same classes.
        level: false discovery rate, above 0 and below 1.
    """
    raise NotImplementedError
