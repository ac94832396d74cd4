"""Quantised tables against entries that were worked out by hand, and their bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.engine.tables import BALANCED_BLOCK, Tables, balanced_sums, chunk_sums, partial_sums, spans
from firebit.errors import ModelFileError

WEIGHTS = np.array([[[[5, 3]], [[-2, 4]]], [[[1, 0]], [[0, -1]]]], np.int16)


def test_partial_sums_by_hand() -> None:
    """Two channels at two taps: 5, −2 at the first, 3, 4 at the second. Absent channels change nothing."""
    sums = partial_sums(WEIGHTS)
    assert sums.shape == (2, 2, 16)
    assert sums[0, :, :4].tolist() == [[0, 5, -2, 3], [0, 3, 4, 7]]
    assert (sums[:, :, 4:] == np.tile(sums[:, :, :4], 3)).all()
    assert spans(WEIGHTS).tolist() == [[7, 7], [1, 1]]


def test_entries_by_hand() -> None:
    tables = Tables(np.array([1 << 23, 1 << 24], np.int32), 2)
    entries = tables.entries(WEIGHTS)
    # (2, 7, 0, 5) / 2 and (0, 3, 4, 7) / 2, halves rounded up; the second output is not rounded.
    assert entries[0, :, :4].tolist() == [[1, 4, 0, 3], [0, 2, 2, 4]]
    assert entries[1, :, :4].tolist() == [[0, 1, 0, 1], [1, 1, 0, 0]]
    assert tables.most(WEIGHTS).tolist() == [[4, 4], [1, 1]]


def test_balanced_sums_by_hand() -> None:
    """9 with 1, 7 with 2, 6 with 4; four at a time 9 and 7 come with nothing, then with 2 + 4 and 1 + 6."""
    most = np.array([[4, 9, 1, 7, 2, 6]])
    assert sorted(balanced_sums(most, 2)[0].tolist()) == [9, 10, 10]
    assert sorted(balanced_sums(most, 4)[0].tolist()) == [14, 15]
    assert balanced_sums(most, 1).sum() == 29


@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.sampled_from([1, 2, 4, 8]))
def test_balanced_sums_hold_all_there_is(seed: int, groups: int, chunk: int) -> None:
    most = np.random.default_rng(seed).integers(0, 256, (3, groups))
    found = balanced_sums(most, chunk)
    assert (found.sum(1) == most.sum(1)).all()
    blocks = [min(BALANCED_BLOCK, groups - first) for first in range(0, groups, BALANCED_BLOCK)]
    assert found.shape[1] == sum(-(-count // chunk) for count in blocks)
    assert (found.max(1) <= chunk * most.max(1)).all()


def test_groups_go_by_channels_then_rows_then_columns() -> None:
    weights = np.arange(1, 6 * 4 + 1, dtype=np.int16).reshape(1, 6, 2, 2)
    first_bit = partial_sums(weights)[0, :, 1]
    assert first_bit.tolist() == [1, 2, 3, 4, 17, 18, 19, 20]
    assert chunk_sums(np.arange(7)[None], 3).tolist() == [[3, 12, 6]]


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 64), st.integers(1, 1 << 24))
def test_entries_are_near_what_they_stand_for(seed: int, channels: int, chunk: int, multiplier: int) -> None:
    weights = np.random.default_rng(seed).integers(-32_767, 32_768, (2, channels, 1, 2)).astype(np.int16)
    tables = Tables(np.full(2, multiplier, np.int32), chunk)
    sums = partial_sums(weights)
    wanted = (sums - sums.min(2, keepdims=True)) * (multiplier / 2**24)
    entries = tables.entries(weights)
    assert np.abs(entries - wanted).max() <= 0.5 + 1e-6
    assert (entries.max(2) == tables.most(weights)).all()
    assert entries.min() == 0


@pytest.mark.parametrize(
    ("multipliers", "chunk", "problem"),
    [
        (np.array([1, 1]), 1, "multipliers are int64"),
        (np.ones((1, 2), np.int32), 1, "multipliers are int32"),
        (np.zeros(2, np.int32), 1, "out of range"),
        (np.full(2, (1 << 24) + 1, np.int32), 1, "out of range"),
        (np.zeros(0, np.int32), 1, "out of range"),
        (np.ones(2, np.int32), 0, "chunks of 0"),
        (np.ones(2, np.int32), 65, "chunks of 65"),
        (np.ones(2, np.int32), True, "chunks of True"),
    ],
)
def test_what_is_no_tables(multipliers: np.ndarray, chunk: int, problem: str) -> None:
    with pytest.raises(ModelFileError, match=problem):
        Tables(multipliers, chunk)


def test_entries_that_do_not_fit() -> None:
    full = np.full((1, 4, 1, 2), 32, np.int16)
    one = Tables(np.full(1, 1 << 24, np.int32), 1)
    one.check(full)
    with pytest.raises(ModelFileError, match="do not fit a byte"):
        Tables(one.multipliers, 2).check(full)
    many = np.full((1, 4, 32, 32), 31, np.int16)
    with pytest.raises(ModelFileError, match="do not fit 16 bits"):
        one.check(many)
    with pytest.raises(ModelFileError, match="2 channels have 1 multipliers"):
        one.check(WEIGHTS)
