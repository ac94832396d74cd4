"""Sums of a term's weights, by which it is checked before it is run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from firebit.engine.term import sizes_of_rows


@settings(max_examples=60)
@given(
    hnp.arrays(np.int16, st.tuples(st.integers(1, 9), st.integers(0, 700)), elements=st.integers(-127, 127))
    | hnp.arrays(np.int8, st.tuples(st.integers(1, 9), st.integers(0, 700)), elements=st.integers(-127, 127))
    | hnp.arrays(np.int16, st.tuples(st.integers(1, 9), st.integers(0, 700)), elements=st.integers(-32_767, 32_767))
)
def test_sizes_of_rows_are_added_up_without_overflow(weights: np.ndarray) -> None:
    assert sizes_of_rows(weights).tolist() == [sum(abs(int(weight)) for weight in row) for row in weights]


@pytest.mark.parametrize("length", [1 << 17, 3 << 16, 9216])
def test_rows_of_the_largest_bytes_do_not_overflow(length: int) -> None:
    assert sizes_of_rows(np.full((3, length), -127, np.int16)).tolist() == [127 * length] * 3
