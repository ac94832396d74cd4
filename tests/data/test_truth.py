"""Ground truth of validation pictures: Kaggle's table, the devkit's numbers."""

from pathlib import Path

import pytest

from firebit.data.truth import find_truth
from firebit.errors import DataError

DEVKIT = "ILSVRC2012_validation_ground_truth.txt"


def test_none_is_found(tmp_path: Path) -> None:
    assert find_truth(tmp_path / "a" / "b") is None


def test_the_table_of_kaggle_names_wnids(tmp_path: Path) -> None:
    root = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    root.mkdir(parents=True)
    rows = "ImageId,PredictionString\nILSVRC2012_val_00000002,n02 1 2 n02 5 6 \nILSVRC2012_val_00000001,n01 1 2\n"
    (tmp_path / "LOC_val_solution.csv").write_text(rows)
    truth = find_truth(root)
    assert truth is not None
    assert [truth.of(f"ILSVRC2012_val_0000000{n}.JPEG") for n in (1, 2, 3)] == ["n01", "n02", None]


def devkit(root: Path, numbers: str, names: str | None = None) -> Path:
    folder = root / "ILSVRC2012_devkit_t12" / "data"
    folder.mkdir(parents=True)
    (folder / DEVKIT).write_text(numbers)
    if names is not None:
        (folder / "map_clsloc.txt").write_text(names)
    return folder


def test_numbers_of_the_devkit_are_those_of_its_map(tmp_path: Path) -> None:
    devkit(tmp_path, "2\n1\n3\n", "n09 1 fox\nn01 2 setter\nn05 3 x\n")
    truth = find_truth(tmp_path)
    assert truth is not None
    names = [truth.of(f"ILSVRC2012_val_{n:08}.JPEG") for n in (1, 2, 3, 4, 0)]
    assert names == ["n01", "n09", "n05", None, None]
    assert truth.of("other.JPEG") is None


def test_numbers_are_not_read_in_sorted_order(tmp_path: Path) -> None:
    devkit(tmp_path, "2\n1\n")
    with pytest.raises(DataError, match=r"there is no map_clsloc.txt"):
        find_truth(tmp_path)
    (tmp_path / "sorted.txt").write_text("n01\nn09\n")
    with pytest.raises(DataError, match="is sorted"):
        find_truth(tmp_path, tmp_path / "sorted.txt")
    (tmp_path / "synsets.txt").write_text("n09\nn01\n")
    truth = find_truth(tmp_path, tmp_path / "synsets.txt")
    assert truth is not None and truth.of("a_1.JPEG") == "n01"


@pytest.mark.parametrize(
    ("numbers", "names", "words"),
    [
        ("3\n", "a 1 x\nb 2 x\n", "line 1: '3' is no number from 1 to 2"),
        ("1\nx\n", "a 1 x\nb 2 x\n", "line 2: 'x'"),
        ("-1\n", "a 1 x\nb 2 x\n", "'-1'"),
        ("1\n", "a 1 x\nb 1 x\n", "does not number its classes"),
        ("1\n", "a x\n", "does not number its classes"),
    ],
)
def test_damaged_devkits(tmp_path: Path, numbers: str, names: str, words: str) -> None:
    devkit(tmp_path, numbers, names)
    with pytest.raises(DataError, match=words):
        find_truth(tmp_path)


def test_a_damaged_table(tmp_path: Path) -> None:
    (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nILSVRC2012_val_00000002\n")
    with pytest.raises(DataError, match="has a line"):
        find_truth(tmp_path)
