"""Single-neuron classifiers, computed by hand and picture by picture."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from firebit.errors import UsageError
from firebit.explain import Firing, firing, neuron_classifiers, selectivity
from firebit.explain.selectivity import bounds

Matrix = Callable[..., Firing]


def test_accuracy_majority_and_coverage_by_hand(matrix: Matrix) -> None:
    # Class 0 positive, 1 and 2 negative, 3 neither; 4 has no pictures.
    chosen = selectivity(matrix([[40], [0], [0], [20], [0]], [40, 40, 40, 40, 0]))
    (found,) = neuron_classifiers(chosen, matrix([[36], [3], [1], [25], [0]], [40, 40, 30, 40, 0]))
    assert (found.positive, found.negative) == ((0,), (1, 2))
    assert (found.correct, found.pictures, found.majority) == (36 + 37 + 29, 110, 70)
    assert found.accuracy == 102 / 110
    assert found.baseline == 70 / 110
    assert found.covered == 3 / 4
    assert found.bound == float(bounds(np.array(102), np.array(110), 0.95)[0])


def test_it_is_the_papers_construction(planted: Callable[..., Any]) -> None:
    world, later = planted(each=20), planted(each=5, seed=1)
    chosen = selectivity(firing(world.network, world.images, world.labels, world.classes))
    found = neuron_classifiers(chosen, firing(world.network, later.images, later.labels, world.classes))
    assert len(found) == 5
    bits = world.network.bits(later.images)
    for each in found:
        weights = np.zeros(24)
        weights[list(each.positive)], weights[list(each.negative)] = 1, -1
        asked = weights[later.labels] != 0
        # Scores of all classes; on the right side if the true class has the largest there is.
        scores = weights * (bits[asked, each.unit, None] - 0.5)
        right = scores[np.arange(asked.sum()), later.labels[asked]] == scores.max(1)
        assert (each.correct, each.pictures) == (right.sum(), asked.sum())


def test_units_with_one_side_are_no_classifiers(matrix: Matrix) -> None:
    chosen = selectivity(matrix([[40], [5], [5]], [40, 40, 40]))
    assert chosen.positive.any()
    assert neuron_classifiers(chosen, matrix([[4], [1], [1]], [4, 4, 4])) == ()


def test_without_held_out_pictures_of_a_side_there_is_none(matrix: Matrix) -> None:
    chosen = selectivity(matrix([[40], [0]], [40, 40]))
    assert neuron_classifiers(chosen, matrix([[4], [0]], [4, 0])) == ()


def test_halves_of_different_networks(matrix: Matrix) -> None:
    chosen = selectivity(matrix([[40], [0]], [40, 40]))
    with pytest.raises(UsageError, match="different classes"):
        neuron_classifiers(chosen, matrix([[4], [0]], [4, 4], ("a", "b")))
