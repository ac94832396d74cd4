"""CIFAR in its binary version."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.data import cifar
from firebit.errors import DataError


def records(labels: list[list[int]], seed: int = 0) -> tuple[bytes, np.ndarray]:
    """Records written value by value: labels, then all red, all green, all blue, each row by row."""
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3, 32, 32), dtype=np.uint8)
    content = b"".join(
        bytes(label) + b"".join(bytes(picture[colour, row].tolist()) for colour in range(3) for row in range(32))
        for label, picture in zip(labels, pixels, strict=True)
    )
    return content, pixels


def cifar10_folder(folder: Path) -> np.ndarray:
    parts = []
    for number, stem in enumerate([f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]):
        content, pixels = records([[number], [9 - number]], seed=number)
        (folder / f"{stem}.bin").write_bytes(content)
        parts.append(pixels)
    return np.concatenate(parts)


def test_reads_cifar10(tmp_path: Path) -> None:
    pixels = cifar10_folder(tmp_path)
    train = cifar.read(tmp_path, cifar.CIFAR10, "train", "x")
    np.testing.assert_array_equal(train.images, pixels[:10])
    assert train.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert train.classes[:2] == ("airplane", "automobile")
    test = cifar.read(tmp_path, cifar.CIFAR10, "test", "x")
    np.testing.assert_array_equal(test.images, pixels[10:])
    assert test.labels.tolist() == [5, 4]


def test_reads_cifar100_with_fine_labels(tmp_path: Path) -> None:
    content, pixels = records([[19, 99], [0, 3]])
    (tmp_path / "train.bin").write_bytes(content)
    data = cifar.read(tmp_path, cifar.CIFAR100, "train", "x")
    np.testing.assert_array_equal(data.images, pixels)
    assert data.labels.tolist() == [99, 3]
    assert [data.classes[label] for label in (0, 3, 99)] == ["apple", "bear", "worm"]


def test_recognises_folders(tmp_path: Path) -> None:
    assert cifar.recognise(tmp_path) is None
    (tmp_path / "train").mkdir()
    assert cifar.recognise(tmp_path) is None
    (tmp_path / "test").write_bytes(b"")
    assert cifar.recognise(tmp_path) is cifar.CIFAR100
    (tmp_path / "data_batch_3.bin").write_bytes(b"")
    assert cifar.recognise(tmp_path) is cifar.CIFAR10


def test_class_names_from_the_folder(tmp_path: Path) -> None:
    cifar10_folder(tmp_path)
    names = [f"thing {n}" for n in range(10)]
    (tmp_path / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    assert cifar.read(tmp_path, cifar.CIFAR10, "test", "x").classes == tuple(names)
    (tmp_path / "batches.meta.txt").write_text("\n".join(names[:9]))
    with pytest.raises(DataError, match=r"batches\.meta\.txt names 9 classes, not 10"):
        cifar.read(tmp_path, cifar.CIFAR10, "test", "x")
    (tmp_path / "batches.meta.txt").write_bytes(b"\xff\xff")
    with pytest.raises(DataError, match="cannot be read"):
        cifar.read(tmp_path, cifar.CIFAR10, "test", "x")


def test_names_are_complete() -> None:
    assert len(set(cifar.CIFAR10_CLASSES)) == 10
    assert len(set(cifar.CIFAR100_CLASSES)) == 100
    assert sorted(cifar.CIFAR100_CLASSES) == list(cifar.CIFAR100_CLASSES)


def test_a_missing_batch(tmp_path: Path) -> None:
    cifar10_folder(tmp_path)
    (tmp_path / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"no data_batch_4\.bin in"):
        cifar.read(tmp_path, cifar.CIFAR10, "train", "x")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes long: empty"),
        (bytes(3072), "3072 bytes long: no whole number of records of 3073"),
        (bytes(3 * 3073 - 1), "9218 bytes long"),
        (bytes(3073) + b"\x0a" + bytes(3072), "label 10 of picture 1 is none of 10 classes"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "data_batch_1.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        cifar.read_binary(path, (10,))
    assert str(path) in caught.value.problem
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("labels", [[20, 0], [0, 100]])
def test_cifar100_labels_out_of_range(tmp_path: Path, labels: list[int]) -> None:
    path = tmp_path / "train.bin"
    path.write_bytes(records([labels])[0])
    with pytest.raises(DataError, match="is none of"):
        cifar.read_binary(path, (20, 100))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        cifar.read_binary(tmp_path / "nothing.bin", (10,))


@given(st.integers(0, 7000), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
def test_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: int, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(records([[1], [2]])[0] * 1)
    for position, value in changes:
        content[position % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(bytes(content[: max(len(content) - cut, 0)]))
    try:
        images, labels = cifar.read_binary(path, (10,))
    except DataError as error:
        assert str(path) in error.problem
    else:
        assert len(images) == len(labels)
        assert labels.max() < 10
