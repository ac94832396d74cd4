"""Every instruction set that runs here against bits counted one by one."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from firebit.engine import native
from firebit.errors import UsageError

CODES = st.builds(
    lambda n, m, length, seed: (draw_codes(n, length, seed), draw_codes(m, length, seed + 1)),
    st.integers(0, 5),
    st.integers(0, 5),
    # Around the sizes where a kernel changes its step: words of 8, vectors of 32, 31 vectors to a counter.
    st.one_of(st.integers(0, 70), st.integers(985, 1030), st.just(3 * 31 * 32 + 13)),
    st.integers(0, 2**32),
)


def draw_codes(n: int, length: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, length), np.uint8)


def count(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> list[list[int]]:
    """Differing bits by Python's integers."""
    left, right = ([int.from_bytes(code.tobytes(), "little") for code in codes] for codes in (a, b))
    return [[(x ^ y).bit_count() for y in right] for x in left]


@pytest.fixture(params=native.instruction_sets())
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FIREBIT_ISA", request.param)
    return str(request.param)


def test_distances_by_hand(isa: str) -> None:
    a = np.array([[0b0000_0000, 0b0000_0001], [0b1111_1111, 0b1111_1111]], np.uint8)
    b = np.array([[0b0000_0000, 0b0000_0000], [0b1010_1010, 0b0000_0001], [0b1111_1111, 0b1111_1111]], np.uint8)
    distances = native.hamming(a, b)
    assert distances.dtype == np.int32
    assert distances.tolist() == [[1, 4, 15], [16, 11, 0]]
    assert native.instruction_set() == isa


@given(CODES)
def test_every_instruction_set_counts_bits(codes: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    a, b = codes
    with pytest.MonkeyPatch.context() as patch:
        for name in native.instruction_sets():
            patch.setenv("FIREBIT_ISA", name)
            distances = native.hamming(a, b)
            assert distances.shape == (len(a), len(b))
            assert distances.tolist() == count(a, b), name


def test_counters_do_not_overflow(isa: str) -> None:
    length = 40_000
    zeros, ones = np.zeros((1, length), np.uint8), np.full((1, length), 255, np.uint8)
    assert native.hamming(zeros, ones).tolist() == [[8 * length]]


def test_any_memory_layout(isa: str) -> None:
    codes = draw_codes(12, 40, 0)
    expected = count(codes[::2, 3:20], codes[::-3, 3:20])
    assert native.hamming(codes[::2, 3:20], codes[::-3, 3:20]).tolist() == expected
    assert native.hamming(np.asfortranarray(codes[::2, 3:20]), codes[::-3, 3:20]).tolist() == expected
    codes.flags.writeable = False
    assert native.hamming(codes, codes).tolist() == count(codes, codes)


def test_unaligned_memory(isa: str) -> None:
    buffer = np.random.default_rng(0).integers(0, 256, 1 + 4 * 100, np.uint8)
    codes = buffer[1:].reshape(4, 100)
    assert native.hamming(codes, codes).tolist() == count(codes, codes)


def test_many_threads_at_once(isa: str) -> None:
    a, b = draw_codes(20, 100, 0), draw_codes(30, 100, 1)
    expected = native.hamming(a, b)
    results: list[NDArray[np.int32]] = []
    threads = [threading.Thread(target=lambda: results.append(native.hamming(a, b))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(result, expected) for result in results)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(3, np.uint8),
        np.zeros((1, 2, 3), np.uint8),
        np.zeros((2, 3), np.int8),
        np.zeros((2, 3), np.bool_),
        np.zeros((2, 3)),
        [[0, 1]],
    ],
)
def test_what_is_no_matrix_of_codes_is_refused(wrong: object) -> None:
    good = np.zeros((2, 3), np.uint8)
    with pytest.raises(UsageError, match=r"^a is .* not a matrix of packed codes"):
        native.hamming(wrong, good)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"^b is .* not a matrix of packed codes"):
        native.hamming(good, wrong)  # type: ignore[arg-type]


def test_codes_of_different_lengths_are_refused() -> None:
    with pytest.raises(UsageError, match="Codes of 6 bytes cannot be compared with codes of 7 bytes"):
        native.hamming(np.zeros((2, 6), np.uint8), np.zeros((2, 7), np.uint8))


def test_codes_whose_distance_does_not_fit_are_refused() -> None:
    longest = np.zeros(1, np.uint8)
    with pytest.raises(UsageError, match="do not fit 32 bits"):
        native.hamming(np.broadcast_to(longest, (1, 2**28)), np.zeros((1, 1), np.uint8))


@pytest.mark.parametrize("name", ["avx9000", "AVX2", " "])
def test_an_unknown_instruction_set_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREBIT_ISA", name)
    with pytest.raises(UsageError, match=f"FIREBIT_ISA={name} is not .*") as caught:
        native.instruction_set()
    assert "numpy" in caught.value.remedy


def test_without_native_code_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_native", None)
    assert native.instruction_sets() == ("numpy",)
    assert native.instruction_set() == "numpy"
    assert native.cpu_features() == ()
    a = draw_codes(3, 9, 0)
    assert native.hamming(a, a).tolist() == count(a, a)


ROWS = st.tuples(st.integers(1, 9), st.integers(0, 700))


@pytest.mark.parametrize("native_code", [True, False])
@given(
    hnp.arrays(np.int8, ROWS, elements=st.integers(-128, 127))
    | hnp.arrays(np.int16, ROWS, elements=st.integers(-32_768, 32_767))
    | hnp.arrays(np.int32, ROWS, elements=st.integers(-(2**31), 2**31 - 1))
)
def test_sizes_of_rows_by_hand(native_code: bool, values: NDArray[np.signedinteger[Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not native_code:
            patch.setattr(native, "_native", None)
        found = native.row_sizes(values)
    assert found.tolist() == [sum(abs(int(value)) for value in row) for row in values]


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_sizes_of_long_rows_do_not_overflow(kind: type[np.signedinteger[Any]]) -> None:
    least = int(np.iinfo(kind).min)
    assert native.row_sizes(np.full((3, 200_001), least, kind)).tolist() == [-least * 200_001] * 3


def test_the_best_instruction_set_is_the_default() -> None:
    assert native.instruction_set() == native.instruction_sets()[0]
    vectors = [name for name in ("avx512", "avx2") if name in native.instruction_sets()]
    if "avx2" in native.cpu_features():
        assert native.instruction_sets() == (*vectors, "portable", "numpy")
        assert "avx2" in vectors


@pytest.mark.skipif(native.instruction_sets() == ("numpy",), reason="no native code is built")
def test_the_native_module_trusts_nobody() -> None:
    from firebit.engine import _native

    codes, out = np.zeros((2, 3), np.uint8), np.zeros((2, 2), np.int32)
    wrong = [
        (codes, np.zeros((2, 4), np.uint8), out, "portable"),
        (codes, codes, np.zeros((2, 3), np.int32), "portable"),
        (codes, codes, out, "nothing"),
        (codes.astype(np.int8), codes, out, "portable"),
        (np.zeros((2, 6), np.uint8)[:, ::2], codes, out, "portable"),
        (codes, codes, out.astype(np.int64), "portable"),
        (codes, codes, np.zeros((2, 4), np.int32)[:, ::2], "portable"),
        (codes[0], codes, out, "portable"),
        (None, codes, out, "portable"),
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError)):
            _native.hamming(*arguments)
    for rows, sizes in ((codes.astype(np.int8), np.zeros(3, np.int64)), (codes, np.zeros(2, np.int64))):
        with pytest.raises((ValueError, TypeError)):
            _native.row_sizes(rows, sizes)
    readonly = out.copy()
    readonly.flags.writeable = False
    with pytest.raises(TypeError):
        _native.hamming(codes, codes, readonly, "portable")
