"""The order of classes, and what names of files tell of them."""

from pathlib import Path

import pytest

from firebit.data.classes import NameCheck, check_same, order_of, read_classes
from firebit.errors import DataError


@pytest.mark.parametrize(
    "text",
    [
        "n02\nn01\nn03\n",
        "n02 kit fox, Vulpes macrotis\nn01 English setter\n\n# a remark\nn03\ta tab\n",
        "n02 1 kit_fox\nn01 2 English_setter\nn03 3 x",
    ],
)
def test_the_first_word_of_a_line_is_the_class(tmp_path: Path, text: str) -> None:
    (tmp_path / "synsets.txt").write_text(text)
    found = read_classes(tmp_path / "synsets.txt")
    assert found.names == ("n02", "n01", "n03")
    assert found.note == "classes in the order of synsets.txt"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a\nb\na\n", "'a' is there twice"),
        (b"", "names 0"),
        (b"a\n", "names 1"),
        (b"\xff\xfe\n", "no UTF-8"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "classes").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_classes(tmp_path / "classes")
    with pytest.raises(DataError, match="Cannot read the classes"):
        read_classes(tmp_path / "elsewhere")


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "classes").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DataError, match="too large"):
        read_classes(tmp_path / "classes")


def test_folders_are_sorted_unless_a_file_says_otherwise(tmp_path: Path) -> None:
    assert order_of(["b", "a"], None).names == ("a", "b")
    assert "names" in order_of(["b", "a"], None).note
    assert "wnids" in order_of(["n00000002", "n00000001"], None).note
    (tmp_path / "order.txt").write_text("b\na\n")
    assert order_of(["a", "b"], tmp_path / "order.txt").names == ("b", "a")
    with pytest.raises(DataError, match=r"only in .*order.txt: b; only in the training folders: c"):
        order_of(["a", "c"], tmp_path / "order.txt")


def test_differing_classes_are_named() -> None:
    check_same(["a", "b"], ["b", "a"], "one", "other")
    with pytest.raises(DataError, match="Classes differ, only in one: a, b, c and 1 more; only in other: z"):
        check_same("abcd", "z", "one", "other")


def test_files_named_after_a_class_lie_in_its_folder() -> None:
    check = NameCheck(["n00000001", "n00000002", "red_fox"])
    for folder, file in (
        ("n00000001", "n00000001_5.JPEG"),
        ("n00000002", "ILSVRC2012_val_00000001.JPEG"),
        ("red_fox", "red_fox_1.jpg"),
        ("red_fox", "picture.jpg"),
        ("red_fox", "of_a_den_2.jpg"),
    ):
        check.see(folder, file)
    check.close(Path("train"))


def test_swapped_folders_are_named() -> None:
    check = NameCheck(["n00000001", "n00000002"])
    check.see("n00000001", "n00000002_1.JPEG")
    check.see("n00000001", "n00000002_2.JPEG")
    check.see("n00000002", "n00000001_1.JPEG")
    with pytest.raises(DataError, match=r"val: n00000001 and n00000002 are swapped \(2 and 1 files\)"):
        check.close(Path("val"))


@pytest.mark.parametrize("said", ["n00000002", "n99999999"])
def test_a_file_in_the_folder_of_another_class(said: str) -> None:
    check = NameCheck(["n00000001", "n00000002"])
    check.see("n00000001", f"{said}_1.JPEG")
    with pytest.raises(DataError, match=f"n00000001 holds 1 files of {said}"):
        check.close(Path("train"))
