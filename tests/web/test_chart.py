"""Charts of lines."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.web.chart import Mark, Series, apart, lines


def test_lines_are_drawn_and_named() -> None:
    series = [Series("up", ((1.0, 0.0), (5.0, 100.0)), 0), Series("one <point>", ((3.0, 50.0),), 1, dashed=True)]
    svg = lines("id", "title", "words", series, ("epoch", "share, %"), [Mark(2.5, "phase 2")], (0.0, 100.0))
    root = ElementTree.fromstring(str(svg))
    paths = [element for element in root if element.tag == "path"]
    assert [path.attrib["class"] for path in paths] == ["line c0", "line c1 dashed"]
    # x reaches from 40 to 362, y from 222 up to 30.
    assert paths[0].attrib["d"] == "M40 222 L362 30"
    assert paths[1].attrib["d"] == "M201 126 L201 126"
    texts = [element.text for element in root if element.tag == "text"]
    assert {"up", "one <point>", "phase 2", "epoch", "share, %", "0", "100", "5"} <= set(texts)
    (mark,) = [element for element in root if element.attrib.get("class") == "mark"]
    assert mark.attrib["x1"] == mark.attrib["x2"] == "160.8"


def test_a_chart_of_one_epoch() -> None:
    svg = lines("id", "title", "words", [Series("a", ((1.0, 3.0),), 0)], ("epoch", "y"))
    assert "NaN" not in svg and "nan" not in svg


@pytest.mark.parametrize(
    ("places", "moved"),
    [
        ([], []),
        ([10.0, 50.0], [10.0, 50.0]),
        ([10.0, 10.0], [3.0, 17.0]),
        ([0.0, 10.0, 100.0], [-2.0, 12.0, 100.0]),
        ([10.0, 20.0, 30.0], [6.0, 20.0, 34.0]),
    ],
)
def test_names_move_apart(places: list[float], moved: list[float]) -> None:
    assert apart(places) == pytest.approx(moved)


@given(st.lists(st.floats(0, 300), max_size=8))
def test_names_never_overlap_and_keep_their_order(places: list[float]) -> None:
    moved = apart(sorted(places))
    assert len(moved) == len(places)
    assert all(after - before >= 14 - 1e-6 for before, after in pairwise(moved))
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)
