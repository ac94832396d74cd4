"""What single segments do, against pictures that are made here."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import firebit as fb
from firebit.errors import UsageError
from firebit.explain import effects


def test_margins_and_logits_without_each_segment() -> None:
    digits, network = fb.data.load("digits", "test"), fb.load("mnist-lenet", threads=1)
    picture = digits.images[5]
    found = effects(network, picture, segments=16, fill="black")
    assert found.margins.shape == (16, 500)
    for index in range(16):
        changed = picture.copy()
        changed[:, found.segments == index] = 0
        assert (found.margins[index] == network.margins(changed)[0]).all()
        assert (found.logits[index] == network.logits(changed)[0]).all()
    assert (found.before == network.margins(picture)[0]).all()
    assert (found.logits_before == network.logits(picture)[0]).all()
    bits = np.concatenate([network.bits(np.where(found.segments == index, 0, picture)) for index in range(16)])
    assert (found.flips == (bits != network.bits(picture))).all()


def test_the_square_is_what_flips_its_detector(planted: Callable[..., Any]) -> None:
    world = planted(each=1)
    found = effects(world.network, world.images[0], method="felzenszwalb")
    flipping = np.isin(found.segments, np.flatnonzero(found.flips[:, 0]))
    assert (flipping & world.squares[0]).sum() / (flipping | world.squares[0]).sum() >= 0.8
    assert (found.flips[:, 4] == found.flips[:, 0]).all()
    assert found.logits.shape == (len(found.margins), 0)


def test_pictures_of_another_size(planted: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="not of the network's size"):
        effects(planted(each=1).network, np.zeros((3, 8, 8), np.uint8))
