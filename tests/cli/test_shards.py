"""`firebit shards`: what it writes, what it checks, and what it refuses."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from firebit.data.index import read_index

Run = Callable[..., tuple[int, str, str]]


def test_writing_and_checking(command_line: Run, few_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, _ = command_line("shards", few_photos, "--out", out, "--size", "40KB")
    assert code == 0
    lines = text.splitlines()
    assert lines[0].startswith("train: 60 pictures in ") and lines[1].startswith("test: 18 pictures in ")
    assert lines[2] == f"3 classes; train with: firebit train {out}"
    index = read_index(out)
    assert index is not None and index.classes == ("n01440764", "n01443537", "n01484850")
    code, text, _ = command_line("shards", out, "--check")
    assert (code, text) == (0, f"{len(index.shards)} shards with 78 pictures are as the index says\n")
    os.truncate(out / index.shards[1].file, 512)
    code, _, err = command_line("shards", out, "--check")
    assert code == 3 and f"1 of {len(index.shards)} shards differ from the index: {index.shards[1].file}." in err


def test_an_order_of_classes_goes_into_the_index(command_line: Run, few_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "order").write_text("n01484850\nn01443537\nn01440764\n")
    assert command_line("shards", few_photos, "--out", tmp_path / "x", "--classes", tmp_path / "order")[0] == 0
    index = read_index(tmp_path / "x")
    assert index is not None and index.classes[0] == "n01484850"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "Nobody said where to"),
        (("--out", "x", "--size", "much"), 2, "--size 'much' is no size"),
        (("--out", "x", "--size", "1KB"), 2, "too small"),
        (("--out", "x", "--classes", "gone"), 3, "Cannot read the classes in gone"),
        (("--check",), 3, "has no index.json"),
    ],
)
def test_what_is_refused(
    command_line: Run,
    few_photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, err = command_line("shards", few_photos, *words)
    assert found == code and message in err
    assert not (tmp_path / "x").exists()


def test_folders_that_are_none(command_line: Run, tmp_path: Path, few_photos: Path) -> None:
    code, _, err = command_line("shards", tmp_path, "--out", tmp_path / "x")
    assert code == 3 and "has no train/CLASS folders" in err
    tree = shutil.copytree(few_photos, tmp_path / "tree")
    shutil.rmtree(tree / "val" / "n01440764")
    code, _, err = command_line("shards", tree, "--out", tmp_path / "x")
    assert code == 3 and "Classes differ" in err and "n01440764" in err
    assert not (tmp_path / "x").exists()


def test_sizes_are_read() -> None:
    from firebit.cli.shards import _bytes

    found = [_bytes(text) for text in ("1GB", "200MB", "1.5 gb", "40kb", "50000", "2TB", "7B")]
    assert found == [10**9, 2 * 10**8, 15 * 10**8, 40_000, 50_000, 2 * 10**12, 7]
