"""Drawings: what is where on tiles, orders that put alike together, and what figures say."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest

from firebit.explain import Firing, Minimal, columns, firing, selectivity
from firebit.explain.drawing import FIRES, STAYS_OFF, clustered, matrix_figure, panel_figure, tile, unit_figure


def small(kept: list[bool], channels: int = 3) -> Minimal:
    """A picture of 4 × 4, all 50, cut into quarters."""
    quarters = np.kron(np.arange(4).reshape(2, 2), np.ones((2, 2), np.int64))
    picture = np.full((channels, 4, 4), 50, np.uint8)
    return Minimal(picture, quarters, np.array(kept), "mean", "fc", "unit", 0, True, not any(kept), 0, 9)


def test_what_is_kept_is_seen_and_what_is_gone_is_grey() -> None:
    found = tile(small([False, False, True, False]), 64)
    assert found.shape == (64, 64, 3)
    assert (found[32:, :32] == 50).all()
    assert (found[32:, 32:] == 232).all()
    # The thumbnail, white around it.
    assert (found[1:18, 1:18] == 50).all()
    assert (found[0, :19] == 255).all()


@pytest.mark.parametrize(
    ("kept", "corner"),
    [
        ([False] * 4, (slice(1, 18), slice(1, 18))),
        ([True, False, False, False], (slice(1, 18), slice(-18, -1))),
        ([True, True, False, False], (slice(-18, -1), slice(1, 18))),
        ([True, True, True, False], (slice(-18, -1), slice(-18, -1))),
    ],
)
def test_the_thumbnail_hides_as_little_as_it_can(kept: list[bool], corner: Any) -> None:
    found = tile(small(kept), 64)
    assert (found[corner] == 50).all()
    assert (found == 255).any()


def test_grey_pictures_have_tiles_too() -> None:
    assert (tile(small([False, False, True, False], 1)) == tile(small([False, False, True, False]))).all()


def test_alike_classes_and_units_stand_side_by_side(matrix: Callable[..., Firing]) -> None:
    rng = np.random.default_rng(0)
    kinds, sides = rng.permutation([0, 1] * 6), rng.permutation([0, 1] * 10)
    counts = np.where(kinds[:, None] == sides, 90, 10) + rng.integers(-5, 6, (12, 20))
    firing = matrix(np.concatenate([counts, np.zeros((1, 20), int)]), [100] * 12 + [0])
    classes, units = clustered(firing)
    assert sorted(classes.tolist()) == list(range(13))
    assert sorted(units.tolist()) == list(range(20))
    assert classes[-1] == 12
    assert (np.diff(kinds[classes[:-1]]) != 0).sum() == 1
    assert (np.diff(sides[units]) != 0).sum() == 1


def svg(figure: Any) -> str:
    import matplotlib as mpl

    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(text, format="svg")
    return text.getvalue()


def test_figures_name_classes_and_units(planted: Callable[..., Any]) -> None:
    world = planted(each=20)
    found = selectivity(firing(world.network, world.images, world.labels, world.classes))
    drawn = svg(matrix_figure(found.firing))
    assert all(f">{name}<" in drawn for name in world.classes)
    bars = svg(unit_figure(found, 2, "blue things"))
    assert ">blue things<" in bars
    assert bars.count(FIRES) == 6
    assert bars.count(STAYS_OFF) == 18
    made = columns(world.network, world.images, world.labels, found, [0, 4], count=2)
    panel = svg(panel_figure(made, world.classes, ["red there", "red not there"]))
    assert ">red there<" in panel
    assert panel.count("<image") == 8
    assert ">fires<" in panel
    assert ">stays off<" in panel
    # Nothing must be there for unit 4 to fire.
    assert panel.count(">blank<") == sum(each.blank for column in made for each in (*column.positive, *column.negative))


def test_many_classes_have_bars_without_names(matrix: Callable[..., Firing]) -> None:
    rng = np.random.default_rng(0)
    found = selectivity(matrix(rng.integers(0, 51, (60, 3)), [50] * 60))
    assert ">60 classes<" in svg(unit_figure(found, 1))
    assert ">60 classes, clustered<" in svg(matrix_figure(found.firing))


def test_names_of_classes_are_text(matrix: Callable[..., Firing]) -> None:
    firing = replace(matrix([[40, 1], [0, 30]], [40, 40]), classes=("<script>alert(1)</script>", "$x^2$ & more"))
    drawn = svg(unit_figure(selectivity(firing), 0))
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "$x^2$ &amp; more" in drawn
