"""A layer of a compiled network as an encoder of a store."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firebit as fb
from firebit.errors import UsageError
from firebit.search import CodeStore, LayerEncoder, unpack
from firebit.search.encoder import as_encoder


@pytest.fixture(scope="module")
def network() -> "fb.engine.network.Network":
    return fb.load("mnist-lenet", threads=1)


def digits(count: int) -> np.ndarray:
    return fb.data.load("digits", "test").images[:count]


def test_codes_are_those_of_the_layer(network: "fb.engine.network.Network") -> None:
    images = digits(5)
    for layer in (*network.layers, None):
        encoder = LayerEncoder(network, layer)
        assert np.array_equal(encoder.codes(images), network.codes(images, layer))
        assert encoder.bits == network.bits(images[:1], layer).size
    assert LayerEncoder(network).fingerprint == LayerEncoder(network, network.layers[-1]).fingerprint
    prints = {LayerEncoder(network, layer).fingerprint for layer in network.layers}
    assert len(prints) == len(network.layers)


def test_real_values_have_the_signs_of_the_bits(network: "fb.engine.network.Network") -> None:
    images = digits(20)
    for layer in network.layers[1:]:
        encoder = LayerEncoder(network, layer)
        reals = encoder.reals(images)
        assert reals.shape == (20, encoder.bits)
        assert np.array_equal(reals >= 0, unpack(encoder.codes(images), encoder.bits))


def test_real_values_are_margins_over_the_norm_of_the_weights(network: "fb.engine.network.Network") -> None:
    images, name = digits(4), network.layers[-1]
    (term,) = network.plan.layer(name).terms
    norm = np.linalg.norm(term.weights[13].astype(float).ravel())
    unit = 13 * int(np.prod(network.units(name)[1:]))
    margins = network.margins(images, name, [unit])[:, 0]
    assert LayerEncoder(network).reals(images)[:, unit] == pytest.approx(margins / norm, rel=1e-6)


def test_pictures_find_themselves(network: "fb.engine.network.Network", tmp_path: Path) -> None:
    files = []
    for number, image in enumerate(digits(30)):
        files.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(image[0]).save(files[-1])
    with CodeStore.open(tmp_path / "digits.db", encoder=network) as store:
        store.upsert(files, files)
        found = store.search(files, k=3, rerank_by="encoder")
        assert [hits[0].id for hits in found] == files
        assert all(hits[0].distance == hits[0].cost == 0 for hits in found)
        with pytest.raises(UsageError, match="codes of 500 bits"):
            CodeStore.open(tmp_path / "digits.db", encoder=network, layer=network.layers[0])
    with CodeStore.open(tmp_path / "digits.db") as store:
        assert store.fingerprint == f"{network.fingerprint}:{network.layers[-1]}"


def test_what_is_no_encoder(network: "fb.engine.network.Network", tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="makes no codes"):
        as_encoder(3)
    with pytest.raises(UsageError, match="no hidden layer"):
        as_encoder(network, "none")
    with pytest.raises(UsageError, match="network only"):
        as_encoder(LayerEncoder(network), "fc1")
    with pytest.raises(UsageError, match="without an encoder"):
        CodeStore.open(tmp_path / "a.db", 8, layer="fc1")
    with pytest.raises(UsageError, match="bits, not 8"):
        CodeStore.open(tmp_path / "a.db", 8, network)
    with pytest.raises(UsageError, match="not that of the encoder"):
        CodeStore.open(tmp_path / "a.db", encoder=network, fingerprint="x")
    for options, says in (({"recall": 0}, "recall=0"), ({"threads": 0}, "threads=0"), ({"recall": "a"}, "recall='a'")):
        with pytest.raises(UsageError, match=says):
            CodeStore.open(tmp_path / "a.db", 8, **options)  # type: ignore[arg-type]
    for url in ("postgres://host/x", "://"):
        with pytest.raises(UsageError, match="no backend"):
            CodeStore.connect(url, 8)
    assert list(tmp_path.iterdir()) == []
