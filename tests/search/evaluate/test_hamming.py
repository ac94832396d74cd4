import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.errors import UsageError
from firebit.search.evaluate.hamming import check_codes, distances, pack, truncate, unpack, words


def test_the_first_bit_is_the_lowest_of_the_first_byte() -> None:
    assert pack(np.array([[1, 0, 0, 0, 0, 0, 0, 0, 0, 1]])).tolist() == [[1, 2]]


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_distances_are_the_bits_that_differ(bits: int, seed: int) -> None:
    found = np.random.default_rng(seed).integers(0, 2, (5, bits))
    packed = words(pack(found))
    assert distances(packed[0], packed).tolist() == (found != found[0]).sum(axis=1).tolist()
    np.testing.assert_array_equal(unpack(pack(found), bits), found)


def test_a_prefix_keeps_the_first_bits_and_clears_the_rest() -> None:
    codes = pack(np.ones((1, 20)))
    assert truncate(codes, 11).tolist() == [[255, 7]]


def test_bits_in_the_padding_are_refused() -> None:
    with pytest.raises(UsageError, match="behind bit 2"):
        check_codes(np.array([[8]], np.uint8), 3, "codes")
    check_codes(np.array([[7]], np.uint8), 3, "codes")
