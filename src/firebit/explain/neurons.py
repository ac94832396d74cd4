"""Classifiers made of one neuron (§4.3): weight 1 for positive classes, −1 for negative, 0 for the rest, bias ½."""

from dataclasses import dataclass

import numpy as np

from firebit.explain.firing import Firing, check_alike
from firebit.explain.selectivity import Selectivity, bounds

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class NeuronClassifier:
    """One unit as a classifier of its positive against its negative classes.

    With the bit b, the score of a class is w · (b − ½): of a positive class (w = 1) it is ½ where the unit fires and
    −½ where not, of a negative class (w = −1) the other way round, of the rest (w = 0) it is 0. The paper adds the
    bias ½ without saying with which sign; only this one tells the two sides apart where the unit does not fire.

    Attributes:
        unit: index.
        positive: indices of the classes of weight 1.
        negative: indices of the classes of weight −1.
        correct: held-out pictures of these classes on the right side.
        pictures: held-out pictures of these classes.
        majority: how many of them the larger side has: right answers of always saying that side.
        covered: share of all classes with pictures that are on a side, 0 … 1.
        bound: one-sided 95 % Clopper–Pearson lower bound of the accuracy.
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
        return self.correct / self.pictures

    @property
    def baseline(self) -> float:
        """Accuracy of always saying the larger side, 0 … 1."""
        return self.majority / self.pictures


def neuron_classifiers(chosen: Selectivity, held_out: Firing) -> tuple[NeuronClassifier, ...]:
    """Every unit that has positive and negative classes, as a classifier, measured on other pictures.

    Args:
        chosen: classes of one half of the pictures.
        held_out: counts of the other half.

    Returns:
        Those that cover most classes first, among equals the most accurate; only such as have held-out pictures of
        both sides.

    Raises:
        UsageError: the two are of different networks, layers or classes.
    """
    check_alike(chosen.firing, held_out)
    units = np.flatnonzero(chosen.positive.any(0) & chosen.negative.any(0))
    made = (_classifier(chosen, held_out, int(unit)) for unit in units)
    return tuple(sorted((each for each in made if each), key=lambda each: (-each.covered, -each.accuracy, each.unit)))


def _classifier(chosen: Selectivity, held_out: Firing, unit: int) -> NeuronClassifier | None:
    positive, negative = np.flatnonzero(chosen.positive[:, unit]), np.flatnonzero(chosen.negative[:, unit])
    sizes, fired = held_out.sizes, held_out.counts[:, unit]
    groups = int(sizes[positive].sum()), int(sizes[negative].sum())
    if not all(groups):
        return None
    correct = int(fired[positive].sum() + (sizes - fired)[negative].sum())
    lower, _ = bounds(np.array([correct]), np.array([sum(groups)]), _CONFIDENCE)
    covered = (len(positive) + len(negative)) / int((chosen.firing.sizes > 0).sum())
    sides = tuple(positive.tolist()), tuple(negative.tolist())
    return NeuronClassifier(unit, *sides, correct, sum(groups), max(groups), covered, float(lower[0]))
