"""Shuffled labels: on a network with something to find, on labels with nothing to find, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import firebit as fb
from firebit.errors import UsageError
from firebit.explain import firing, permutation_null, selectivity


def test_shuffling_the_labels_of_a_network_that_knows_them_leaves_nothing(planted: Callable[..., Any]) -> None:
    world = planted(each=20)
    found = selectivity(firing(world.network, world.images, world.labels, world.classes))
    null = permutation_null(world.network, world.images, world.labels, found, 20)
    assert found.positive.sum() == 4 * 6 + 18
    assert null.permutations == 20
    assert null.most <= 0.2
    assert null.units <= 0.05


def test_with_shuffled_labels_at_most_one_unit_in_twenty_has_a_positive_class() -> None:
    digits, network = fb.data.load("digits", "test"), fb.load("mnist-lenet", threads=1)
    labels = np.random.default_rng(0).permutation(digits.labels)
    found = selectivity(firing(network, digits.images, labels, digits.classes), share=0.6)
    assert found.positive.any(0).mean() <= 0.05
    null = permutation_null(network, digits.images, labels, found, 3)
    assert null.units <= 0.05


def test_shuffles_follow_from_the_seed() -> None:
    digits, network = fb.data.load("digits", "test").subset(np.arange(0, 2000, 10)), fb.load("mnist-lenet", threads=1)
    # So lenient that chance finds something.
    found = selectivity(firing(network, digits.images, digits.labels), 0.51, level=0.99)
    one, same, other = (permutation_null(network, digits.images, digits.labels, found, 5, seed) for seed in (0, 0, 1))
    assert one == same
    assert one.found > 0
    assert one != other


def test_other_pictures_are_refused(planted: Callable[..., Any]) -> None:
    world = planted(each=3)
    found = selectivity(firing(world.network, world.images, world.labels, world.classes))
    with pytest.raises(UsageError, match="not the pictures that were counted"):
        permutation_null(world.network, world.images[::-1], world.labels, found)
    with pytest.raises(UsageError, match="permutations=0"):
        permutation_null(world.network, world.images, world.labels, found, 0)
