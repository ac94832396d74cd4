"""Which door leads where: folders, shards, patterns, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from firebit.data import load, stream
from firebit.data.stream import Streaming, available_workers
from firebit.data.streamed import StreamedSet
from firebit.errors import DataError, UsageError


def test_small_folders_are_loaded_and_large_ones_streamed(few_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(load(few_photos, size=28), StreamedSet)
    monkeypatch.setattr(stream, "MOST_IN_MEMORY", 77 * 3 * 28**2)
    assert isinstance(load(few_photos, size=28), StreamedSet)
    monkeypatch.setattr(stream, "MOST_IN_MEMORY", 78 * 3 * 28**2)
    assert not isinstance(load(few_photos, size=28), StreamedSet)


def test_class_folders_alone_are_split_as_in_memory(few_photos: Path) -> None:
    folder = few_photos / "train"
    for part in ("train", "test"):
        memory, found = load(folder, part, size=28), load(folder, part, size=28, streaming=Streaming(always=True))
        assert found.labels.tolist() == memory.labels.tolist()
        assert np.array_equal(found.images[:5], memory.images[:5])


def test_a_flat_validation_folder_is_streamed(few_photos: Path, tmp_path: Path) -> None:
    tree = shutil.copytree(few_photos, tmp_path / "tree")
    rows = ["ImageId,PredictionString"]
    for path in sorted((tree / "val").glob("*/*")):
        rows.append(f"{path.stem},{path.parent.name} 1 2 3 4")
        path.rename(tree / "val" / path.name)
    for path in [path for path in (tree / "val").iterdir() if path.is_dir()]:
        path.rmdir()
    (tree / "LOC_val_solution.csv").write_text("\n".join(rows))
    assert load(tree, "test", size=28).labels.tolist() == load(few_photos, "test", size=28).labels.tolist()


def test_shards_by_folder_and_by_pattern(few_shards: Path) -> None:
    folder = load(few_shards, size=28)
    assert isinstance(folder, StreamedSet) and (folder.name, len(folder)) == ("few-train", 60)
    assert len(load(few_shards, "test", size=28)) == 18
    last = len(list(few_shards.glob("train-*.tar"))) - 1
    pattern = f"{few_shards}/train-{{000000..{last:06}}}.tar"
    found = load(pattern, size=28, streaming=Streaming(test=f"{few_shards}/test-000000.tar"))
    assert (found.name, found.labels.tolist()) == ("train-train", folder.labels.tolist())
    assert len(load(pattern, "test", size=28, streaming=Streaming(test=f"{few_shards}/test-000000.tar"))) > 0


def test_what_is_refused(few_shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no test set is named"):
        load(f"{few_shards}/train-000000.tar", "test", size=28)
    with pytest.raises(UsageError, match="needs a size"):
        load(few_shards)
    with pytest.raises(DataError, match="is missing"):
        load(f"{tmp_path}/train-{{0..3}}.tar", size=28)
    for path in few_shards.glob("train-*"):
        shutil.copy(path, tmp_path / path.name)
    with pytest.raises(DataError, match="holds no test shards"):
        load(tmp_path, "test", size=28)


def test_ranks_of_a_machine_share_its_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(24)), raising=False)
    assert available_workers() == 16
    for ranks, workers in (("2", 12), ("8", 3), ("99", 1), ("0", 16), ("many", 16)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", ranks)
        assert available_workers() == workers
