"""Batches whose memory is worked out by hand, and measured."""

import tracemalloc

import numpy as np
import pytest

from firebit.engine.batch import batch_size
from firebit.engine.network import Network
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.term import Term

MEMORY = 128 * 2**20


def layer(name: str, *terms: Term) -> Layer:
    channels = terms[0].channels
    return Layer(name, terms, np.zeros((1, channels), np.int32), np.ones(channels, np.int8))


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.int16)


def test_linear_layers_by_hand() -> None:
    """4 pixels and 6 bits are kept; 6 sums of 4 pixels are the widest, 2 logits of 6 bits are less."""
    logits = Logits("out", (Term("a", ones(2, 6)),), 1.0, np.zeros(2))
    plan = Plan(Input((1, 2, 2)), (layer("a", Term("input", ones(6, 4))),), logits)
    assert batch_size(plan) == MEMORY // (4 * (4 + 6) + 16 * (6 + 4))
    # Without its hidden layer's width, the logits are the widest.
    wide = Logits("out", (Term("a", ones(9, 6)),), 1.0, np.zeros(9))
    assert batch_size(Plan(plan.input, plan.layers, wide)) == MEMORY // (4 * (4 + 6) + 16 * (9 + 6))


def test_a_padded_convolution_by_hand() -> None:
    """A map of 5 × 6 becomes 8 × 9 with its padding; 6 × 7 sums in 3 channels are pooled to 3 × 3."""
    term = Term("input", ones(3, 2, 3, 3), padding=(1, 2, 0, 3), pool=Pool("max", (2, 2), (2, 2)))
    plan = Plan(Input((2, 5, 6)), (layer("a", term),))
    assert plan.values["a"].shape == (3, 3, 3)
    assert batch_size(plan) == MEMORY // (4 * (2 * 5 * 6 + 3 * 3 * 3) + 16 * (2 * 8 * 9 + 3 * 6 * 7))


def test_terms_add_up() -> None:
    """5 sums of 3 pixels and 5 of 7 bits in the last layer; what is kept is 3 + 7 + 5."""
    first = layer("a", Term("input", ones(7, 3)))
    last = layer("b", Term("input", ones(5, 3)), Term("a", ones(5, 7)))
    assert batch_size(Plan(Input((3,)), (first, last))) == MEMORY // (4 * (3 + 7 + 5) + 16 * (5 + 3 + 5 + 7))


def test_a_picture_larger_than_the_memory_comes_alone() -> None:
    plan = Plan(Input((1, 4096, 4096)), (layer("a", Term("input", ones(1, 1, 1, 1))),))
    assert batch_size(plan) == 1


@pytest.mark.parametrize("pooled", [False, True])
def test_a_batch_takes_about_the_memory(pooled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What NumPy really takes for one batch, margins included: the order of the memory, whatever the layers."""
    monkeypatch.setenv("FIREBIT_ISA", "numpy")
    pool = Pool("sum", (2, 2), (2, 2)) if pooled else None
    first = layer("a", Term("input", ones(16, 1, 3, 3), padding=(1, 1, 1, 1), pool=pool))
    second = layer("b", Term("a", ones(16, 16, 1, 1)))
    network = Network(Plan(Input((1, 64, 64)), (first, second)))
    images = np.zeros((2 * network.batch, 1, 64, 64), np.uint8)
    tracemalloc.start()
    network.margins(images, units=[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert MEMORY / 4 < peak < 2 * MEMORY
