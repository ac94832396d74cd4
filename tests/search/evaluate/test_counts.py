import numpy as np
import pytest

from firebit.errors import UsageError
from firebit.search.codes import pack
from firebit.search.evaluate.counts import count


def test_counts_are_those_of_comparing_every_pair() -> None:
    random = np.random.default_rng(1)
    bits = 11
    queries, database = random.integers(0, 2, (7, bits)), random.integers(0, 2, (60, bits))
    # Many equal codes and equal queries, in several classes.
    database[30:50], queries[4:] = database[0], queries[0]
    asked, known = random.integers(0, 3, 7), random.integers(0, 4, 60)
    found = count(bits, pack(queries), asked, pack(database), known)
    for row in range(7):
        away = (queries[row] != database).sum(axis=1)
        np.testing.assert_array_equal(found.total[row], np.bincount(away, minlength=bits + 1))
        np.testing.assert_array_equal(found.relevant[row], np.bincount(away[known == asked[row]], minlength=bits + 1))
    assert (found.size, found.bits) == (60, bits)


def test_a_query_of_a_class_that_is_not_there_finds_nothing_relevant() -> None:
    codes = np.zeros((2, 1), np.uint8)
    assert count(8, codes[:1], np.array([5]), codes, np.array([0, 1])).relevant.sum() == 0


def test_codes_of_more_than_one_word_count_all_their_bits() -> None:
    codes = pack(np.stack([np.zeros(200, bool), np.ones(200, bool)]))
    assert count(200, codes[:1], np.array([0]), codes, np.array([0, 0])).total[0, [0, 200]].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("codes", "labels", "problem"),
    [
        (
            np.zeros((2, 2), np.uint8),
            np.zeros(2, int),
            "have 2 bytes each; codes of 8 bits have 1",
        ),
        (np.zeros((2, 1), np.int64), np.zeros(2, int), "int64 of shape"),
        (np.zeros((0, 1), np.uint8), np.zeros(0, int), "There are no codes of the "),
        (np.zeros((2, 1), np.uint8), np.zeros(3, int), "for 2 codes"),
        (np.zeros((2, 1), np.uint8), np.zeros(2), "float64"),
    ],
)
def test_codes_and_labels_that_do_not_fit_are_refused(codes: np.ndarray, labels: np.ndarray, problem: str) -> None:
    good, names = np.zeros((1, 1), np.uint8), np.zeros(1, int)
    with pytest.raises(UsageError, match=problem):
        count(8, good, names, codes, labels)
    with pytest.raises(UsageError, match=problem):
        count(8, codes, labels, good, names)
