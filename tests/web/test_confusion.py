"""Confusion matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.errors import UsageError
from firebit.web.confusion import Mistake, confusion

LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 2, 1, 0, 2])
NAMES = ("a", "b", "c", "never")


def test_counts_by_hand() -> None:
    found = confusion(PREDICTED, LABELS, NAMES)
    assert found.counts.tolist() == [[2, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert found.pictures == 7
    assert found.accuracy == 4 / 7
    assert found.recall[:3].tolist() == [0.5, 0.5, 1.0] and np.isnan(found.recall[3])
    assert found.precision[:3].tolist() == [2 / 3, 0.5, 0.5] and np.isnan(found.precision[3])


def test_the_most_frequent_mistakes() -> None:
    found = confusion(PREDICTED, LABELS, NAMES).mistakes(2)
    # Half of b are taken for a; of equal shares that of the smaller indices comes first.
    assert found == [Mistake("b", "a", 1, 0.5), Mistake("a", "b", 1, 0.25)]
    assert len(confusion(PREDICTED, LABELS, NAMES).mistakes(99)) == 3


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_the_matrix_adds_up(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    found = confusion(predicted, labels, NAMES)
    assert found.counts.sum() == len(pairs)
    assert found.accuracy == pytest.approx((labels == predicted).mean())
    assert found.counts.sum(1).tolist() == np.bincount(labels, minlength=4).tolist()


@pytest.mark.parametrize(("predicted", "labels"), [([0, 1], [0]), ([], []), ([4], [0]), ([0], [-1]), ([[0]], [[0]])])
def test_what_does_not_fit_is_refused(predicted: list[int], labels: list[int]) -> None:
    with pytest.raises(UsageError, match="are not indices of 4 classes"):
        confusion(np.array(predicted, np.int64), np.array(labels, np.int64), NAMES)
