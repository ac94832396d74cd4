"""The index of shards: what it says, and every way to be wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from firebit.data.index import FILE, differing, read_index, sha256_of, write_index
from firebit.errors import DataError


def test_it_says_where_every_picture_lies(few_shards: Path) -> None:
    index = read_index(few_shards)
    assert index is not None
    assert index.name == "few" and len(index.classes) == 3
    assert sum(len(shard.samples) for shard in index.of("train")) == 60
    assert sum(len(shard.samples) for shard in index.of("test")) == 18
    for shard in index.shards:
        content = (few_shards / shard.file).read_bytes()
        assert len(content) == shard.bytes and sha256_of(few_shards / shard.file) == shard.sha256
        assert all(content[at : at + 3] == b"\xff\xd8\xff" for at in shard.samples.offsets)
    record = json.loads((few_shards / FILE).read_text())
    assert record["pictures"] == {"train": 60, "test": 18}


def test_writing_what_was_read_gives_the_same_file(few_shards: Path, tmp_path: Path) -> None:
    index = read_index(few_shards)
    assert index is not None
    write_index(tmp_path, index)
    assert (tmp_path / FILE).read_bytes() == (few_shards / FILE).read_bytes()
    assert read_index(tmp_path / "nowhere") is None


def test_shards_that_differ_are_named(few_shards: Path, tmp_path: Path) -> None:
    index = read_index(few_shards)
    assert index is not None and differing(few_shards, index.shards) == []
    for shard in index.shards[1:]:
        (tmp_path / shard.file).write_bytes((few_shards / shard.file).read_bytes())
    changed = bytearray((few_shards / index.shards[2].file).read_bytes())
    changed[1000] ^= 1
    (tmp_path / index.shards[2].file).write_bytes(changed)
    assert differing(tmp_path, index.shards) == [index.shards[0].file, index.shards[2].file]


def put(record: Any, path: str, value: Any) -> None:
    *way, last = path.split(".")
    for key in way:
        record = record[int(key) if key.isdecimal() else key]
    record[int(last) if last.isdecimal() else last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("format", 2),
        ("classes", "abc"),
        ("classes", [1, 2, 3]),
        ("classes", []),
        ("shards", 5),
        ("shards", [None]),
        ("shards.0.file", "../x.tar"),
        ("shards.0.file", ".."),
        ("shards.0.file", "/etc/passwd"),
        ("shards.0.file", 5),
        ("shards.0.split", "val"),
        ("shards.0.bytes", "many"),
        ("shards.0.bytes", 100),
        ("shards.0.sha256", None),
        ("shards.0.offsets", [0]),
        ("shards.0.offsets.0", -1),
        ("shards.0.offsets.0", 2**70),
        ("shards.0.offsets.0", 2**62),
        ("shards.0.offsets", [[1]]),
        ("shards.0.sizes.0", 0),
        ("shards.0.sizes.0", 2**63 - 1),
        ("shards.0.labels.0", 3),
        ("shards.0.labels.0", -1),
        ("shards.0.labels.0", "x"),
    ],
)
def test_what_is_refused(few_shards: Path, tmp_path: Path, path: str, value: Any) -> None:
    record = json.loads((few_shards / FILE).read_text())
    put(record, path, value)
    (tmp_path / FILE).write_text(json.dumps(record))
    with pytest.raises(DataError, match="is no index of shards"):
        read_index(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"{}", b"[" * 100_000])
def test_what_is_no_index(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DataError, match="is no index of shards"):
        read_index(tmp_path)
