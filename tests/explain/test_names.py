"""Names: of planted units, by hand, and none where there is none."""

from collections.abc import Callable
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from firebit.errors import UsageError
from firebit.explain import Firing, Hierarchy, firing, load_hierarchy, names, selectivity

COLOURS = ("red", "green", "blue", "yellow")


def test_planted_units_get_the_names_of_their_colours(planted: Callable[..., Any], tmp_path: Path) -> None:
    world = planted(each=20)
    lines = [f"{colour} = {[f'{colour}-{index}' for index in range(6)]}" for colour in COLOURS]
    path = tmp_path / "colours.toml"
    path.write_text("\n".join(["[concepts]", *lines, 'warm = ["red", "yellow"]', 'cold = ["green", "blue"]']), "utf-8")
    found = selectivity(firing(world.network, world.images, world.labels, world.classes))
    named = names(found, load_hierarchy(path, world.classes))
    for unit, colour in enumerate(COLOURS):
        first = named[unit][0]
        assert (first.concept, first.side, first.precision, first.recall) == (colour, "positive", 1, 1)
        assert first.q < 1e-4
    # Fires where red is not: nothing but "not red" is common to 18 of 24 classes.
    assert [(name.concept, name.side) for name in named[4] if name.side == "negative"] == [("red", "negative")]


def test_q_values_by_hand(matrix: Callable[..., Firing]) -> None:
    counts = np.array([[40]] * 5 + [[0]] * 5)
    found = selectivity(matrix(counts, [40] * 10))
    hierarchy = Hierarchy("here", {"first": frozenset(range(5)), "even": frozenset({0, 2, 4, 6, 8})})
    # Sides × concepts: all five of five, three of five, none, two of five.
    of_five = [sum(comb(5, k) * comb(5, 5 - k) for k in range(least, 6)) / comb(10, 5) for least in (5, 3, 0, 2)]
    q = false_discovery_control(np.array(of_five))
    (named,) = names(found, hierarchy)
    assert [(name.concept, name.side) for name in named] == [("first", "positive")]
    assert named[0].q == pytest.approx(q[0])
    assert named[0].score == 1


def test_units_without_anything_in_common_have_no_name(matrix: Callable[..., Firing]) -> None:
    counts = np.array([[40], [0]] * 5)
    found = selectivity(matrix(counts, [40] * 10))
    assert found.positive.sum() == 5
    assert names(found, Hierarchy("here", {"first": frozenset(range(5))})) == ((),)


def test_the_name_is_the_most_specific_that_covers(matrix: Callable[..., Firing]) -> None:
    counts = np.array([[40]] * 6 + [[0]] * 18)
    found = selectivity(matrix(counts, [40] * 24))
    members = {"dog": range(6), "hound": range(3), "animal": range(12), "entity": range(24), "hunting dog": range(6)}
    hierarchy = Hierarchy("here", {name: frozenset(each) for name, each in members.items()})
    (named,) = names(found, hierarchy)
    assert named[0].concept == "dog"


def test_without_concepts_nothing_is_named(matrix: Callable[..., Firing]) -> None:
    found = selectivity(matrix([[40], [0]], [40, 40]))
    assert names(found, Hierarchy("here", {})) == ((),)
    with pytest.raises(UsageError, match="level=2"):
        names(found, Hierarchy("here", {}), level=2)
