"""Hashes of pictures: what they depend on."""

import numpy as np

from firebit.explain.counter import Counter, hashes


def test_hashes_depend_on_the_pixels_alone() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 4), np.uint8)
    found = hashes(pictures)
    assert found.dtype == np.uint64
    assert len(set(found.tolist())) == 6
    assert (hashes(pictures[::-1]) == found[::-1]).all()
    assert (hashes(np.asfortranarray(pictures)) == found).all()


def test_batches_of_one_class_and_of_none_are_added_up() -> None:
    counter = Counter(3, 2, True)
    counter.add(np.array([[1, 0], [1, 1]], np.uint8), np.array([2, 2]), np.array([5, 6], np.uint64))
    counter.add(np.array([[0, 1], [1, 1]], np.uint8), np.array([2, 0]), np.array([7, 8], np.uint64))
    assert counter.counts.tolist() == [[1, 1], [0, 0], [2, 2]]
    assert counter.signatures.tolist() == [19, 21]
    assert counter.signature.tolist() == [26]
    assert counter.together is not None
    assert counter.together.tolist() == [[3, 2], [2, 3]]
