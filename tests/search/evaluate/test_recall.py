import numpy as np
import pytest

from firebit.errors import UsageError
from firebit.search.evaluate.recall import recall_at

# Distances from 0: 0, 1, 1, 1, 8.
DATABASE = np.array([[0], [1], [2], [4], [255]], np.uint8)
QUERY = np.array([[0]], np.uint8)


@pytest.mark.parametrize(
    ("hits", "recall"),
    [
        ([0, 1], 1),
        ([0, 3], 1),  # as near as the second of an exact search
        ([1, 2], 1),  # both no farther than the second
        ([0, 4], 0.5),
        ([0, -1], 0.5),
        ([0, 0], 0.5),
        ([-1, -1], 0),
    ],
)
def test_hits_count_that_are_no_farther_than_the_last_exact_one(hits: list[int], recall: float) -> None:
    assert recall_at(np.array([hits]), 8, QUERY, DATABASE).tolist() == [recall]


def test_of_a_small_database_all_codes_are_wanted() -> None:
    hits = np.array([[0, 1, 2, 3, 4, -1, -1]])
    assert recall_at(hits, 8, QUERY, DATABASE).tolist() == [1]
    assert recall_at(hits[:, :4], 8, QUERY, DATABASE, k=1).tolist() == [1]


def test_hits_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="places from 0 to 5"):
        recall_at(np.array([[0, 5]]), 8, QUERY, DATABASE)
    with pytest.raises(UsageError, match="for 1 queries"):
        recall_at(np.zeros((2, 1), int), 8, QUERY, DATABASE)
    with pytest.raises(UsageError, match="k=3"):
        recall_at(np.array([[0, 1]]), 8, QUERY, DATABASE, k=3)
