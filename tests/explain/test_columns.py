"""Columns of figure 6: which pictures they show."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from firebit.errors import UsageError
from firebit.explain import Selectivity, columns, firing, is_minimal, selectivity


def found(world: Any) -> Selectivity:
    return selectivity(firing(world.network, world.images, world.labels, world.classes))


def test_a_picture_of_each_class_of_a_side(planted: Callable[..., Any]) -> None:
    world = planted(each=20)
    made = columns(world.network, world.images, world.labels, found(world), [1, 4], count=6)
    assert [column.unit for column in made] == [1, 4]
    for column, positive in zip(made, ({6, 7, 8, 9, 10, 11}, set(range(6, 24))), strict=True):
        assert len(column.positive) == len(column.negative) == 6
        assert len(set(column.labels[:6])) == len(set(column.labels[6:])) == 6
        assert set(column.labels[:6]) <= positive
        assert not set(column.labels[6:]) & positive
        assert world.labels[list(column.pictures)].tolist() == list(column.labels)
        for small, index in zip((*column.positive, *column.negative), column.pictures, strict=True):
            assert (small.picture == world.images[index]).all()
            assert is_minimal(world.network, small)
        assert all(small.fires for small in column.positive)
        assert not any(small.fires for small in column.negative)


def test_few_classes_take_turns_and_give_pictures_that_fit(planted: Callable[..., Any]) -> None:
    world = planted(each=20)
    # Unit 0 fires for three quarters of one class, for a third of the next.
    rng = np.random.default_rng(0)
    labels = (world.labels >= 6).astype(np.int64)
    swapped = rng.random(len(labels)) < 0.02
    labels[swapped] = 1 - labels[swapped]
    chosen = selectivity(firing(world.network, world.images, labels, ("red", "other")), share=0.8)
    (column,) = columns(world.network, world.images, labels, chosen, [0], count=5)
    assert column.labels == (0,) * 5 + (1,) * 5
    assert len(set(column.pictures)) == 10
    assert (world.labels[list(column.pictures[:5])] < 6).all()
    assert (world.labels[list(column.pictures[5:])] >= 6).all()


def test_a_side_without_classes_is_empty(planted: Callable[..., Any]) -> None:
    world = planted(each=7)
    chosen = found(world)
    assert not chosen.negative[:, 0].any()
    (column,) = columns(world.network, world.images, world.labels, chosen, [0], count=2)
    assert len(column.positive) == 2
    assert column.negative == ()


def test_a_unit_named_twice_has_one_column(planted: Callable[..., Any]) -> None:
    world = planted(each=7)
    (column,) = columns(world.network, world.images, world.labels, found(world), [0, 0], count=2)
    assert len(column.positive) == 2


def test_the_draw_follows_from_the_seed(planted: Callable[..., Any]) -> None:
    world = planted(each=20)
    chosen = found(world)
    one, same, other = (
        columns(world.network, world.images, world.labels, chosen, [0], seed=seed)[0].pictures for seed in (0, 0, 1)
    )
    assert one == same != other


@pytest.mark.parametrize(
    ("units", "more", "problem"),
    [([9], {}, "not all among"), ([0], {"count": 0}, "count=0"), ([0], {"seed": -1}, "seed=-1")],
)
def test_what_there_is_not(planted: Callable[..., Any], units: list[int], more: dict[str, int], problem: str) -> None:
    world = planted(each=3)
    with pytest.raises(UsageError, match=problem):
        columns(world.network, world.images, world.labels, found(world), units, **more)
