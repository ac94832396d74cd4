"""The page of one unit."""

from dataclasses import replace

import numpy as np
import pytest

from firebit.data import ImageSet
from firebit.engine.network import Network
from firebit.explain import Column, Explanation, columns, explain, minimal
from firebit.web.unit import unit_page
from firebit.web.units import unit_rows, units

from .conftest import CLASSES, PER_CLASS


def test_the_page_of_a_unit(made: Explanation, network: Network, pictures: ImageSet) -> None:
    (row,) = [row for row in unit_rows(made) if row.index == 1]
    (column,) = columns(network, pictures.images, pictures.labels, made.found, [1])
    classifiers = {each.unit: each for each in made.classifiers}
    page = unit_page(made, row, column, made.found.firing.correlation()[1], classifiers.get(1))
    first = page.classes[0]
    assert (first.name, first.fired, first.pictures, first.side) == (CLASSES[1], PER_CLASS, PER_CLASS + 1, "positive")
    assert first.rate == pytest.approx(100 * 40 / 41)
    # Of 40 in 41, surely 88.9 %: the one-sided bound of Clopper and Pearson solves P(X ≥ 40) = 0.05.
    bound = float(first.bound.removeprefix("≥ ")) / 100
    assert 41 * bound**40 * (1 - bound) + bound**41 == pytest.approx(0.05, abs=0.002)
    assert [each.side for each in page.classes[1:]] == ["negative"] * 3
    assert page.left_out == 0
    assert all(0 < float(each.q) < 0.001 for each in page.classes)
    assert page.positive and all(tile.address.startswith("data:image/webp;base64,") for tile in page.positive)
    assert page.positive[0].words.startswith(f"{CLASSES[1]}: fires with ")
    # Units 0 … 3 exclude each other; each is as far from the others.
    assert page.alike == ()
    assert {each.index for each in page.opposite} == {0, 2, 3}
    assert page.opposite[0].correlation == "−0.33"
    assert page.classifier.startswith(f"This bit alone tells {CLASSES[1]} from ")


def test_a_blank_picture_takes_the_place_of_smallest_ones(
    made: Explanation, network: Network, pictures: ImageSet
) -> None:
    (row,) = [row for row in unit_rows(made) if row.index == 4]
    column = Column(4, minimal(network, pictures.images[:2], [4, 4]), (), (0, 0), (0, 1))
    page = unit_page(made, row, column)
    assert page.positive == page.negative == ()
    assert page.blank == "It fires on a blank picture, so that 2 pictures have no smallest part."


@pytest.mark.parametrize(("q", "text"), [(0.0, "< 1e-300"), (1e-300, "1e-300"), (0.0123, "0.01")])
def test_a_q_value_is_never_zero(made: Explanation, q: float, text: str) -> None:
    found = replace(made, found=replace(made.found, q_more=np.full_like(made.found.q_more, q)))
    (row,) = [row for row in unit_rows(made) if row.index == 0]
    assert unit_page(found, row).classes[0].q == text


def test_many_classes_show_both_ends(network: Network, pictures: ImageSet) -> None:
    labels = np.arange(160) % 40
    names = tuple(f"class {index}" for index in range(40))
    made = explain(network, pictures.images, labels, names, share=0.9)
    row = unit_rows(made)[0]
    page = unit_page(made, row)
    assert row.cells == ()
    assert (len(page.classes), page.left_out) == (24, 16)
    rates = [each.rate for each in page.classes]
    assert rates == sorted(rates, reverse=True)
    assert units(made, "many").classes == units(made, "many").order == ()
