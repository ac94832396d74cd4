"""Trees as ImageNet has them: where files lie, the order of classes, and classes that do not fit each other."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from firebit.data.tree import find_tree, open_classes, open_tree
from firebit.errors import DataError

FIRST, SECOND = "n01440764", "n01443537"


@pytest.fixture
def tree(few_photos: Path, tmp_path: Path) -> Path:
    return shutil.copytree(few_photos, tmp_path / "tree")


@pytest.mark.parametrize("inner", [".", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC"])
def test_the_folder_with_train_is_found(tmp_path: Path, inner: str) -> None:
    assert find_tree(tmp_path) is None
    (tmp_path / inner / "train").mkdir(parents=True)
    assert find_tree(tmp_path) is None
    (tmp_path / inner / "train" / "a").mkdir()
    found = find_tree(tmp_path)
    assert found is not None and found.resolve() == (tmp_path / inner).resolve()


def test_files_and_labels(few_photos: Path) -> None:
    train, test = (open_tree(few_photos, split, split) for split in ("train", "test"))
    assert train.classes == test.classes == (FIRST, SECOND, "n01484850")
    assert np.bincount(train.labels).tolist() == [20, 20, 20]
    assert np.bincount(test.labels).tolist() == [6, 6, 6]
    assert train.notes == ("classes in the order of their sorted wnids",)
    for index in (0, 19, 20, 59):
        path = Path(train.called(index))
        assert path.parent.name == train.classes[train.labels[index]]
        assert train.content(index) == path.read_bytes()


def test_an_order_of_classes_changes_labels_and_nothing_else(few_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "order").write_text(f"{SECOND}\nn01484850\n{FIRST}\n")
    plain, ordered = open_tree(few_photos, "train", "x"), open_tree(few_photos, "train", "x", tmp_path / "order")
    assert [ordered.called(index) for index in range(60)] == [plain.called(index) for index in range(60)]
    names = [[each.classes[label] for label in each.labels] for each in (plain, ordered)]
    assert names[0] == names[1]
    assert ordered.classes == (SECOND, "n01484850", FIRST)
    assert ordered.fingerprint() != plain.fingerprint() == open_tree(few_photos, "train", "y").fingerprint()


def test_an_epoch_is_a_permutation(few_photos: Path) -> None:
    source = open_tree(few_photos, "train", "x")
    first = source.order(1, 0)
    assert sorted(first.tolist()) == list(range(60)) and first.tolist() != source.order(1, 1).tolist()


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_classes_of_one_folder_only(tree: Path, change: str) -> None:
    if change == "missing":
        shutil.rmtree(tree / "val" / SECOND)
    else:
        shutil.copytree(tree / "val" / SECOND, tree / "val" / "n99999999")
    with pytest.raises(DataError, match=r"Classes differ, only in .*: n(01443537|99999999)"):
        open_tree(tree, "train", "x")


def swap(folder: Path) -> None:
    (folder / FIRST).rename(folder / "spare")
    (folder / SECOND).rename(folder / FIRST)
    (folder / "spare").rename(folder / SECOND)


def test_swapped_training_folders_are_told_by_names(tree: Path) -> None:
    swap(tree / "train")
    with pytest.raises(DataError, match=rf"train: {FIRST} and {SECOND} are swapped \(20 and 20 files\)"):
        open_tree(tree, "train", "x")


def test_swapped_validation_folders_are_told_by_ground_truth(tree: Path) -> None:
    swap(tree / "val")
    # Names of these files tell nothing.
    open_tree(tree, "test", "x")
    rows = [f"ILSVRC2012_val_{n:08},{(FIRST, SECOND, 'n01484850')[(n - 1) // 6]} 1 2 3 4" for n in range(1, 19)]
    (tree / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]))
    with pytest.raises(DataError, match=rf"val: {FIRST} and {SECOND} are swapped \(6 and 6 files\)"):
        open_tree(tree, "test", "x")
    swap(tree / "val")
    assert len(open_tree(tree, "test", "x").labels) == 18


def test_validation_pictures_in_one_folder(tree: Path) -> None:
    foldered = open_tree(tree, "test", "x")
    for path in list((tree / "val").glob("*/*")):
        path.rename(tree / "val" / path.name)
    for name in foldered.classes:
        (tree / "val" / name).rmdir()
    with pytest.raises(DataError, match="no ground truth is near"):
        open_tree(tree, "test", "x")
    rows = [f"ILSVRC2012_val_{n:08},{foldered.classes[(n - 1) // 6]} 1 2 3 4" for n in range(1, 19)]
    table = tree / "LOC_val_solution.csv"
    table.write_text("\n".join(["ImageId,PredictionString", *rows]))
    flat = open_tree(tree, "test", "x")
    assert flat.labels.tolist() == foldered.labels.tolist()
    assert flat.notes[1] == "labels from LOC_val_solution.csv"
    assert flat.content(7) == Path(flat.called(7)).read_bytes()
    table.write_text("\n".join(["ImageId,PredictionString", *rows[:-1]]))
    with pytest.raises(DataError, match=r"tells no class of .*00000018"):
        open_tree(tree, "test", "x")


def test_what_is_missing_is_named(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "val")
    assert len(open_tree(tree, "train", "x").labels) == 60
    with pytest.raises(DataError, match="no folder test or val"):
        open_tree(tree, "test", "x")
    for file in (tree / "train" / SECOND).iterdir():
        file.unlink()
    with pytest.raises(DataError, match=f"{SECOND} holds no pictures"):
        open_tree(tree, "train", "x")
    shutil.rmtree(tree / "train" / SECOND)
    shutil.rmtree(tree / "train" / FIRST)
    with pytest.raises(DataError, match="one class folder only"):
        open_tree(tree, "train", "x")


def test_class_folders_alone(few_photos: Path) -> None:
    source = open_classes(few_photos / "train", "x")
    assert source.labels.tolist() == open_tree(few_photos, "train", "x").labels.tolist()


def test_a_file_that_has_gone(tree: Path) -> None:
    source = open_tree(tree, "train", "x")
    Path(source.called(3)).unlink()
    with pytest.raises(DataError, match="No such file"):
        source.content(3)


def test_another_version_of_the_same_files_has_another_fingerprint(tree: Path) -> None:
    before = open_tree(tree, "train", "x").fingerprint()
    path = next((tree / "train" / FIRST).iterdir())
    path.write_bytes(path.read_bytes() + b"\0")
    assert open_tree(tree, "train", "x").fingerprint() != before


def test_names_that_are_no_utf_8_are_read(tree: Path) -> None:
    source = next((tree / "train" / FIRST).iterdir())
    odd = os.path.join(os.fsencode(tree / "train" / FIRST), b"\xff.jpg")  # noqa: PTH118
    os.rename(os.fsencode(source), odd)  # noqa: PTH104
    found = open_tree(tree, "train", "x")
    assert any(found.called(index).encode("utf-8", "surrogateescape") == odd for index in range(60))
    assert all(found.content(index) for index in range(60))
