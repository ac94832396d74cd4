"""Pictures that statistics are estimated with: those of the set, changed as training changes them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from firebit.data import ImageSet
from firebit.train import Recipe
from firebit.train.sample import sample

Tiny = Callable[..., Recipe]


def test_pictures_that_training_leaves_alone_come_in_order(tiny: Tiny, train_set: ImageSet) -> None:
    found = [x for x, _ in sample(train_set, tiny(augment={"crop": 0}), 30)]
    expected = torch.from_numpy(train_set.images[:30]).float() / 255
    assert torch.equal(torch.cat(found), expected)


def test_shifted_pictures_are_shifts_of_the_set(tiny: Tiny, train_set: ImageSet) -> None:
    pairs = list(sample(train_set, tiny(augment={"crop": 1}), 30))
    found, labels = torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])
    side = train_set.images.shape[-1]
    padded = np.pad(train_set.images, [(0, 0), (0, 0), (1, 1), (1, 1)])
    shifts = [padded[:, :, i : i + side, j : j + side] for i in range(3) for j in range(3)]
    originals = [
        {int(n) for shift in shifts for n in np.flatnonzero((shift == picture).all(axis=(1, 2, 3)))}
        for picture in (found * 255).round().to(torch.uint8).numpy()
    ]
    assert all(originals)
    assert all(int(y) in train_set.labels[list(few)] for y, few in zip(labels, originals, strict=True))
    assert {0} != {min(few) for few in originals}


@pytest.mark.parametrize("crop", [0, 2])
@pytest.mark.parametrize(("asked", "given"), [(7, 7), (30, 30), (10_000, None)])
def test_as_many_as_asked_for_and_the_same_again(
    tiny: Tiny, train_set: ImageSet, crop: int, asked: int, given: int | None
) -> None:
    some = sample(train_set, tiny(augment={"crop": crop}), asked)
    first, again = (torch.cat([x for x, _ in some]) for _ in range(2))
    assert torch.equal(first, again)
    assert len(first) == (given or len(train_set))
