"""Data sets by Hugging Face's `datasets` (extra `hf`): by name, or a local folder of Arrow, Parquet or pictures."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.data.source import digest
from firebit.data.transforms import epoch_order
from firebit.errors import DataError, UnavailableError, UsageError
from firebit.extras import missing

PREFIX = "hf:"
_SPLITS = {"train": ("train",), "test": ("test", "validation", "val", "valid")}


@dataclass(frozen=True, eq=False)
class TableSource:
    """Pictures in a column of a table (:class:`firebit.data.source.Source`), visited in a full permutation.

    Attributes:
        name: what reports call it.
        classes: names of the classes.
        labels: int64 (N,).
        table: the data set, whose pictures are left encoded.
        column: where they are.
        notes: where the classes come from.
    """

    name: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    table: Any
    column: str
    notes: tuple[str, ...] = ()

    def content(self, index: int) -> bytes:
        found = self.table[index][self.column]
        if found and found.get("bytes"):
            return bytes(found["bytes"])
        if not found or not found.get("path"):
            raise DataError(f"{self.called(index)} is empty.", "Leave it out of the data set.")
        try:
            return Path(found["path"]).read_bytes()
        except OSError as error:
            raise DataError(f"Cannot read {found['path']}: {error.strerror}.", "Bring the file back.") from error

    def called(self, index: int) -> str:
        return f"{self.name}, row {index}"

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        return epoch_order(len(self.labels), seed, epoch)

    def relabelled(self, classes: tuple[str, ...], labels: NDArray[np.int64]) -> "TableSource":
        return replace(self, classes=classes, labels=labels)

    def fingerprint(self) -> str:
        return digest("table", self.classes, self.labels, self.column.encode())


def open_table(spec: str, split: str, name: str) -> TableSource:
    """One split of a data set.

    Args:
        spec: `hf:NAME`, a name of the hub; or `hf:PATH` of a folder that `save_to_disk` has written, of Parquet files,
            or of pictures in class folders.
        split: "train", or "test", which may be called validation.
        name: what to call it.

    Raises:
        MissingExtraError: `datasets` is not installed.
        DataError: it cannot be loaded, has no such split, or not one column of pictures and one of class labels.
        UnavailableError: the hub cannot be reached.
    """
    datasets = _library()
    splits = _loaded(datasets, spec.removeprefix(PREFIX))
    chosen = next((each for each in _SPLITS[split] if each in splits), None)
    if chosen is None:
        raise DataError(
            f"{spec} has no split {' or '.join(_SPLITS[split])}; it has {', '.join(splits)}.",
            "Name splits so, or hold out some of the training set: --set validation=0.1.",
        )
    table = splits[chosen]
    column, label = (_column(table, kind, spec) for kind in (datasets.Image, datasets.ClassLabel))
    labels = np.array(table.with_format(None)[label][:], np.int64)
    if not len(labels) or labels.min() < 0:
        raise DataError(f"{spec}, {chosen}: there are no rows, or some without a label.", "Give labelled pictures.")
    bare = table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    return TableSource(
        name, tuple(table.features[label].names), labels, bare, column, (f"classes as {label!r} has them",)
    )


def _library() -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise missing(error, "hf:…") or error from error
    return datasets


def _loaded(datasets: Any, name: str) -> dict[str, Any]:
    """The splits of a data set by name. Code of a data set's own is never run: nothing here allows it."""
    if not name:
        raise UsageError("hf: names no data set.", "Write hf:NAME, or hf:PATH of a folder.")
    path = Path(name).expanduser()
    try:
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            found = datasets.load_from_disk(str(path))
        else:
            found = datasets.load_dataset(str(path) if path.is_dir() else name)
    except ConnectionError as error:
        raise UnavailableError(
            f"The hub cannot be reached for {name!r}: {_line(error)}.", "Give a local folder."
        ) from error
    except Exception as error:  # whatever the library and those below it raise
        raise DataError(f"hf:{name} cannot be loaded: {_line(error)}.", "Check the name or the folder.") from error
    return dict(found) if isinstance(found, dict) else {"train": found}


def _column(table: Any, kind: type, spec: str) -> str:
    found = [name for name, feature in table.features.items() if isinstance(feature, kind)]
    if len(found) != 1:
        listed = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in table.features.items())
        raise DataError(
            f"{spec} has {len(found)} columns of type {kind.__name__}, not one: {listed}.",
            "Give a data set with pictures (Image) and class labels (ClassLabel).",
        )
    name: str = found[0]
    return name


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
