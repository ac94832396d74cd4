"""What a report shows of units."""

import pytest

from firebit.explain import Explanation
from firebit.web.units import unit_rows, units

from .conftest import CLASSES


def test_rows_of_the_table(made: Explanation) -> None:
    rows = {row.index: row for row in unit_rows(made)}
    assert sorted(rows) == [0, 1, 2, 3, 4, 5]
    north = rows[0]
    # 40 of 160 pictures; one of them has the label of class 1.
    assert (north.name, north.rate) == ("0", "25.0")
    assert north.positive == (CLASSES[0],) and set(north.negative) == set(CLASSES[1:])
    assert [cell.text for cell in north.cells] == ["100", "2", "0", "0"]
    assert [cell.shade for cell in north.cells] == ["q20", "q0", "q0", "q0"]
    assert (rows[4].flag, rows[5].flag) == ("always fires", "never fires")
    assert rows[4].positive == rows[4].negative == ()
    # The constant ones tell nothing, and come last.
    assert {row.index for row in unit_rows(made)[-2:]} == {4, 5}
    assert float(rows[2].information) == pytest.approx(0.811, abs=0.03)  # the entropy of a quarter


def test_everything_but_the_pages(made: Explanation) -> None:
    found = units(made, "quadrants-test")
    assert (found.layer, found.count, found.pictures, found.data) == ("fire", 6, 160, "quadrants-test")
    assert found.facts == {
        "units": "6",
        "with a positive class": "4",
        "with a negative class": "4",
        "with both": "4",
        # But for classes 0 and 1, units fire for all pictures of a class or none.
        "without exception": "4",
        "constant": "2",
        "same or opposite as another": "0",
        "fire on average": "33.3 %",
    }
    assert sorted(found.order) == sorted(CLASSES)
    assert found.null.startswith("With labels shuffled 5 times, the same rules find a positive or negative class for ")
    assert not found.named
