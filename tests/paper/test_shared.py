"""Parts that two units share: overlaps by hand, on planted squares, and which are shown."""

import numpy as np
import pytest

from firebit.explain import Minimal
from firebit.paper.shared import Shared, _pair, examples, sentences, shared_figure

SEGMENTS = np.arange(16).reshape(4, 4)


def small(kept: list[int], unit: int, fires: bool, shade: int = 0) -> Minimal:
    """Sixteen pixels, each a segment."""
    mask = np.isin(np.arange(16), kept)
    picture = np.full((1, 4, 4), shade, np.uint8)
    return Minimal(picture, SEGMENTS, mask, "mean", "fc", "unit", unit, fires, False, 0, 1)


def pair(one: list[int], other: list[int], label: int = 0, units: tuple[int, int] = (0, 1), shade: int = 0) -> Shared:
    generator = np.random.default_rng(0)
    return _pair(label, small(one, units[0], True, shade), small(other, units[1], False, shade), generator)


def test_overlap_and_chance_by_hand() -> None:
    found = pair([0, 1, 2], [1, 2, 3])
    assert found.overlap == 2 / 4
    whole = pair(list(range(16)), list(range(16)))
    assert (whole.overlap, whole.chance, whole.touching) == (1, 1, 1)
    # Of one segment against one of sixteen, chance is a sixteenth.
    many = [pair([3], [3], units=(index, 0)) for index in range(2)]
    assert all(each.overlap == 1 and each.chance <= 0.3 for each in many)


def test_chance_is_that_of_as_many_segments() -> None:
    generator = np.random.default_rng(1)
    one, other = small([0, 1, 2, 3], 0, True), small([12, 13, 14, 15], 1, False)
    found = [_pair(0, one, other, generator) for _ in range(200)]
    # No segment of four is among four of sixteen in C(12, 4) / C(16, 4) of the draws.
    assert np.mean([each.touching for each in found]) == pytest.approx(1 - 495 / 1820, abs=0.02)
    assert all(each.overlap == 0 for each in found)


def test_what_the_pairs_say() -> None:
    text = sentences([pair([0, 1], [0, 1]), pair([0], [1]), pair([2], [2, 3], shade=9), pair([5], [6])])
    assert "Over 2 pictures there are 4 pairs" in text
    assert "50 % of pairs share a segment" in text
    assert "25 % are the very same; they overlap by 0.38 on average" in text
    assert "No picture" in sentences([])


def test_examples_take_classes_in_turn_and_nothing_twice() -> None:
    same = pair([0, 1], [0, 1], label=0, units=(0, 1), shade=1)
    again = pair([0, 1], [0, 1], label=0, units=(2, 3), shade=1)
    units = pair([4], [4], label=1, units=(0, 1), shade=2)
    other = pair([0, 1, 2], [1, 2, 3], label=1, units=(4, 5), shade=3)
    more = pair([0], [1], label=0, units=(6, 7), shade=4)
    large = pair(list(range(9)), list(range(9)), label=2, units=(8, 9), shade=5)
    # By overlap, one of each class; then a second. Neither the same picture, nor most of one.
    assert examples([more, other, units, again, same, large], 8) == [units, again, other, more]
    assert examples([same, units, other], 8) == [same, other]
    assert examples([more, other, units, again], 2) == [units, again]


def test_the_figure_shows_both() -> None:
    from io import StringIO

    import matplotlib as mpl

    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        shared_figure([pair([0], [0], label=1, units=(7, 18))], ["cat", "dog"]).savefig(text, format="svg")
    drawn = text.getvalue()
    assert ">fires unit 7<" in drawn
    assert ">keeps unit 18 off<" in drawn
    assert ">dog<" in drawn
    assert drawn.count("<image") == 2
