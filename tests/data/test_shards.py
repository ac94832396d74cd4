"""Tar shards: patterns, the order through a buffer, reading by position, and what is refused."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from firebit.data import shards
from firebit.data.shards import drawn_through_buffer, expanded, holds_shards, open_shards, shards_of
from firebit.data.transforms import random_words
from firebit.data.tree import open_tree
from firebit.errors import DataError, UsageError


@pytest.fixture
def folder(few_shards: Path, tmp_path: Path) -> Path:
    return shutil.copytree(few_shards, tmp_path / "shards")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("a-{008..011}.tar", ["a-008.tar", "a-009.tar", "a-010.tar", "a-011.tar"]),
        ("a-{8..11}.tar", ["a-8.tar", "a-9.tar", "a-10.tar", "a-11.tar"]),
        ("a-{2..1}.tar", ["a-2.tar", "a-1.tar"]),
        ("{x,y}-{0..1}.tar", ["x-0.tar", "x-1.tar", "y-0.tar", "y-1.tar"]),
        ("a-{00..00}.tar", ["a-00.tar"]),
    ],
)
def test_patterns(pattern: str, names: list[str]) -> None:
    assert [path.name for path in expanded(pattern)] == names


@pytest.mark.parametrize("pattern", ["a-{0..99999999}.tar", "{0..9999}{0..9999}.tar"])
def test_patterns_of_too_many_files(pattern: str) -> None:
    with pytest.raises(UsageError, match="files"):
        expanded(pattern)


def test_shards_of_a_split_by_name_or_folder(tmp_path: Path) -> None:
    assert not holds_shards(tmp_path)
    for name in ("train-0.tar", "train-1.tar", "validation_0.tar", "other.tar"):
        (tmp_path / name).touch()
    assert holds_shards(tmp_path)
    assert [path.name for path in shards_of(tmp_path, "train")] == ["train-0.tar", "train-1.tar"]
    assert [path.name for path in shards_of(tmp_path, "test")] == ["validation_0.tar"]
    for part in ("train", "val"):
        (tmp_path / "inner" / part).mkdir(parents=True)
        (tmp_path / "inner" / part / "7.tar").touch()
    assert holds_shards(tmp_path / "inner")
    assert [shards_of(tmp_path / "inner", split)[0].parent.name for split in ("train", "test")] == ["train", "val"]
    assert shards_of(tmp_path / "nowhere", "train") == []


def test_the_buffer_by_hand() -> None:
    # Draws: positions ⌊word / 2³² · held / 2³²⌋ of what is held, replaced by what comes next, by the last at the end.
    words = np.array([0, 2**63, 0, 2**63, 0], np.uint64)
    found = drawn_through_buffer(np.arange(5), words, 2)
    # holds 0 1 → 0; 2 1 → 1; 2 3 → 2; 4 3 → 3; 4 → 4
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert drawn_through_buffer(np.arange(4), np.array([2**63, 2**63, 2**63, 0], np.uint64), 2).tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1000])
def test_the_buffer_gives_everything_once_and_nothing_early(size: int) -> None:
    words = random_words(0, 0, np.arange(300), 6)
    found = drawn_through_buffer(np.arange(300), words, size)
    assert sorted(found.tolist()) == list(range(300))
    # What comes out at a time has gone in before: it is less than `size` ahead.
    assert (found - np.arange(300)).max() < size
    assert (found.tolist() == list(range(300))) == (size == 1)


def test_a_buffer_that_holds_all_shuffles_evenly() -> None:
    rounds = [drawn_through_buffer(np.arange(3), random_words(0, e, np.arange(3), 6), 9).tolist() for e in range(6000)]
    orders, counts = np.unique(rounds, axis=0, return_counts=True)
    assert len(orders) == 6
    # Chi-square with five degrees of freedom, one in 100,000.
    assert ((counts - 1000) ** 2 / 1000).sum() < 30


def test_pictures_are_those_of_the_files(few_photos: Path, few_shards: Path) -> None:
    files = open_tree(few_photos, "train", "x")
    source = open_shards(shards_of(few_shards, "train"), "x")
    assert source.classes == files.classes and source.notes == ("classes in the order of the index",)
    ours = sorted((source.content(at), int(source.labels[at])) for at in range(60))
    assert ours == sorted((files.content(at), int(files.labels[at])) for at in range(60))


def test_shards_without_an_index_are_looked_through(folder: Path) -> None:
    paths = shards_of(folder, "train")
    known = open_shards(paths, "x")
    (folder / "index.json").unlink()
    found = open_shards(paths, "x")
    assert found.classes == ("0", "1", "2") and found.notes == ("classes are numbers",)
    for name in ("labels", "starts", "offsets", "sizes"):
        assert getattr(found, name).tolist() == getattr(known, name).tolist()


def test_an_order_has_every_picture_once_shard_by_shard(few_shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_shards(shards_of(few_shards, "train"), "x")
    assert sorted(source.order(0, 0).tolist()) == list(range(60))
    assert source.order(0, 0).tolist() == source.order(0, 0).tolist() != source.order(0, 1).tolist()
    monkeypatch.setattr(shards, "BUFFERED", 1)
    shard = np.searchsorted(source.starts, source.order(0, 0), side="right")
    assert len(source.shards) >= 3 and (np.diff(shard) != 0).sum() == len(source.shards) - 1
    assert (
        len({tuple(dict.fromkeys(np.searchsorted(source.starts, source.order(0, e), side="right"))) for e in range(9)})
        > 2
    )


@pytest.mark.parametrize("indexed", [True, False])
def test_a_shard_that_ends_in_the_middle(folder: Path, indexed: bool) -> None:
    paths = shards_of(folder, "train")
    os.truncate(paths[1], 20_000)
    if not indexed:
        (folder / "index.json").unlink()
    with pytest.raises(
        DataError, match=r"train-000001.tar ends in the middle, at byte 20000.*pictures are whole"
    ) as caught:
        open_shards(paths, "x")
    assert "--skip-bad" in caught.value.remedy
    source = open_shards(paths, "x", skip_bad=True)
    assert 40 < len(source.labels) < 60
    assert "train-000001.tar ends in the middle" in source.notes[1] and "pictures used" in source.notes[1]
    assert all(len(source.content(at)) == source.sizes[at] for at in range(len(source.labels)))


def test_what_is_refused(folder: Path, tmp_path: Path, tar: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"b.tar is missing, and 1 more"):
        open_shards([shards_of(folder, "train")[0], folder / "b.tar", folder / "c.tar"], "x")
    with pytest.raises(DataError, match="hold no pictures"):
        open_shards([tar(tmp_path / "empty.tar", [])], "x")
    large = tar(tmp_path / "large.tar", [("a.jpg", b"x"), ("a.cls", b"5")])
    (tmp_path / "classes").write_text("a\nb\n")
    with pytest.raises(DataError, match="a label 5, and there are 2 classes"):
        open_shards([large], "x", tmp_path / "classes")


def test_a_shard_that_was_replaced_is_read_anew(folder: Path) -> None:
    paths = shards_of(folder, "train")
    before = open_shards(paths, "x")
    first = before.content(0)
    paths[1].replace(paths[0])
    after = open_shards(paths[:1], "x", skip_bad=True)
    assert after.content(0) != first
    os.truncate(paths[0], 600)
    with pytest.raises(DataError, match="the shard ends in the middle"):
        after.content(1)
