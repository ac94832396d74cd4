"""The table below figure 6, by hand."""

import numpy as np

from firebit.explain import Column, Minimal
from firebit.paper.smallest import _table


def small(fill: str, blank: bool) -> Minimal:
    kept = np.array([not blank, False])
    picture, segments = np.zeros((1, 1, 2), np.uint8), np.array([[0, 1]])
    return Minimal(picture, segments, kept, fill, "fc", "unit", 3, True, blank, 0, 1)


def test_fillings_and_blanks_are_counted() -> None:
    pictures = (small("mean", False), small("mean", True), small("black", False))
    lines = _table([Column(3, pictures, (small("blur", False),), (0,) * 4, (0,) * 4)])
    assert lines[0] == "| unit | pictures | mean | grey | black | white | blur | blank does it |"
    assert lines[2:] == ["| 3 | 4 | 1 | 0 | 1 | 0 | 1 | 1 |"]
