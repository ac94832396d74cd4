"""firebit index: pictures into a store that can be searched."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.cli.encode import progress, show_bad
from firebit.cli.error import printable
from firebit.cli.model import compiled_file
from firebit.cli.store import DEFAULT_STORE, layer_of, network_of
from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.search import CodeStore
    from firebit.search.encode import Bad, Update


@dataclass(frozen=True)
class Indexed:
    """What was put into a store.

    Attributes:
        store: its path or address.
        pictures: that were put in: new and changed ones.
        new: of them, those whose id was not there.
        changed: of them, those that took the place of another.
        unchanged: pictures that were there already.
        removed: items whose picture is no more.
        items: that it holds now.
        bad: pictures that could not be read.
        seconds: all together.
    """

    store: str
    pictures: int
    new: int
    changed: int
    unchanged: int
    removed: int
    items: int
    bad: "tuple[Bad, ...]"
    seconds: float

    def __str__(self) -> str:
        text = f"{self.pictures:,} pictures put into {printable(self.store)}, which holds {self.items:,} now."
        more = (
            (self.changed, "of them had changed"),
            (self.unchanged, "were there already"),
            (self.removed, "that are no more were removed"),
            (len(self.bad), "could not be read"),
        )
        return " ".join([text, *(f"{count:,} {what}." for count, what in more if count), f"{self.seconds:.1f} s"])


def command(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A folder of pictures, tar archives, a data set, or what encode wrote."),
    ],
    store: Annotated[str, typer.Option(help="File of the store, or milvus://host:port/name.")] = DEFAULT_STORE,
    model: Annotated[
        Path | None,
        typer.Option(help="A .firebit file, a run, or a pretrained network's name. Default: that of the store."),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer whose bits are the codes. Default: the last.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: as many as there are cores.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove items of SOURCE whose picture is no more.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End at the first picture that cannot be read.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Encode the pictures of SOURCE and put them into a store: ids are their paths, below SOURCE.

    Pictures that are there and have not changed since are not encoded again.
    """
    import json
    import time

    from firebit.machine import usable_cores
    from firebit.search.encode.shard import MANIFEST

    start = time.perf_counter()
    if (Path(source) / MANIFEST).is_file():
        if prune:
            raise UsageError(f"--prune goes with pictures; {source} holds codes.", "Leave it out.")
        done, items = _of_codes(source, store, model)
    else:
        done, items = _of_pictures(source, store, model, layer, workers or usable_cores(), strict, prune)
    put = done.new + done.changed
    told = (done.new, done.changed, done.unchanged, done.removed, items, done.bad, time.perf_counter() - start)
    show_bad(done.bad)
    made = Indexed(store, put, *told)
    typer.echo(json.dumps(asdict(made), indent=2) if json_ else str(made))


def _of_pictures(
    source: str, store: str, model: Path | None, layer: str | None, workers: int, strict: bool, prune: bool
) -> "tuple[Update, int]":
    """Bring the store up to date with the pictures, and count its items."""
    from functools import partial

    from firebit.engine.network import load
    from firebit.search import CodeStore, LayerEncoder
    from firebit.search.encode import find, update
    from firebit.search.encode.encoded import Coder

    if model is None:
        with _existing(store) as known:
            network, layer = network_of(known, store, None), layer or layer_of(known)
    else:
        network = compiled_file(model)
    encoder = LayerEncoder(load(network, 1), layer)
    encoder.check_pictures()
    pictures = find(source)
    with CodeStore.connect(store, encoder=encoder) as opened:
        # At once, so that a stopped call can be repeated without --model.
        opened.model = _name(model or network)
        begin = partial(Coder, str(network), encoder.layer)
        with progress("encoding") as report:
            done = update(opened, source, pictures, begin, workers, report, strict=strict, prune=prune)
        opened.index_field("label")
        return done, len(opened)


def _of_codes(source: str, store: str, model: Path | None) -> "tuple[Update, int]":
    """Put in what encode wrote, and count the store's items."""
    from itertools import chain, islice

    from firebit.search import CodeStore
    from firebit.search.encode import Bad, Update, read_manifest, read_shards

    manifest, shards = read_manifest(source), read_shards(source)
    # Read before a store is made: none is left behind where they are damaged.
    first = list(islice(shards, 1))
    with CodeStore.connect(store, manifest["bits"], fingerprint=manifest["fingerprint"]) as opened:
        before, count = len(opened), 0
        for ids, codes, payloads in chain(first, shards):
            opened.upsert(ids, codes=codes, payload=payloads)
            count += len(ids)
        opened.index_field("label")
        if model is not None:
            opened.model = _name(compiled_file(model))
        bad = tuple(Bad(each["id"], each["reason"]) for each in manifest["bad"])
        new = len(opened) - before
        return Update(new, count - new, 0, 0, bad), len(opened)


def _existing(store: str) -> "CodeStore":
    from firebit.search import CodeStore

    if "://" not in store and not Path(store).exists():
        raise UsageError(f"{store} is new: nothing says which network to use.", "Name it: --model cifar10-quick.")
    return CodeStore.connect(store, create=False)


def _name(network: Path) -> str:
    """What finds a network again: the name of a pretrained one, or a whole path."""
    from firebit.pretrained import names

    return str(network) if str(network) in names() and not network.exists() else str(network.resolve())
