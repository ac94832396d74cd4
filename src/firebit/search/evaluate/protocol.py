"""Which pictures are queries, which train and which are the database: the protocols of the literature, by name."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Places of pictures in the training set followed by the test set, each sorted.

    Attributes:
        train: what codes are learned from.
        queries: what is asked with; never part of the other two.
        database: what is searched.
    """

    train: Indices
    queries: Indices
    database: Indices


@dataclass(frozen=True)
class _Sampled:
    """A protocol that draws queries and training pictures per class from all pictures, as DeepHash's code does."""

    queries: int
    train: int
    with_train: bool


_SAMPLED = {"cifar10": _Sampled(100, 500, False), "cifar10-1": _Sampled(100, 500, True)}
_UNSEEN = 0.25
PROTOCOLS = {
    "cifar10": "1,000 queries, 5,000 to train, the other 54,000 are the database",
    "cifar10-1": "the same, and the pictures to train are in the database too: 59,000",
    "cifar10-2": "the test set asks, the training set trains and is the database",
    "unseen": "a quarter of the classes asks and is the database, the others train",
}
"""The protocols, and what each says. Figures of different protocols cannot be compared."""


def split(protocol: str, train_labels: NDArray[np.int64], test_labels: NDArray[np.int64], seed: int = 0) -> Split:
    """Divide a data set as a protocol says.

    `cifar10` and `cifar10-1` draw 100 queries and 500 training pictures of each class from all pictures, as the code of
    DeepHash does; they fit any set with that many per class. `cifar10-2` is the data set's own division, as in
    Lin et al. 2015. `unseen` draws a quarter of the classes, at least one (Sablayrolles et al. 2017, arXiv:1609.06753):
    those test pictures ask, those training pictures are the database, and the training pictures of the other classes
    train, two of which at least there must be.

    Args:
        protocol: a key of :data:`PROTOCOLS`.
        train_labels: of the training set, whole numbers (N,).
        test_labels: of the test set (M,).
        seed: what is drawn; `cifar10-2` draws nothing.

    Returns:
        Places in the training set (0 … N − 1) followed by the test set (N … N + M − 1).

    Raises:
        UsageError: no such protocol, or too few pictures or classes for it.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"There is no protocol {protocol!r}.", f"Choose one of: {', '.join(PROTOCOLS)}.")
    train = np.arange(len(train_labels))
    test = np.arange(len(test_labels)) + len(train_labels)
    if protocol == "cifar10-2":
        return Split(train, test, train)
    random = np.random.default_rng(seed)
    if protocol == "unseen":
        held = _held_classes(train_labels, random)
        asked, known = np.isin(test_labels, held), np.isin(train_labels, held)
        if not asked.any():
            raise UsageError("The test set has none of the classes that were drawn.", "Give another seed.")
        return Split(train[~known], test[asked], train[known])
    return _sampled(_SAMPLED[protocol], np.concatenate([train_labels, test_labels]), random)


def unseen_classes(train_labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """The classes that `unseen` draws for a seed, sorted."""
    return _held_classes(train_labels, np.random.default_rng(seed))


def _held_classes(labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    classes = np.unique(labels)
    count = max(1, int(_UNSEEN * len(classes) + 0.5))
    if len(classes) - count < 2:
        raise UsageError(
            f"{len(classes)} classes are too few to keep some unseen: two at least must train.",
            "Give a data set with three classes or more, or choose the protocol cifar10-2.",
        )
    return np.sort(random.permutation(classes)[:count])


def _sampled(sizes: _Sampled, labels: NDArray[np.int64], random: np.random.Generator) -> Split:
    queries, train, rest = [], [], []
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        if len(places) <= sizes.queries + sizes.train:
            raise UsageError(
                f"Class {label} has {len(places)} pictures; this protocol takes {sizes.queries + sizes.train} of each "
                "and leaves some.",
                "Choose the protocol cifar10-2 or unseen.",
            )
        queries.append(places[: sizes.queries])
        train.append(places[sizes.queries : sizes.queries + sizes.train])
        rest.append(places[sizes.queries + sizes.train :])
    asked, trained = np.sort(np.concatenate(queries)), np.sort(np.concatenate(train))
    database = np.concatenate([*rest, trained] if sizes.with_train else rest)
    return Split(trained, asked, np.sort(database))
