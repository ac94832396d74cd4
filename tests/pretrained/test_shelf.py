"""Networks by name: what is there, what is meant, and that every one is whole."""

from pathlib import Path

import numpy as np
import pytest

import firebit as fb
from firebit.engine.record import read
from firebit.errors import ModelFileError
from firebit.pretrained import entry, find, names

LARGEST = 5_000_000


def test_there_is_one_for_digits() -> None:
    assert "mnist-lenet" in names()
    assert list(names()) == sorted(names())


@pytest.mark.parametrize("name", names())
def test_every_network_is_whole_and_its_card_says_what_it_is(name: str) -> None:
    found = entry(name)
    plan = read(found.file).plan
    assert found.file.stat().st_size <= LARGEST
    assert plan.logits is not None
    assert {"data", "net", "width", "weights", "top1", "pictures", "seed", "date"} == set(found.facts)
    assert found.card.startswith(f"# {name}: {found.facts['net']} on {found.facts['data']}\n")
    # The row of an exact file, and below it that of a fast one which was made of it.
    fast = plan.precision == "fast"
    rows = [line for line in found.card.splitlines() if line.startswith("| compiled")]
    assert [row.startswith("| compiled, fast |") for row in rows] == [False, True][: 1 + fast]
    assert f" {found.facts['top1']} " in rows[-1]
    assert found.facts["weights"].endswith("fast") is fast
    assert f"$ firebit predict {name} " in found.card
    # Weights of one bit, but for those of the layer that reads pixels.
    signs = {term.is_sign for layer in plan.sums_made for term in layer.terms if term.source != "input"}
    assert signs == {found.facts["weights"].startswith("±1")}


def test_the_digits_of_the_package_are_read_by_it() -> None:
    digits = fb.data.load("digits", "test")
    network = fb.load("mnist-lenet")
    assert network.classes == digits.classes
    accuracy = float((network.predict(digits.images) == digits.labels).mean())
    # These 2,000 are of MNIST's test set, on which it has the accuracy of its card.
    assert 100 * accuracy == pytest.approx(float(entry("mnist-lenet").facts["top1"]), abs=0.5)


def test_a_path_that_exists_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("mnist-lenet") == entry("mnist-lenet").file == find(Path("mnist-lenet"))
    (tmp_path / "mnist-lenet").write_bytes(b"something else")
    assert find("mnist-lenet") == Path("mnist-lenet")
    with pytest.raises(ModelFileError):
        fb.load("mnist-lenet")


@pytest.mark.parametrize("path", ["a.firebit", "runs/mnist-lenet", "./mnist-lenet", "x" * 2000 + "/y", "a\0b", ""])
def test_what_reads_like_a_path_is_one(path: str) -> None:
    assert find(path) == Path(path)


def test_an_unknown_name_has_a_nearest() -> None:
    with pytest.raises(ModelFileError, match="neither a file nor a pretrained network 'mnist-lent'") as caught:
        fb.load("mnist-lent")
    assert caught.value.remedy.startswith("Did you mean 'mnist-lenet'? ")
    with pytest.raises(ModelFileError) as caught:
        entry("../mnist-lenet")
    assert "mnist-lenet" in caught.value.remedy
    with pytest.raises(ModelFileError) as caught:
        fb.load("zebra")
    assert not caught.value.remedy.startswith("Did you mean")


def test_the_same_network_twice_is_the_same() -> None:
    pixels = np.zeros((2, 1, 28, 28), np.uint8)
    one, two = fb.load("mnist-lenet"), fb.load(entry("mnist-lenet").file)
    assert one.fingerprint == two.fingerprint
    assert np.array_equal(one.logits(pixels), two.logits(pixels))
