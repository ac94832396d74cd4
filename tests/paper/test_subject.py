"""Which networks are read: those named, those of the package, and ImageNet's where it is."""

from pathlib import Path

import numpy as np
import pytest

import firebit as fb
from firebit.data import ImageSet
from firebit.errors import DataError, ModelFileError
from firebit.paper import subject
from firebit.paper.subject import IMAGENET_RUN, Subject, subjects

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def of(classes: tuple[str, ...]) -> Subject:
    count = len(classes)
    pictures = ImageSet(np.zeros((count, 1, 28, 28), np.uint8), np.arange(count), classes, "some")
    return Subject("some", "Some", "some", fb.load("mnist-lenet", threads=1), pictures)


def test_concepts_of_cifar10() -> None:
    found = of(CIFAR).hierarchy()
    assert found is not None
    assert found.members["animal"] == {2, 3, 4, 5, 6, 7}
    assert found.members["vehicle"] == {0, 1, 8, 9}
    assert found.members["road vehicle"] == {1, 9}


def test_concepts_of_imagenet_and_of_digits() -> None:
    found = of(("n02085620", "n02123045")).hierarchy()
    assert found is not None
    assert found.source == "WordNet 3.0"
    assert of(("0", "1", "2")).hierarchy() is None


def test_a_run_is_known_by_its_recipe(run_folder: Path) -> None:
    (found,) = subjects([str(run_folder)], Path("none"))
    assert (found.name, found.title, found.target) == ("few", "few, lenet", run_folder.name)
    assert found.pictures.name == "few-test"
    assert found.network.layers == ("act1", "act2", "act3")
    assert found.relu is not None


def test_networks_of_the_package_need_their_data() -> None:
    with pytest.raises(DataError, match="cifar10"):
        subjects([], Path("none"))


def test_a_run_without_a_compiled_network(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no run with a compiled network"):
        subjects([str(tmp_path)], tmp_path)


@pytest.mark.parametrize(("run", "data"), [(True, True), (True, False), (False, True)])
def test_imagenet_is_read_where_its_run_and_its_pictures_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: bool, data: bool
) -> None:
    if run:
        (tmp_path / IMAGENET_RUN).mkdir()
        (tmp_path / IMAGENET_RUN / "model.firebit").touch()
    asked: list[str] = []
    monkeypatch.setattr(subject, "found_folder", lambda _: tmp_path if data else None)
    monkeypatch.setattr(subject, "_pretrained", lambda name: asked.append(name))
    monkeypatch.setattr(subject, "_of_run", lambda path: asked.append(path.name))
    subjects([], tmp_path)
    assert asked == ["cifar10-quick", "mnist-lenet", *([IMAGENET_RUN] if run and data else [])]
