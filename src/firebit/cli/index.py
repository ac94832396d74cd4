"""firebit index: pictures into a store that can be searched."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.cli.encode import progress, show_bad
from firebit.cli.error import printable
from firebit.cli.model import compiled_file
from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.search import CodeStore
    from firebit.search.encode import Bad

DEFAULT_STORE = "photos.db"


@dataclass(frozen=True)
class Indexed:
    """What was put into a store.

    Attributes:
        store: its path or address.
        pictures: that were put in.
        items: that it holds now.
        bad: pictures that could not be read.
        seconds: all together.
    """

    store: str
    pictures: int
    items: int
    bad: "tuple[Bad, ...]"
    seconds: float

    def __str__(self) -> str:
        bad = f" {len(self.bad):,} could not be read." if self.bad else ""
        text = f"{self.pictures:,} pictures put into {printable(self.store)}, which holds {self.items:,} now."
        return f"{text}{bad} {self.seconds:.1f} s"


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
    strict: Annotated[bool, typer.Option("--strict", help="End at the first picture that cannot be read.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Encode the pictures of SOURCE and put them into a store: ids are their paths, below SOURCE."""
    import json
    import time

    from firebit.search import CodeStore
    from firebit.search.encode import Bad, read_manifest, read_shards

    start = time.perf_counter()
    with _codes(source, store, model, layer, workers, strict) as (codes, network):
        manifest = read_manifest(codes)
        with CodeStore.connect(store, manifest["bits"], fingerprint=manifest["fingerprint"]) as opened:
            count = 0
            for ids, some, payloads in read_shards(codes):
                opened.upsert(ids, codes=some, payload=[_located(source, each) for each in payloads])
                count += len(ids)
            opened.index_field("label")
            if network is not None:
                opened.model = _name(network)
            bad = tuple(Bad(each["id"], each["reason"]) for each in manifest["bad"])
            made = Indexed(store, count, len(opened), bad, time.perf_counter() - start)
    show_bad(made.bad)
    typer.echo(json.dumps(asdict(made), indent=2) if json_ else str(made))


@contextmanager
def _codes(
    source: str, store: str, model: Path | None, layer: str | None, workers: int | None, strict: bool
) -> "Iterator[tuple[Path, Path | None]]":
    """A folder of codes of the source, and the network that made them, where it is known."""
    import shutil

    from firebit.machine import usable_cores
    from firebit.search.encode import prepare, run
    from firebit.search.encode.shard import MANIFEST

    if (Path(source) / MANIFEST).is_file():
        yield Path(source), model
        return
    network = model or _remembered(store)
    # Beside the store: what was encoded before a stop need not be encoded again.
    folder = Path(f"{store.rpartition('/')[2]}-codes") if "://" in store else Path(f"{store}-codes")
    job = prepare(source, compiled_file(network), folder, layer or (None if model else _layer_of(store)))
    with progress("encoding") as report:
        run(job, workers or usable_cores(), report, strict)
    yield folder, network
    shutil.rmtree(folder)


def _remembered(store: str) -> Path:
    with _existing(store) as opened:
        if opened.model:
            return Path(opened.model)
    raise UsageError(
        f"{store} does not say which network to use.", "Name it: --model cifar10-quick, or a .firebit file."
    )


def _layer_of(store: str) -> str | None:
    with _existing(store) as opened:
        return opened.fingerprint.partition(":")[2] or None


def _existing(store: str) -> "CodeStore":
    from firebit.search import CodeStore

    if "://" not in store and not Path(store).exists():
        raise UsageError(f"{store} is new: nothing says which network to use.", "Name it: --model cifar10-quick.")
    return CodeStore.connect(store, create=False)


def _located(source: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload, and where the picture is, if it is a file of its own."""
    path = Path(source) / payload["file"]
    return {**payload, "path": str(path.resolve())} if path.is_file() else payload


def _name(network: Path) -> str:
    """What finds a network again: the name of a pretrained one, or a whole path."""
    from firebit.pretrained import names

    return str(network) if str(network) in names() and not network.exists() else str(network.resolve())
