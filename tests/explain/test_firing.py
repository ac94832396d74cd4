"""Firing matrices: counts against plain Python, parts that add up, and what is refused."""

import operator
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import firebit as fb
from firebit.engine.network import Network
from firebit.engine.plan import Input, Layer, Plan, Term
from firebit.errors import DataError, ModelFileError, UsageError
from firebit.explain import Firing, firing, load_firing


def tiny(names: tuple[str, ...] = ()) -> Network:
    """Six units on 2×2 grey pixels: a pixel above 100, another, the first again, its opposite, always, never."""
    weights = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0] * 4, [1, 0, 0, 0]], np.int16)
    threshold = np.array([[101, 101, 101, 100, 0, 256]], np.int32)
    layer = Layer("fc", (Term("input", weights),), threshold, np.array([1, 1, 1, -1, 0, 1], np.int8))
    return Network(Plan(Input((1, 2, 2)), (layer,), None, names), threads=1)


IMAGES = np.random.default_rng(3).integers(0, 256, (50, 1, 2, 2), np.uint8)
LABELS = np.arange(50) % 3
CLASSES = ("a", "b", "c", "nobody")


def counted(**more: Any) -> Firing:
    return firing(tiny(), IMAGES, LABELS, CLASSES, **more)


def test_counts_are_those_of_plain_python() -> None:
    found = counted(together=True)
    fires = [[image[0, 0, 0] > 100, image[0, 0, 1] > 100] for image in IMAGES]
    for label in range(4):
        for unit in range(2):
            expected = sum(bits[unit] for bits, other in zip(fires, LABELS, strict=True) if other == label)
            assert found.counts[label, unit] == expected
    assert found.sizes.tolist() == [17, 17, 16, 0]
    assert found.pictures == 50
    assert found.base[4] == 1
    assert found.base[5] == 0
    assert found.together is not None
    assert found.together[0, 1] == sum(first and second for first, second in fires)


def test_rates_of_a_class_without_pictures_are_not_numbers() -> None:
    rates = counted().rates
    assert np.isnan(rates[3]).all()
    assert not np.isnan(rates[:3]).any()


@pytest.mark.parametrize("batch", [1, 7, 50, None])
def test_batches_do_not_matter(batch: int | None) -> None:
    found, whole = counted(batch=batch, together=True), counted(together=True)
    for name in ("counts", "sizes", "signatures", "signature", "together"):
        assert (getattr(found, name) == getattr(whole, name)).all()


def test_parts_in_any_order_add_up_to_the_whole() -> None:
    parts = [slice(40, 50), slice(0, 13), slice(13, 40)]
    made = (firing(tiny(), IMAGES[part], LABELS[part], CLASSES, together=True) for part in parts)
    found, whole = reduce(operator.add, made), counted(together=True)
    for name in ("counts", "sizes", "signatures", "signature", "together"):
        assert (getattr(found, name) == getattr(whole, name)).all()


def test_units_of_the_same_bits_have_the_same_signature() -> None:
    found = counted()
    assert found.signatures[0] == found.signatures[2] != found.signatures[1]
    assert (found.signatures[:1] + found.signatures[3:4] == found.signature).all()
    assert found.signatures[4] == found.signature[0]
    assert found.signatures[5] == 0


def test_correlation_is_that_of_numpy() -> None:
    found = counted(together=True).correlation()
    bits = tiny().bits(IMAGES).astype(float)
    np.testing.assert_allclose(found[:4, :4], np.corrcoef(bits[:, :4].T), atol=1e-12)
    assert (found[4:] == 0).all()


def test_correlation_needs_pairs() -> None:
    with pytest.raises(UsageError, match="Pairs of units were not counted"):
        counted().correlation()


def test_units_of_a_convolution_by_place_and_by_channel(planted: Callable[..., Any]) -> None:
    world = planted(each=2)
    places = firing(world.network, world.images, world.labels, world.classes, layer="squares")
    channels = firing(world.network, world.images, world.labels, world.classes, layer="squares", by="channel")
    bits = world.network.bits(world.images, "squares")
    assert places.shape == (4, 25, 25)
    assert places.totals.tolist() == bits.sum(0, dtype=int).reshape(-1).tolist()
    assert places.unit_name(625 + 25 * 3 + 4) == "1@3,4"
    assert channels.shape == (4,)
    assert channels.totals.tolist() == bits.any((2, 3)).sum(0).tolist()
    assert channels.unit_name(3) == "3"
    expected = bits[world.labels == 0].mean((0, 2, 3))
    np.testing.assert_allclose(places.channel_rates()[0], expected, atol=1e-12)


def test_classes_have_the_names_given_or_numbers() -> None:
    assert firing(tiny(), IMAGES, LABELS).classes == ("0", "1", "2")
    assert counted().classes == CLASSES


def test_classes_have_the_names_of_the_network() -> None:
    digits = fb.data.load("digits", "test")
    found = firing(fb.load("mnist-lenet", threads=1), digits.images[:20], digits.labels[:20])
    assert found.classes == digits.classes


def test_pictures_of_mixed_sizes_are_brought_to_the_network(tmp_path: Path) -> None:
    from PIL import Image

    files = []
    for index, size in enumerate([(2, 2), (4, 9), (7, 3)]):
        Image.new("L", size, 90 * index).save(tmp_path / f"{index}.png")
        files.append(tmp_path / f"{index}.png")
    found = firing(tiny(), files, [0, 1, 1], ("dark", "light"))
    assert found.counts[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "classes", "problem"),
    [
        (None, CLASSES, "do not fit 50 pictures"),
        (LABELS[:49], CLASSES, "do not fit 50 pictures"),
        (LABELS.astype(float), CLASSES, "do not fit 50 pictures"),
        (LABELS, ("a", "b"), "Labels go from 0 to 2; there are 2 classes"),
        (LABELS - 1, CLASSES, "Labels go from -1 to 1"),
    ],
)
def test_labels_that_do_not_fit(labels: Any, classes: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        firing(tiny(), IMAGES, labels, classes)


def test_no_pictures() -> None:
    with pytest.raises(DataError, match="no pictures"):
        firing(tiny(), IMAGES[:0], LABELS[:0], CLASSES)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"layer": "fx"}, "no hidden layer 'fx'"),
        ({"by": "pixel"}, "by='pixel' is not known"),
        ({"batch": 0}, "batch=0 is not a number"),
    ],
)
def test_what_there_is_not(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        counted(**more)


def test_the_layer_of_the_logits_is_not_binary() -> None:
    digits, network = fb.data.load("digits", "test"), fb.load("mnist-lenet", threads=1)
    assert network.plan.logits is not None
    with pytest.raises(UsageError, match="is not binary"):
        firing(network, digits.images[:5], digits.labels[:5], layer=network.plan.logits.name)


def test_matrices_of_other_classes_do_not_add_up(matrix: Callable[..., Firing]) -> None:
    with pytest.raises(UsageError, match="different classes"):
        matrix([[1]], [2], ("a",)) + matrix([[1]], [2], ("b",))
    with pytest.raises(UsageError, match="different networks"):
        counted() + matrix([[1]], [2], ("a",))


def test_saved_and_loaded(tmp_path: Path) -> None:
    whole = counted(together=True)
    whole.save(tmp_path / "firing.safetensors")
    found = load_firing(tmp_path / "firing.safetensors")
    for name in ("counts", "sizes", "signatures", "signature", "together"):
        assert (getattr(found, name) == getattr(whole, name)).all()
    for name in ("classes", "layer", "shape", "by", "fingerprint"):
        assert getattr(found, name) == getattr(whole, name)


def test_a_file_of_another_kind_is_refused(tmp_path: Path, matrix: Callable[..., Firing]) -> None:
    with pytest.raises(ModelFileError):
        load_firing(tmp_path / "missing")
    from firebit.files import save_tensors

    save_tensors(tmp_path / "other", {"counts": np.zeros((1, 1), np.int64)}, {"kind": "something"})
    with pytest.raises(ModelFileError, match="no firing matrix"):
        load_firing(tmp_path / "other")


@pytest.mark.parametrize(
    ("counts", "sizes"), [([[3]], [2]), ([[-1]], [2]), ([[1]], [-2]), ([[1, 1]], [2, 2]), ([[1], [1]], [2])]
)
def test_numbers_that_are_no_counts(matrix: Callable[..., Firing], counts: Any, sizes: Any) -> None:
    with pytest.raises(UsageError, match="no firing matrix"):
        matrix(counts, sizes)


def test_too_many_counts_are_refused_before_memory_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firebit.explain.counter.MOST_COUNTS", 20)
    with pytest.raises(UsageError, match="6 units of 4 classes are too many"):
        counted()
    monkeypatch.setattr("firebit.explain.counter.MOST_COUNTS", 30)
    with pytest.raises(UsageError, match="too many pairs"):
        counted(together=True)
