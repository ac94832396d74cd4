"""firebit search: which stored pictures are nearest to a picture."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.cli.error import printable
from firebit.cli.store import DEFAULT_STORE, layer_of, network_of
from firebit.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from firebit.search import CodeStore, Hits


def command(
    queries: Annotated[list[Path], typer.Argument(metavar="QUERY...", help="PNG or JPEG files to search for.")],
    store: Annotated[str, typer.Option(help="File of the store, or milvus://host:port/name.")] = DEFAULT_STORE,
    model: Annotated[
        Path | None, typer.Option(help="The network that made the store's codes. Default: the one that it names.")
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Hits per picture.")] = 10,
    radius: Annotated[int | None, typer.Option(min=0, help="Only hits of so many differing bits at most.")] = None,
    where: Annotated[str | None, typer.Option(help='Filter as JSON, e.g. \'{"label": "cat"}\'.')] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every code, never with lists of some.")] = False,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Re-rank: bits count by how firmly the query holds them.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page of pictures to this file.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the pictures of a store whose codes differ least from those of QUERY."""
    from firebit.cli.table import show
    from firebit.engine.network import load
    from firebit.search import CodeStore

    condition = _filter(where)
    with CodeStore.connect(store, create=False) as opened:
        opened.use(load(network_of(opened, store, model)), layer_of(opened))
        files = [str(query) for query in queries]
        ranked = "encoder" if rerank else None
        found = opened.search(files, k=k, radius=radius, where=condition, exact=exact or "auto", rerank_by=ranked)
        if html is not None:
            _write_page(html, opened, files, found, store)
    if json_:
        typer.echo(json.dumps(_values(store, files, found), indent=2))
        return
    for file, hits in zip(files, found, strict=True):
        show(_table(file, hits))
    if html is not None:
        typer.echo(f"The page is {printable(str(html))}.")


def _filter(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--where {text!r} is no JSON: {error}.", 'Give such as \'{"label": "cat"}\'.') from error


def _values(store: str, files: list[str], found: "list[Hits]") -> dict[str, Any]:
    rows = zip(files, found, strict=True)
    return {"store": store, "queries": [{"file": file, "hits": [hit.to_dict() for hit in hits]} for file, hits in rows]}


def _table(file: str, hits: "Hits") -> "Table":
    from rich.table import Table

    costs = any(hit.cost is not None for hit in hits)
    table = Table(title=printable(file))
    for heading in ("", "bits", *(("cost",) if costs else ())):
        table.add_column(heading, justify="right")
    table.add_column("picture", overflow="fold")
    table.add_column("label", overflow="fold")
    for place, hit in enumerate(hits, 1):
        cost = (f"{hit.cost:.2f}",) if hit.cost is not None else ()
        label = printable(str(hit.payload.get("label", "")))
        table.add_row(str(place), str(hit.distance), *cost, printable(hit.id), label)
    return table


def _write_page(path: Path, store: "CodeStore", files: list[str], found: "list[Hits]", name: str) -> None:
    from firebit.files import write_text
    from firebit.search.page import page

    write_text(path, page(store, files, found, name))
