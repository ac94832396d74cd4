"""The one door: names, folders, splits, sizes, and what is said when something is missing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firebit.data import load, names
from firebit.data.load import KNOWN, data_root, folder_of, found_folder
from firebit.errors import DataError, UsageError

HOME = Path.home() / ".cache" / "firebit" / "data"


def test_names() -> None:
    assert names() == ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100")


def test_where_data_sets_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIREBIT_DATA", str(tmp_path))
    assert folder_of("mnist") == tmp_path / "mnist"
    assert folder_of("cifar10", Path("other")) == Path("other/cifar-10-batches-bin")
    assert folder_of("digits") is None
    monkeypatch.delenv("FIREBIT_DATA")
    assert data_root() == HOME
    monkeypatch.setenv("FIREBIT_DATA", "~/pictures")
    assert data_root() == Path.home() / "pictures"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_a_data_set_that_is_not_here(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        load(name, root=tmp_path)
    assert str(tmp_path / (KNOWN[name].folder or "")) in caught.value.problem
    assert f"firebit data fetch {name}" in caught.value.remedy
    assert "--from" in caught.value.remedy


def test_an_unknown_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="'mnits'") as caught:
        load("mnits")
    assert "Did you mean 'mnist'?" in caught.value.remedy
    with pytest.raises(DataError, match="no data set or folder 'zzz'"):
        folder_of("zzz")


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file is no folder"):
        load(str(tmp_path / "file"))
    with pytest.raises(DataError, match="nothing is not there"):
        load(tmp_path / "nothing")


def test_a_name_wins_over_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idx_folder: Callable[..., Path]
) -> None:
    idx_folder(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert len(load("digits")) == 6000
    assert len(load("./digits")) == 6
    assert len(load(Path("digits"))) == 6
    monkeypatch.chdir(tmp_path / "digits")
    assert load(".").name == "digits-train"


def test_a_folder_by_its_name_below_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Callable[..., Path]
) -> None:
    root, here = tmp_path / "root", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for split in ("train", "test"):
        for kind in ("cat", "dog"):
            picture(root / "pets" / split / kind / "a.png")
    assert found_folder("pets", root) == root / "pets"
    assert load("pets", "test", root=root).classes == ("cat", "dog")
    # Only a plain name, and a folder here comes first.
    assert found_folder("pets/train", root) is None
    assert found_folder(Path("pets"), root) is None
    (here / "pets").mkdir()
    assert found_folder("pets", root) == Path("pets")
    assert found_folder("nowhere", root) is None


def test_wrong_arguments() -> None:
    with pytest.raises(UsageError, match="split='val'"):
        load("digits", "val")
    for size in (0, -1, 10**6):
        with pytest.raises(UsageError, match="size="):
            load("digits", size=size)


def test_an_incomplete_named_set(tmp_path: Path, idx_folder: Callable[..., Path]) -> None:
    """A set cut off between two pictures is well-formed, but its figures would be wrong."""
    idx_folder(tmp_path / "mnist")
    with pytest.raises(DataError, match="holds 6 train pictures; mnist has 60000"):
        load("mnist", root=tmp_path)
    assert load(tmp_path / "mnist").name == "mnist-train"


def test_named_sets_use_their_own_class_names(
    tmp_path: Path, idx_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    idx_folder(tmp_path / "fashion-mnist", packed=True)
    monkeypatch.setitem(KNOWN, "fashion-mnist", replace(KNOWN["fashion-mnist"], counts=(6, 3)))
    data = load("fashion-mnist", "test", root=tmp_path)
    assert data.classes[0] == "T-shirt/top"
    assert len(data.classes) == 10
    assert data.name == "fashion-mnist-test"


def test_cifar_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    (folder / "test.bin").write_bytes(bytes([1, 2]) + bytes(3072))
    assert load(folder, "test").labels.tolist() == [2]
    monkeypatch.setitem(KNOWN, "cifar100", replace(KNOWN["cifar100"], counts=(1, 1)))
    data = load("cifar100", "test", root=tmp_path)
    assert (data.name, data.images.shape) == ("cifar100-test", (1, 3, 32, 32))
    with pytest.raises(DataError, match=r"no train\.bin"):
        load("cifar100", "train", root=tmp_path)


def test_picture_folders_and_sizes(tmp_path: Path, picture: Callable[..., Path]) -> None:
    for name in ("cat", "dog"):
        for number in range(5):
            picture(tmp_path / "animals" / name / f"{number}.png", number, (number + 4, 5))
    data = load(tmp_path / "animals", "test", size=4)
    assert data.images.shape == (2, 3, 4, 4)
    assert data.name == "animals-test"
    with pytest.raises(DataError, match="pixels"):
        load(tmp_path / "animals")
    (tmp_path / "animals" / "cat" / "9.png").write_bytes(b"")
    skipped = load(tmp_path / "animals", "train", size=4, on_bad_image="skip").skipped
    skipped += load(tmp_path / "animals", "test", size=4, on_bad_image="skip").skipped
    assert skipped == ("cat/9.png",)


def test_size_of_array_sets(tmp_path: Path, idx_folder: Callable[..., Path]) -> None:
    data = load(idx_folder(tmp_path), size=8)
    assert data.images.shape == (6, 1, 8, 8)
    assert data.labels.tolist() == load(tmp_path).labels.tolist()


@pytest.mark.skipif(not (HOME / "mnist").is_dir(), reason="needs MNIST in the default folder")
def test_the_real_mnist() -> None:
    data = load("mnist", "test", root=HOME)
    # Counts of the digits in the test set, as its makers state them.
    assert np.bincount(data.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.slow
@pytest.mark.skipif(not (HOME / "cifar-10-batches-bin").is_dir(), reason="needs CIFAR-10 in the default folder")
def test_the_real_cifar10() -> None:
    train, test = load("cifar10", root=HOME), load("cifar10", "test", root=HOME)
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    # The means of the training set that everyone normalises with.
    means = train.images.mean(axis=(0, 2, 3)) / 255
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=5e-5)
