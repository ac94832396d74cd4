import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.errors import UsageError
from firebit.search.codes import pack
from firebit.search.evaluate.hamming import check_codes, distances, words


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_distances_are_the_bits_that_differ(bits: int, seed: int) -> None:
    found = np.random.default_rng(seed).integers(0, 2, (5, bits))
    packed = words(pack(found))
    assert distances(packed[0], packed).tolist() == (found != found[0]).sum(axis=1).tolist()


def test_no_codes_are_refused_and_bits_in_the_padding() -> None:
    with pytest.raises(UsageError, match="queries have bits set behind the last of 3"):
        check_codes(np.array([[8]], np.uint8), 3, "queries")
    with pytest.raises(UsageError, match="There are no queries"):
        check_codes(np.empty((0, 1), np.uint8), 3, "queries")
    check_codes(np.array([[7]], np.uint8), 3, "queries")
