"""What an image set accepts, its fingerprint, and stratified splits."""

import hashlib
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.data import ImageSet, split
from firebit.data.image_set import held_out
from firebit.errors import DataError, UsageError


def image_set(labels: list[int], classes: int = 3, channels: int = 1) -> ImageSet:
    images = np.arange(len(labels) * channels * 4, dtype=np.uint8).reshape(len(labels), channels, 2, 2)
    return ImageSet(images, np.array(labels, np.int64), tuple(f"c{n}" for n in range(classes)), "toy")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": np.zeros((3, 1, 2, 2), np.float32)}, "float32"),
        ({"images": np.zeros((3, 2, 2), np.uint8)}, r"\(3, 2, 2\)"),
        ({"images": np.zeros((3, 4, 2, 2), np.uint8)}, r"\(3, 4, 2, 2\)"),
        ({"images": np.zeros((0, 1, 2, 2), np.uint8), "labels": np.zeros(0, np.int64)}, r"\(0, 1, 2, 2\)"),
        ({"images": np.zeros((3, 1, 0, 2), np.uint8)}, r"\(3, 1, 0, 2\)"),
        ({"labels": np.zeros(3, np.int32)}, "int32"),
        ({"labels": np.zeros(2, np.int64)}, "for 3 pictures"),
        ({"labels": np.array([0, 3, 1])}, "label 3 of picture 1"),
        ({"labels": np.array([0, 1, -1])}, "label -1 of picture 2"),
        ({"classes": ("a",)}, "1 class:"),
        ({"classes": ()}, "0 classes:"),
        ({"classes": ("a", "b", "a")}, "'a'"),
    ],
)
def test_wrong_parts_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        replace(image_set([0, 1, 2]), **changes)
    assert caught.value.problem.startswith("toy: ")
    assert "\n" not in caught.value.problem + caught.value.remedy


def test_it_is_frozen_and_counts_pictures() -> None:
    data = image_set([0, 1, 2, 1])
    assert len(data) == 4
    with pytest.raises(FrozenInstanceError):
        data.name = "other"  # type: ignore[misc]


def test_subset_copies_in_order() -> None:
    data = image_set([0, 1, 2, 1])
    part = data.subset([3, 0])
    np.testing.assert_array_equal(part.images, data.images[[3, 0]])
    assert part.labels.tolist() == [1, 0]
    part.images[:] = 0
    assert data.images[3].any()
    assert data.subset(np.array([False, True, False, True])).labels.tolist() == [1, 1]


@pytest.mark.parametrize("indices", [[], [4], [-1], [[0, 1]], [0.5], [True, False]])
def test_subset_refuses_bad_indices(indices: list[object]) -> None:
    with pytest.raises(UsageError, match="4 pictures"):
        image_set([0, 1, 2, 1]).subset(indices)  # type: ignore[arg-type]


def test_fingerprint_is_the_sha256_it_says() -> None:
    data = ImageSet(np.array([[[[7]]], [[[9]]]], np.uint8), np.array([1, 0]), ("a", "ü"), "x")
    header = b'firebit image set 1\n{"shape": [2, 1, 1, 1], "classes": ["a", "\\u00fc"]}\n'
    labels = b"\x01" + bytes(7) + bytes(8)
    assert data.fingerprint() == hashlib.sha256(header + b"\x07\x09" + labels).hexdigest()


def test_fingerprint_sees_every_part_and_no_layout() -> None:
    data = image_set([0, 1, 2, 1], channels=3)
    same = replace(data, name="y", images=np.asfortranarray(data.images))
    assert same.fingerprint() == data.fingerprint()
    pixel = data.images.copy()
    pixel[0, 0, 0, 0] ^= 1
    others = [
        replace(data, images=pixel),
        replace(data, images=data.images.reshape(4, 3, 1, 4)),
        replace(data, labels=np.array([0, 1, 2, 2])),
        replace(data, classes=("c0", "c1", "other")),
    ]
    assert len({data.fingerprint(), *(other.fingerprint() for other in others)}) == 5


@given(
    st.lists(st.integers(0, 2), min_size=2, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 2**64 - 1),
)
def test_held_out_is_stratified(labels: list[int], fraction: float, seed: int) -> None:
    chosen = held_out(np.array(labels), fraction, seed)
    for label in set(labels):
        members = np.array(labels) == label
        count, held = int(members.sum()), int(chosen[members].sum())
        if count == 1:
            assert held == 0
        else:
            assert 1 <= held <= count - 1
            assert abs(held - fraction * count) <= 0.5 or held in (1, count - 1)
    np.testing.assert_array_equal(chosen, held_out(np.array(labels), fraction, seed))


def test_split_parts_are_disjoint_whole_and_in_order() -> None:
    labels = [n % 3 for n in range(60)]
    data = ImageSet(np.arange(60, dtype=np.uint8).reshape(60, 1, 1, 1), np.array(labels), ("a", "b", "c"), "toy-train")
    kept, held = split(data, 0.25, seed=4)
    assert (len(kept), len(held)) == (45, 15)
    assert np.bincount(held.labels).tolist() == [5, 5, 5]
    assert sorted([*kept.images.ravel().tolist(), *held.images.ravel().tolist()]) == list(range(60))
    assert (np.diff(kept.images.ravel().astype(int)) > 0).all()
    assert (kept.name, held.name) == ("toy-train/kept", "toy-train/held-out")
    assert split(data, 0.25, seed=4)[1].fingerprint() == held.fingerprint()
    assert split(data, 0.25, seed=5)[1].fingerprint() != held.fingerprint()


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_split_refuses_other_fractions(fraction: float) -> None:
    with pytest.raises(UsageError, match="fraction="):
        split(image_set([0, 1, 0, 1]), fraction, 0)


def test_split_needs_two_pictures_of_a_class() -> None:
    with pytest.raises(DataError, match="no class has two pictures"):
        split(image_set([0, 1, 2]), 0.5, 0)
