"""Classifiers made of one neuron (§4.3): weight 1 for positive classes, −1 for negative ones, 0 for the rest, bias ½."""

from dataclasses import dataclass

from firebit.explain.firing import Firing
from firebit.explain.selectivity import Selectivity


@dataclass(frozen=True)
class NeuronClassifier:
    """One unit as a classifier of its positive against its negative classes.

    With the bit b, the score of a class is w · (b − ½): that of a positive class is ½ where the unit fires and −½
    where not, of a negative class the other way round, of the rest 0.

    Attributes:
        unit: index.
        positive: indices of the classes of weight 1.
        negative: indices of the classes of weight −1.
        correct: held-out pictures of these classes on the right side.
        pictures: held-out pictures of these classes.
        majority: how many the larger side has: right answers of always saying that side.
        covered: share of all classes that are on a side, 0 … 1.
        bound: one-sided 95 % lower bound of the accuracy.
    """

    unit: int
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    correct: int
    pictures: int
    majority: int
    covered: float
    bound: float

    @property
    def accuracy(self) -> float:
        """Share of held-out pictures on the right side, 0 … 1."""
        raise NotImplementedError

    @property
    def baseline(self) -> float:
        """Accuracy of always saying the larger side, 0 … 1."""
        raise NotImplementedError


def neuron_classifiers(chosen: Selectivity, held_out: Firing) -> tuple[NeuronClassifier, ...]:
    """Every unit that has positive and negative classes, as a classifier, measured on other pictures.

    Args:
        chosen: classes of one half of the pictures.
        held_out: counts of the other half.

    Returns:
        The most accurate above its baseline first.

    Raises:
        UsageError: the two are of different networks, layers or classes.
    """
    raise NotImplementedError
