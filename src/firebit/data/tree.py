"""Trees of pictures as ImageNet has them, read file by file: `train/CLASS/*.JPEG`, `val` with folders or without."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit.data.classes import ClassOrder, NameCheck, check_same, order_of
from firebit.data.folder import SUFFIXES
from firebit.data.source import Names, digest
from firebit.data.transforms import epoch_order
from firebit.data.truth import Truth, find_truth
from firebit.errors import DataError

_INNER = ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
_SIZES_ASKED = 1000


@dataclass(frozen=True, eq=False)
class TreeSource:
    """Picture files of one split (:class:`firebit.data.source.Source`), visited in a full permutation.

    Attributes:
        name: what reports call it.
        folder: where the class folders lie, or the files themselves.
        classes: names of the classes, in the order of the network's outputs.
        labels: int64 (N,).
        files: names of the files, sorted by class folder and name.
        notes: where the order of the classes comes from.
        flat: files lie in `folder` itself.
    """

    name: str
    folder: Path
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    files: Names
    notes: tuple[str, ...] = ()
    flat: bool = False

    def content(self, index: int) -> bytes:
        path = self._path(index)
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror}.", "Bring the file back.") from error

    def called(self, index: int) -> str:
        return str(self._path(index))

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        return epoch_order(len(self.labels), seed, epoch)

    def relabelled(self, classes: tuple[str, ...], labels: NDArray[np.int64]) -> "TreeSource":
        return replace(self, classes=classes, labels=labels)

    def fingerprint(self) -> str:
        # To ask for the size of every file takes minutes on a network; other versions of a data set differ in most.
        asked = np.unique(np.linspace(0, len(self.files) - 1, _SIZES_ASKED).astype(np.int64))
        sizes = [_size(self._path(index)) for index in asked.tolist()]
        return digest("tree", self.classes, self.labels, self.files.content, np.array(sizes, "<i8").tobytes())

    def _path(self, index: int) -> Path:
        file = self.files[index]
        return self.folder / file if self.flat else self.folder / self.classes[self.labels[index]] / file


def find_tree(root: Path) -> Path | None:
    """The folder below `root` that has `train` with class folders in it; None where there is none."""
    for inner in _INNER:
        train = root / inner / "train"
        if train.is_dir() and has_folders(train):
            return root / inner
    return None


def has_folders(folder: Path) -> bool:
    """Whether there is a folder in a folder."""
    with os.scandir(folder) as entries:
        return any(entry.is_dir() for entry in entries)


def open_tree(root: Path, split: str, name: str, classes: Path | None = None) -> TreeSource:
    """The pictures of one split of a tree.

    Args:
        root: has `train/CLASS/*` and, for the test set, `test` or `val`: class folders too, or the files alone with the
            devkit's ground truth near by (:func:`firebit.data.truth.find_truth`).
        split: "train" or "test".
        name: what to call it.
        classes: a file with the order of the classes; None: sorted.

    Raises:
        DataError: folders, files or classes are missing, differ between the splits, or lie in each other's place.
    """
    train, held_out = root / "train", held_out_folder(root)
    folders = _class_folders(train)
    order = order_of(folders, classes)
    inside = _class_folders(held_out) if held_out else []
    if held_out and inside:
        check_same(folders, inside, str(train), str(held_out))
    if split == "train":
        return _foldered(train, order, name, None)
    if held_out is None:
        raise DataError(f"There is no folder test or val in {root}.", "Add it, or hold out some of the training set.")
    if inside:
        return _foldered(held_out, order, name, _if_whole(root, classes))
    return _flat(held_out, order, name, find_truth(root, classes))


def open_classes(root: Path, name: str, classes: Path | None = None) -> TreeSource:
    """All pictures of a folder with class folders directly in it; raises as :func:`open_tree`."""
    return _foldered(root, order_of(_class_folders(root), classes), name, None)


def held_out_folder(root: Path) -> Path | None:
    """The folder of the test set of a tree; None where there is none."""
    return next((root / name for name in ("test", "val") if (root / name).is_dir()), None)


def _class_folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if len(found) == 1:
        raise DataError(f"{folder} holds one class folder only ({found[0]!r}).", "Give two classes or more.")
    return found


def _foldered(folder: Path, order: ClassOrder, name: str, truth: Truth | None) -> TreeSource:
    check, label_of = NameCheck(order.names), {each: label for label, each in enumerate(order.names)}
    files: list[str] = []
    labels: list[int] = []
    for each in sorted(order.names):
        inside = _pictures(folder / each)
        for file in inside:
            check.see(each, file)
            if truth is not None and (true := truth.of(file)) is not None:
                check.see_class(each, true)
        files += inside
        labels += [label_of[each]] * len(inside)
    check.close(folder)
    return TreeSource(name, folder, order.names, np.array(labels, np.int64), Names(files), (order.note,))


def _flat(folder: Path, order: ClassOrder, name: str, truth: Truth | None) -> TreeSource:
    files = _pictures(folder)
    if truth is None:
        raise DataError(
            f"{folder} has no class folders, and no ground truth is near it.",
            "Put LOC_val_solution.csv, or the devkit with its ground truth, beside it.",
        )
    label_of = {each: label for label, each in enumerate(order.names)}
    labels = []
    for file in files:
        label = label_of.get(truth.of(file) or "")
        if label is None:
            raise DataError(f"{truth.file} tells no class of {folder / file}.", "Give the ground truth of these files.")
        labels.append(label)
    notes = (order.note, f"labels from {truth.file.name}")
    return TreeSource(name, folder, order.names, np.array(labels, np.int64), Names(files), notes, flat=True)


def _if_whole(root: Path, classes: Path | None) -> Truth | None:
    """Ground truth to compare class folders with: where it cannot be read, they are believed."""
    try:
        return find_truth(root, classes)
    except DataError:
        return None


def _pictures(folder: Path) -> list[str]:
    found = sorted(_files(folder))
    if not found:
        raise DataError(f"{folder} holds no pictures.", "Put PNG or JPEG pictures there, or remove the folder.")
    return found


def _files(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - a Path for each of a million is slow
                if ending in SUFFIXES and not entry.name.startswith(".") and entry.is_file():
                    yield entry.name
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.", "Give a folder that can be opened.") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.", "Bring the file back.") from error
