"""firebit serve: a local app to look at pictures through a compiled network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.cli.error import printable
from firebit.cli.model import compiled_file
from firebit.cli.pictures import data_of, load_at_hand
from firebit.cli.status import status

if TYPE_CHECKING:
    from firebit.data import ImageSet
    from firebit.engine.network import Network


def command(
    model: Annotated[Path, typer.Argument(help="A .firebit file, a run that has one, or a pretrained network's name.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled data set or folder to judge units by. Default: of a run or pretrained network its own."
        ),
    ] = None,
    no_data: Annotated[bool, typer.Option("--no-data", help="Judge units by no data.")] = False,
    store: Annotated[
        str | None, typer.Option(metavar="STORE", help="Where nearest pictures come from: a file, or milvus://….")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others than loopback can be reached by anyone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8350,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Answer to this host name too; may be repeated.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the network. Default: as many as there are cores.")
    ] = None,
) -> None:
    """Open MODEL in a page on this machine: drop a picture, see what it is taken for, which units fire, and why."""
    from firebit.engine.network import load
    from firebit.web import Lens, open_store, serve

    path = compiled_file(model)
    network = load(path, threads)
    near = None if store is None else open_store(store, network)
    with status() as told:
        told("pictures")
        pictures = None if no_data else _pictures(model, data, network)
        lens = Lens(network, model.resolve().name if model.exists() else str(model), pictures)
        told("units")
        # The first picture need not wait for it.
        lens.units(lens.layers[-1].name)
    serve(lens, near, host, port, frozenset(allow or ()), told=lambda address: _tell(address, host))


def _tell(address: str, host: str) -> None:
    typer.echo(f"Open {address} (stop with Ctrl+C).")
    if not host.startswith("127.") and host not in ("localhost", "::1"):
        typer.echo(f"Anyone who can reach {printable(host)} can use it.", err=True)


def _pictures(model: Path, data: str | None, network: "Network") -> "ImageSet | None":
    """Labelled pictures to judge units by; None where there are none at hand.

    Raises:
        DataError: the data that were asked for are missing or damaged.
        UsageError: they do not fit the network.
    """
    own = None if data else data_of(model, "firebit serve RUN --data DATA")
    return load_at_hand(data, own, "test", network, "Units are judged by no data.")
