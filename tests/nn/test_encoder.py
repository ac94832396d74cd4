"""A torch model as an encoder, against its own modules and against its plan."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import firebit as fb
from firebit.errors import UsageError
from firebit.nn.encoder import Encoder
from firebit.search import CodeStore, LayerEncoder


def network() -> nn.Module:
    torch.manual_seed(0)
    soft = nn.Sequential(
        nn.Conv2d(1, 3, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 13), nn.ReLU(), nn.Linear(13, 4)
    )
    return fb.nn.harden(fb.nn.rectify(soft, torch.rand(4, 1, 28, 28)), torch.rand(4, 1, 28, 28))


def digits(count: int) -> np.ndarray:
    return fb.data.load("digits", "test").images[:count]


def test_codes_are_those_of_the_compiled_network() -> None:
    hard, images = network(), digits(50)
    plan = fb.compile(hard, torch.from_numpy(images[:2]).float() / 255)
    compiled = LayerEncoder(fb.engine.network.Network(plan, 1))
    encoder = Encoder(hard, compiled.layer, (1, 28, 28), batch=7)
    assert encoder.bits == compiled.bits == 13
    # Snapping moves a threshold by less than rounding: of 650 bits hardly one may differ.
    differing = np.unpackbits(encoder.codes(images) ^ compiled.codes(images)).sum()
    assert differing <= 2
    assert np.array_equal(
        encoder.reals(images) >= 0, np.unpackbits(encoder.codes(images), axis=1, count=13, bitorder="little")
    )


def test_the_fingerprint_tells_models_layers_and_sizes_apart() -> None:
    hard = network()
    same, other = Encoder(hard, "4", (1, 28, 28)), network()
    assert same.fingerprint == Encoder(other, "4", (1, 28, 28)).fingerprint
    with torch.no_grad():
        next(other.parameters())[0] += 0.1
    prints = {
        same.fingerprint,
        Encoder(other, "4", (1, 28, 28)).fingerprint,
        Encoder(hard, "1", (1, 28, 28)).fingerprint,
    }
    assert len(prints) == 3


def test_a_store_takes_it(tmp_path: Path) -> None:
    encoder = Encoder(network(), "1", (1, 28, 28))
    with CodeStore.open(tmp_path / "a.db", encoder=encoder) as store:
        store.upsert(["0", "1", "2"], digits(3))
        found = store.search(digits(3), k=1, rerank_by="encoder")
        assert [hits[0].cost for hits in found] == [0, 0, 0]
    assert len(encoder.codes(digits(0))) == 0


def test_what_it_cannot_encode() -> None:
    hard = network()
    with pytest.raises(UsageError, match="no module 'act'"):
        Encoder(hard, "act", (1, 28, 28))
    with pytest.raises(UsageError, match="does not take"):
        Encoder(hard, "4", (3, 28, 28))
