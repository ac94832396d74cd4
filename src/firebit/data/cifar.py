"""CIFAR-10 and CIFAR-100: the binary version, and the pickled Python version through a restricted reader."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit.data import cifar_pickle
from firebit.data.image_set import ImageSet
from firebit.errors import DataError

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
CIFAR100_CLASSES = tuple(_CIFAR100_NAMES.split())
_PIXELS = 3 * 32 * 32
_REMEDY = "Fetch or copy the file again; it is not a complete CIFAR file."


@dataclass(frozen=True)
class Layout:
    """How one of the two data sets lies in its folder.

    Args:
        train: stems of the files of the training set.
        test: stem of the file of the test set.
        classes: built-in class names.
        names: text file with the class names.
        label_bytes: values before the pixels of a record, and how many classes each of them counts; the last one is
            the label.
        pickled_labels: key of the labels in the pickled version.
    """

    train: tuple[str, ...]
    test: str
    classes: tuple[str, ...]
    names: str
    label_bytes: tuple[int, ...]
    pickled_labels: str

    def stems(self, split: str) -> tuple[str, ...]:
        return self.train if split == "train" else (self.test,)


CIFAR10 = Layout(
    tuple(f"data_batch_{n}" for n in range(1, 6)),
    "test_batch",
    CIFAR10_CLASSES,
    "batches.meta.txt",
    (10,),
    "labels",
)
CIFAR100 = Layout(("train",), "test", CIFAR100_CLASSES, "fine_label_names.txt", (20, 100), "fine_labels")


def recognise(folder: Path) -> Layout | None:
    """Which of the two data sets a folder holds, in either version, or None."""
    for layout in (CIFAR10, CIFAR100):
        stems = (*layout.train, layout.test)
        if any((folder / name).is_file() for stem in stems for name in (stem, f"{stem}.bin")):
            return layout
    return None


def read(folder: Path, layout: Layout, split: str, name: str) -> ImageSet:
    """Read one split; the binary version where both are there.

    Args:
        folder: holds the files of one version.
        layout: CIFAR10 or CIFAR100 (fine labels).
        split: "train" or "test".
        name: what to call the set.

    Raises:
        DataError: a file is missing, empty, truncated or corrupt, or a label is out of range.
    """
    parts = [_read_part(folder, layout, stem) for stem in layout.stems(split)]
    images = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    return ImageSet(images, labels, _class_names(folder, layout), name)


def _read_part(folder: Path, layout: Layout, stem: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    binary, pickled = folder / f"{stem}.bin", folder / stem
    if binary.is_file():
        return read_binary(binary, layout.label_bytes)
    if pickled.is_file():
        return cifar_pickle.read(pickled, layout.pickled_labels, len(layout.classes))
    raise DataError(f"There is no {stem}.bin in {folder}.", "Put the file there, or give the folder that has it.")


def read_binary(path: Path, label_bytes: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read records of one byte for each label, then 3072 bytes of red, green and blue rows.

    Args:
        path: the file.
        label_bytes: number of classes counted by each label byte; the last byte is the label that is returned.

    Returns:
        images uint8 (N, 3, 32, 32) and labels int64 (N,), N ≥ 1.

    Raises:
        DataError: the file is empty, ends inside a record, or holds a label that is out of range.
    """
    record = len(label_bytes) + _PIXELS
    try:
        size = path.stat().st_size
        if size == 0 or size % record:
            raise DataError(
                f"{path} is {size} bytes long: {'empty' if not size else f'no whole number of records of {record}'}.",
                _REMEDY,
            )
        values = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}", _REMEDY) from error
    if values.size != size:
        raise DataError(f"{path} changed while it was read.", "Wait until it is written, then try again.")
    records = values.reshape(-1, record)
    for column, classes in enumerate(label_bytes):
        _check_labels(records[:, column], classes, path)
    images = records[:, len(label_bytes) :].reshape(-1, 3, 32, 32)
    return images, records[:, len(label_bytes) - 1].astype(np.int64)


def _check_labels(labels: NDArray[np.uint8], classes: int, path: Path) -> None:
    if labels.max() >= classes:
        first = int(np.argmax(labels >= classes))
        raise DataError(f"{path}: label {labels[first]} of picture {first} is none of {classes} classes.", _REMEDY)


def _class_names(folder: Path, layout: Layout) -> tuple[str, ...]:
    path = folder / layout.names
    if not path.is_file():
        return layout.classes
    try:
        # The published file ends with empty lines.
        names = tuple(line.strip() for line in path.read_text("utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", "Fetch or copy the file again, or remove it.") from error
    if len(names) != len(layout.classes):
        raise DataError(
            f"{path} names {len(names)} classes, not {len(layout.classes)}.",
            "Fetch or copy the file again, or remove it.",
        )
    return names
