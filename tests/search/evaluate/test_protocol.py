import numpy as np
import pytest

from firebit.errors import UsageError
from firebit.search.evaluate.protocol import PROTOCOLS, split, unseen_classes

TRAIN, TEST = np.repeat(np.arange(10), 5000), np.tile(np.arange(10), 1000)
BOTH = np.concatenate([TRAIN, TEST])


@pytest.mark.parametrize(
    ("protocol", "queries", "train", "database"),
    [("cifar10", 1000, 5000, 54_000), ("cifar10-1", 1000, 5000, 59_000), ("cifar10-2", 10_000, 50_000, 50_000)],
)
def test_cifar10_is_divided_as_in_the_literature(protocol: str, queries: int, train: int, database: int) -> None:
    found = split(protocol, TRAIN, TEST, seed=3)
    sizes = (len(found.queries), len(found.train), len(found.database))
    assert sizes == (queries, train, database)
    for part in (found.queries, found.train, found.database):
        assert len(np.unique(part)) == len(part)
        assert len(set(np.bincount(BOTH[part]).tolist())) == 1
    assert not np.intersect1d(found.queries, np.union1d(found.train, found.database)).size
    assert np.isin(found.train, found.database).all() == (protocol != "cifar10")


def test_in_cifar10_nothing_that_trains_is_in_the_database() -> None:
    found = split("cifar10", TRAIN, TEST)
    assert not np.intersect1d(found.train, found.database).size


def test_cifar10_2_asks_with_the_test_set() -> None:
    found = split("cifar10-2", TRAIN, TEST)
    assert found.queries[0] == len(TRAIN)
    np.testing.assert_array_equal(found.train, np.arange(50_000))


def test_unseen_classes_never_train_and_alone_are_searched() -> None:
    found, classes = split("unseen", TRAIN, TEST, seed=1), unseen_classes(TRAIN, seed=1)
    assert len(classes) == 3
    assert set(BOTH[found.queries]) == set(BOTH[found.database]) == set(classes.tolist())
    assert not set(BOTH[found.train]) & set(classes.tolist())
    assert (found.queries >= len(TRAIN)).all()
    assert (found.database < len(TRAIN)).all()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_seed_decides(protocol: str) -> None:
    again, other = split(protocol, TRAIN, TEST, 5), split(protocol, TRAIN, TEST, 6)
    np.testing.assert_array_equal(split(protocol, TRAIN, TEST, 5).queries, again.queries)
    assert np.array_equal(again.queries, other.queries) == (protocol == "cifar10-2")


def test_protocols_that_do_not_fit_are_refused() -> None:
    few = np.repeat(np.arange(3), 200)
    with pytest.raises(UsageError, match="'cifar100'"):
        split("cifar100", TRAIN, TEST)
    with pytest.raises(UsageError, match="Class 0 has 400"):
        split("cifar10", few, few)
    with pytest.raises(UsageError, match="2 classes are too few"):
        split("unseen", np.array([0, 1]), np.array([0, 1]))
    with pytest.raises(UsageError, match="none of the classes"):
        split("unseen", few, np.array([99]))
