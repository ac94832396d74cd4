"""Firebit as a contender computes what the network computes."""

import numpy as np

from firebit.engine.bench import Contender
from firebit.engine.bench import own as peer
from firebit.engine.network import load


def test_logits_are_those_of_the_network(own: Contender) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 5), np.uint8)
    run = peer.load(own.file, 1, 4)
    assert np.array_equal(run(peer.prepare(pictures[::-1])), load(own.file).logits(pictures[::-1].copy()))
