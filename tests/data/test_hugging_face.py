"""Data sets of Hugging Face on this disk, as its library writes them; nothing here touches a network."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firebit.data import load
from firebit.data.hugging_face import open_table
from firebit.data.streamed import StreamedSet
from firebit.data.tree import open_tree
from firebit.errors import DataError, UsageError
from firebit.extras import MissingExtraError

datasets: Any = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


@pytest.fixture
def saved(few_photos: Path, tmp_path: Path) -> Path:
    """Both splits as `save_to_disk` writes them, pictures as bytes."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["x", "y", "z"])})
    splits = {}
    for name, split in (("train", "train"), ("test", "validation")):
        source = open_tree(few_photos, name, "x")
        rows = [{"bytes": source.content(at), "path": None} for at in range(len(source.labels))]
        splits[split] = datasets.Dataset.from_dict({"image": rows, "label": source.labels.tolist()}, features)
    datasets.DatasetDict(splits).save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


def test_a_saved_data_set(saved: Path, few_photos: Path) -> None:
    for split in ("train", "test"):
        files, source = open_tree(few_photos, split, "x"), open_table(f"hf:{saved}", split, "x")
        assert source.classes == ("x", "y", "z") and source.labels.tolist() == files.labels.tolist()
        assert all(source.content(at) == files.content(at) for at in range(len(files.labels)))
        assert sorted(source.order(0, 0).tolist()) == list(range(len(files.labels)))
    found = load(f"hf:{saved}", size=28)
    assert isinstance(found, StreamedSet) and found.name == "saved-train"
    assert found.images[:3].shape == (3, 3, 28, 28)


def test_parquet_files(saved: Path, few_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "parquet").mkdir()
    for split, table in datasets.load_from_disk(str(saved)).items():
        table.to_parquet(str(tmp_path / "parquet" / f"{split}-00000-of-00001.parquet"))
    source = open_table(f"hf:{tmp_path / 'parquet'}", "train", "x")
    assert source.labels.tolist() == open_tree(few_photos, "train", "x").labels.tolist()
    assert source.content(7) == open_tree(few_photos, "train", "x").content(7)


def test_a_folder_of_pictures(few_photos: Path) -> None:
    source, files = open_table(f"hf:{few_photos}", "train", "x"), open_tree(few_photos, "train", "x")
    assert source.classes == files.classes
    pairs = [sorted((each.content(at), int(each.labels[at])) for at in range(60)) for each in (source, files)]
    assert pairs[0] == pairs[1]


def test_what_is_refused(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = datasets.load_from_disk(str(saved))["train"]
    for name, table, words in (
        ("no-image", train.select_columns(["label"]), "has 0 columns of type Image"),
        ("no-label", train.select_columns(["image"]), "has 0 columns of type ClassLabel"),
        (
            "two",
            train.add_column("other", train["label"], feature=train.features["label"]),
            "has 2 columns of type ClassLabel",
        ),
    ):
        table.save_to_disk(str(tmp_path / name))
        with pytest.raises(DataError, match=words):
            open_table(f"hf:{tmp_path / name}", "train", "x")
    train.save_to_disk(str(tmp_path / "alone"))
    with pytest.raises(DataError, match="has no split test or validation"):
        open_table(f"hf:{tmp_path / 'alone'}", "test", "x")
    with pytest.raises(UsageError, match="names no data set"):
        open_table("hf:", "train", "x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be loaded"):
        open_table(f"hf:{tmp_path / 'empty'}", "train", "x")
    (tmp_path / "classes").write_text("z\ny\nx\n")
    from firebit.data.stream import Streaming

    with pytest.raises(DataError, match="other classes than"):
        load(f"hf:{saved}", size=28, streaming=Streaming(classes=tmp_path / "classes"))


def test_code_of_a_data_set_is_not_run(tmp_path: Path) -> None:
    script = tmp_path / "evil" / "evil.py"
    script.parent.mkdir()
    script.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(DataError, match="cannot be loaded"):
        open_table(f"hf:{script.parent}", "train", "x")
    with pytest.raises(DataError, match="cannot be loaded"):
        open_table(f"hf:{script}", "train", "x")
    assert not (tmp_path / "ran").exists()


def test_an_empty_row_is_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["x", "y"])})
    rows = [None, {"bytes": b"x", "path": None}]
    datasets.Dataset.from_dict({"image": rows, "label": [0, 1]}, features).save_to_disk(str(tmp_path / "holes"))
    source = open_table(f"hf:{tmp_path / 'holes'}", "train", "x")
    with pytest.raises(DataError, match="x, row 0 is empty"):
        source.content(0)
    assert source.content(1) == b"x" and np.bincount(source.labels).tolist() == [1, 1]


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"needs datasets") as caught:
        open_table("hf:x", "train", "x")
    assert caught.value.remedy == "pip install 'firebit[hf]'"
