"""Writing shards: the same bytes, in an even order, whole or not at all."""

import errno
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from firebit.data import pack as module
from firebit.data.index import FILE, read_index
from firebit.data.pack import pack
from firebit.data.samples import scan
from firebit.data.tree import TreeSource, open_tree
from firebit.errors import DataError, FirebitError, UsageError


@pytest.fixture
def train(few_photos: Path) -> TreeSource:
    return open_tree(few_photos, "train", "few-train")


def test_tarfile_reads_the_same_bytes(train: TreeSource, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    pack({"train": train}, tmp_path / "out", 40_000, lambda done, total: told.append((done, total)))
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted((tmp_path / "out").glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                key, kind = member.name.split(".")
                found.setdefault(key, {})[kind] = archive.extractfile(member).read()  # type: ignore[union-attr]
    assert [*found] == [f"{at:09}" for at in range(60)]
    ours = sorted((each["jpg"], int(each["cls"])) for each in found.values())
    assert ours == sorted((train.content(at), int(train.labels[at])) for at in range(60))
    assert told == [(done, 60) for done in range(1, 61)]


def test_shards_end_where_they_are_full_and_mix_classes(train: TreeSource, tmp_path: Path) -> None:
    index = pack({"train": train}, tmp_path / "out", 40_000).index
    assert len(index.shards) >= 3
    assert all(40_000 <= shard.bytes < 60_000 for shard in index.shards[:-1])
    assert all(len(np.unique(shard.samples.labels)) == 3 for shard in index.shards[:-1])
    for shard in index.shards:
        found = scan(tmp_path / "out" / shard.file)
        assert found.broken is None
        for name in ("offsets", "sizes", "labels"):
            assert getattr(found, name).tolist() == getattr(shard.samples, name).tolist()


def test_the_same_pictures_give_the_same_shards(train: TreeSource, tmp_path: Path) -> None:
    one, other = (pack({"train": train}, tmp_path / name, 40_000).index for name in ("one", "other"))
    assert [shard.sha256 for shard in one.shards] == [shard.sha256 for shard in other.shards]


def test_files_that_are_no_pictures_are_left_out_and_named(tmp_path: Path, train: TreeSource) -> None:
    for name in ("a", "b"):
        (tmp_path / "tree" / "train" / name).mkdir(parents=True)
        (tmp_path / "tree" / "train" / name / "good.jpg").write_bytes(train.content(0))
        (tmp_path / "tree" / "train" / name / "bad.jpg").write_bytes(b"GIF89a")
    packed = pack({"train": open_tree(tmp_path / "tree", "train", "x")}, tmp_path / "out", 40_000)
    assert sorted(Path(name).parent.name for name in packed.skipped) == ["a", "b"]
    assert [len(shard.samples) for shard in packed.index.shards] == [2]
    for name in ("a", "b"):
        (tmp_path / "tree" / "train" / name / "good.jpg").unlink()
    with pytest.raises(DataError, match="none of 2 pictures can be read"):
        pack({"train": open_tree(tmp_path / "tree", "train", "x")}, tmp_path / "none", 40_000)
    assert not (tmp_path / "none" / FILE).exists()


def test_a_full_disk_leaves_whole_shards_and_no_index(
    train: TreeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def full(self: module._Digesting, content: bytes) -> int:
        nonlocal written
        written += len(content)
        if written > 60_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.bytes += len(content)
        self.sha256.update(content)
        return self._file.write(content)

    monkeypatch.setattr(module._Digesting, "write", full)
    with pytest.raises(FirebitError, match=r"No space left to write .*train-000001.tar"):
        pack({"train": train}, tmp_path / "out", 40_000)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train-000000.tar"]
    assert scan(tmp_path / "out" / "train-000000.tar").broken is None
    monkeypatch.undo()
    pack({"train": train}, tmp_path / "out", 40_000)
    assert read_index(tmp_path / "out") is not None


def test_what_is_refused(train: TreeSource, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too small"):
        pack({"train": train}, tmp_path, 9_999)
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(UsageError, match="holds shards already"):
        pack({"train": train}, tmp_path, 40_000)


def test_webdataset_reads_them_too(train: TreeSource, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    pack({"train": train}, tmp_path / "out", 40_000)
    urls = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    found = [(each["jpg"], int(each["cls"])) for each in webdataset.WebDataset(urls, shardshuffle=False)]
    assert sorted(found) == sorted((train.content(at), int(train.labels[at])) for at in range(60))
    assert io.BytesIO(found[0][0]).read(3) == b"\xff\xd8\xff"
