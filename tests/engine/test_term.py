"""Bounds of a term's sums, by which it is checked before it is run."""

import numpy as np
import pytest

from firebit.engine.pool import Pool
from firebit.engine.term import Term


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_a_linear_term_reaches_the_sizes_of_its_weights_times_the_largest_value(kind: type) -> None:
    weights = np.array([[1, -2, 3], [0, 0, -127]], kind)
    assert Term("seen", weights).bound((3,), 255).tolist() == [6 * 255, 127 * 255]


def test_a_pooled_term_reaches_as_much_at_every_cell_of_a_window() -> None:
    weights = np.full((1, 2, 2, 2), -5, np.int16)
    term = Term("seen", weights, pool=Pool("sum", (2, 3), (1, 1)))
    assert term.bound((2, 6, 6), 1).tolist() == [8 * 5 * 6]


def test_a_shortcut_reaches_the_size_of_its_coefficients() -> None:
    assert Term("seen", np.array([70_000, -3], np.int32)).bound((2, 4, 4), 9).tolist() == [630_000, 27]
