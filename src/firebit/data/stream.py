"""One door to pictures that are not held in memory: trees as ImageNet has them, tar shards, Hugging Face data sets."""

import os
from dataclasses import dataclass
from pathlib import Path

from firebit.data import hugging_face, shards, tree
from firebit.data.classes import read_classes
from firebit.data.crop import CentreCrop
from firebit.data.folder import SPLIT_SEED, SUFFIXES, TEST_FRACTION
from firebit.data.image_set import held_out
from firebit.data.source import Source
from firebit.data.streamed import StreamedSet, streamed
from firebit.errors import DataError, UsageError

_MOST_WORKERS = 16
MOST_IN_MEMORY = 2 << 30
"""Bytes of the pictures of a folder above which it is streamed."""


@dataclass(frozen=True)
class Streaming:
    """How pictures are streamed.

    Attributes:
        classes: a file with the order of the classes; None: as the data set has them, or sorted.
        test: shards of the test set, where the data set is a pattern of shards.
        shorter: pixels of the shorter side before the middle is cut out, outside of training; None: the size asked for.
        skip_bad: use the whole pictures of broken shards, rather than fail.
        always: stream folders of pictures also where they would fit into memory.
        workers: processes that decode; None: :func:`available_workers`.
    """

    classes: Path | None = None
    test: str | None = None
    shorter: int | None = None
    skip_bad: bool = False
    always: bool = False
    workers: int | None = None


def available_workers() -> int:
    """Processors that this process may use, shared with the other ranks that torchrun has started here; 1 … 16."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(1, min(_MOST_WORKERS, available // max(1, int(ranks) if ranks.isdecimal() else 1)))


def is_streamed_name(name: str | Path) -> bool:
    """Whether this names tar shards or a data set of Hugging Face, and no folder."""
    return isinstance(name, str) and (name.startswith(hugging_face.PREFIX) or shards.is_pattern(name))


def open_named(spec: str, split: str, size: int | None, how: Streaming) -> StreamedSet:
    """Open tar shards by a pattern, or a data set of Hugging Face.

    Args:
        spec: `DIR/train-{000000..000146}.tar`, or `hf:NAME`.
        split: "train" or "test".
        size: side that pictures are brought to; needed.
        how: the rest.

    Raises:
        DataError: it is missing, broken, or without that split.
        UsageError: an argument is none of these.
    """
    if spec.startswith(hugging_face.PREFIX):
        stem = Path(spec.removeprefix(hugging_face.PREFIX)).name
        source: Source = hugging_face.open_table(spec, split, f"{stem}-{split}")
        if how.classes is not None and read_classes(how.classes).names != source.classes:
            raise DataError(f"{spec} has other classes than {how.classes}, or another order.", "Leave out --classes.")
        return _set(source, size, how)
    pattern = spec if split == "train" else how.test
    if pattern is None:
        raise UsageError(
            f"{spec} is the training set, and no test set is named.",
            "Name its shards with --set input.test=PATTERN, or where there is no --set give them with --split train.",
        )
    stem = Path(spec).name.partition("{")[0].removesuffix(".tar").rstrip("-_.") or "shards"
    return _set(shards.open_shards(shards.expanded(pattern), f"{stem}-{split}", how.classes, how.skip_bad), size, how)


def open_folder(folder: Path, split: str, size: int | None, how: Streaming) -> StreamedSet | None:
    """Open a folder to be streamed.

    Args:
        folder: of tar shards, of pictures as ImageNet has them, or of class folders.
        split: "train" or "test".
        size: side that pictures are brought to; needed.
        how: the rest.

    Returns:
        The set; None where the folder's pictures are to be loaded into memory.

    Raises:
        DataError: something is missing or broken, or classes differ between the splits.
        UsageError: `size` is missing.
    """
    name = f"{folder.resolve().name}-{split}"
    if shards.holds_shards(folder):
        return _set(_sharded(folder, split, name, how), size, how)
    root = tree.find_tree(folder)
    if not (how.always or _is_flat(root) or _is_large(root or folder, size)):
        return None
    if root is not None:
        return _set(tree.open_tree(root, split, name, how.classes), size, how)
    whole = _set(tree.open_classes(folder, name, how.classes), size, how)
    mask = held_out(whole.labels, TEST_FRACTION, SPLIT_SEED)
    return whole.subset(mask if split == "test" else ~mask)


def _sharded(folder: Path, split: str, name: str, how: Streaming) -> Source:
    found = shards.shards_of(folder, split)
    if not found:
        raise DataError(
            f"{folder} holds no {split} shards.",
            "Name them train-….tar and test-….tar or val-….tar, or put them into folders of these names.",
        )
    return shards.open_shards(found, name, how.classes, how.skip_bad)


def _set(source: Source, size: int | None, how: Streaming) -> StreamedSet:
    if size is None:
        raise UsageError(f"{source.name} is streamed, and needs a size.", "Give size=, as 224 (--size 224).")
    return streamed(source, CentreCrop(size, how.shorter), available_workers() if how.workers is None else how.workers)


def _is_flat(root: Path | None) -> bool:
    """Whether the validation pictures lie in one folder, as the devkit has them."""
    held = root / "val" if root else None
    return held is not None and held.is_dir() and not tree.has_folders(held)


def _is_large(folder: Path, size: int | None) -> bool:
    if size is None:
        return False
    most, count = MOST_IN_MEMORY // (3 * size**2), 0
    for _, _, files in os.walk(folder):
        count += sum(Path(file).suffix.lower() in SUFFIXES for file in files)
        if count > most:
            return True
    return False
