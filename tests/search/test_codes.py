import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.errors import UsageError
from firebit.search import codes


def test_bit_i_is_in_byte_i_div_8_at_place_i_mod_8() -> None:
    bits = np.zeros((3, 13), bool)
    bits[0, 0] = bits[1, 9] = bits[2, 12] = True
    assert codes.pack(bits).tolist() == [[1, 0], [0, 2], [0, 16]]


@given(st.integers(0, 5), st.integers(1, 70), st.integers(0, 99))
def test_unpacking_gives_back_what_was_packed(count: int, bits: int, seed: int) -> None:
    given = np.random.default_rng(seed).integers(0, 2, (count, bits))
    packed = codes.pack(given)
    assert packed.shape == (count, -(-bits // 8))
    assert np.array_equal(codes.unpack(packed, bits), given)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_the_first_bits_are_codes_of_their_own(bits: int, kept: int, seed: int) -> None:
    given = np.random.default_rng(seed).integers(0, 2, (4, bits))
    kept = min(kept, bits)
    assert np.array_equal(codes.truncate(codes.pack(given), bits, kept), codes.pack(given[:, :kept]))


def test_distances() -> None:
    a, b = np.array([[1]], np.uint8), np.array([[1], [14]], np.uint8)
    assert codes.hamming(a, b).tolist() == [[0, 4]]


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_distances_are_the_bits_that_differ(bits: int, seed: int) -> None:
    found = np.random.default_rng(seed).integers(0, 2, (5, bits))
    packed = codes.pack(found)
    assert codes.hamming(packed[:1], packed).tolist() == [(found != found[0]).sum(axis=1).tolist()]


def test_no_codes_are_refused_and_bits_in_the_padding() -> None:
    with pytest.raises(UsageError, match="queries have bits set behind the last of 3"):
        codes.check_some(np.array([[8]], np.uint8), 3, "queries")
    with pytest.raises(UsageError, match="There are no queries"):
        codes.check_some(np.empty((0, 1), np.uint8), 3, "queries")
    codes.check_some(np.array([[7]], np.uint8), 3, "queries")


@pytest.mark.parametrize(
    "bits", [[0, 1], [[0, 2]], [[-1, 0]], [[0.0, 1.0]], np.zeros((2, 0), int), np.zeros((1, 2, 3), bool)]
)
def test_what_are_no_bits(bits: object) -> None:
    with pytest.raises(UsageError):
        codes.pack(bits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "bits", "says"),
    [
        (np.zeros((2, 3), np.uint8), 16, "3 bytes each; codes of 16 bits have 2"),
        (np.zeros((2, 2), np.int8), 16, "int8"),
        (np.zeros((2, 2, 2), np.uint8), 16, r"\(2, 2, 2\)"),
        (np.array([[0, 32]], np.uint8), 13, "behind the last of 13"),
        (np.zeros((1, 1), np.uint8), 0, "bits=0"),
        (np.zeros((1, 1), np.uint8), True, "bits=True"),
        (np.zeros((1, 1), np.uint8), 2**20 + 1, "bits=1048577"),
    ],
)
def test_codes_of_another_kind_are_refused(given: object, bits: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        codes.check(given, bits)  # type: ignore[arg-type]


def test_one_code_is_a_matrix_of_one() -> None:
    assert codes.check(np.array([1, 2], np.uint8), 16).shape == (1, 2)


@pytest.mark.parametrize("kept", [0, 14])
def test_bits_that_cannot_be_kept(kept: int) -> None:
    with pytest.raises(UsageError, match=str(kept)):
        codes.truncate(np.zeros((1, 2), np.uint8), 13, kept)
