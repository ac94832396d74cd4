"""firebit shards: a folder of pictures as tar shards, and the check that shards are what they were."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from firebit.data.source import Source

_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SHOWN = 5
_STEP = 10_000


def command(
    folder: Annotated[Path, typer.Argument(help="train/CLASS/*.JPEG and val; with --check a folder of shards.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where shards are written.")] = None,
    size: Annotated[str, typer.Option(help="Of a shard, as 1GB or 200MB.")] = "1GB",
    classes: Annotated[Path | None, typer.Option(help="A file with the order of the classes.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare shards with their SHA-256 in the index.")] = False,
) -> None:
    """Write the pictures of FOLDER as tar shards (WebDataset layout) with an index, unchanged, in an even order."""
    if check:
        _check(folder)
        return
    if out is None:
        raise UsageError("Nobody said where to.", "Say: firebit shards FOLDER --out DIR.")
    _write(folder, out, _bytes(size), classes)


def _write(folder: Path, out: Path, size: int, classes: Path | None) -> None:
    from firebit.cli.status import status
    from firebit.data.pack import pack

    with status() as told:
        told("looking for pictures")
        packed = pack(_splits(folder, classes), out, size, lambda done, total: _progress(told, done, total))
    for split in ("train", "test"):
        if shards := packed.index.of(split):
            pictures = sum(len(shard.samples) for shard in shards)
            size_of = sum(shard.bytes for shard in shards) / 1e9
            typer.echo(f"{split}: {pictures:,} pictures in {len(shards)} shards, {size_of:.3g} GB")
    typer.echo(f"{len(packed.index.classes)} classes; train with: firebit train {out}")
    if packed.skipped:
        shown = ", ".join(packed.skipped[:_SHOWN]) + (", …" if len(packed.skipped) > _SHOWN else "")
        typer.echo(f"left out, as they are no PNG or JPEG pictures: {len(packed.skipped)} ({shown})")


def _progress(told: "Callable[[str], None]", done: int, total: int) -> None:
    if done % _STEP == 0 or done == total:
        told(f"{done:,} of {total:,} pictures")


def _splits(folder: Path, classes: Path | None) -> "dict[str, Source]":
    from firebit.data.tree import find_tree, held_out_folder, open_tree

    root = find_tree(folder) if folder.is_dir() else None
    if root is None:
        raise DataError(f"{folder} has no train/CLASS folders.", "Give a folder laid out as ImageNet is.")
    name = folder.resolve().name
    found: dict[str, Source] = {"train": open_tree(root, "train", f"{name}-train", classes)}
    if held_out_folder(root) is not None:
        found["test"] = open_tree(root, "test", f"{name}-test", classes)
    return found


def _check(folder: Path) -> None:
    from firebit.data.index import FILE, differing, read_index

    index = read_index(folder)
    if index is None:
        raise DataError(f"{folder} has no {FILE}.", "Give a folder that `firebit shards` has written.")
    wrong = differing(folder, index.shards)
    if wrong:
        raise DataError(
            f"{len(wrong)} of {len(index.shards)} shards differ from the index: {', '.join(wrong[:_SHOWN])}.",
            "Write them again, or bring them back from a copy.",
        )
    pictures = sum(len(shard.samples) for shard in index.shards)
    typer.echo(f"{len(index.shards)} shards with {pictures:,} pictures are as the index says")


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?b)?", text.strip().lower())
    if found is None:
        raise UsageError(f"--size {text!r} is no size.", "Write for example --size 1GB.")
    return int(float(found[1]) * _UNITS[found[2] or "b"])
