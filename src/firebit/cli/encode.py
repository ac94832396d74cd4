"""firebit encode: codes of many pictures, in shards that a stopped job goes on from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.cli.error import printable
from firebit.cli.model import compiled_file

if TYPE_CHECKING:
    from firebit.search.encode import Bad, Progress, Summary
    from firebit.search.encode.job import Execute

_SHOWN = 5
_PLAIN_SECONDS = 10.0


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A folder of pictures, a tar archive or a folder of some, or a data set."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the shards. One of the same job is gone on with.")],
    model: Annotated[
        Path, typer.Option(help="A .firebit file, a run that has one, or a pretrained network's name.")
    ] = Path("cifar10-quick"),
    layer: Annotated[str | None, typer.Option(help="Layer whose bits are the codes. Default: the last.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. Default: as many as there are cores.")] = None,
    size: Annotated[int, typer.Option(min=1, help="Pictures per shard.")] = 2048,
    ray: Annotated[bool, typer.Option("--ray", help="Work on Ray: the cluster of RAY_ADDRESS, or here.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End at the first picture that cannot be read.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Encode all pictures of SOURCE into Parquet shards {id, code, payload} and a manifest."""
    import json
    from dataclasses import asdict

    from firebit.machine import usable_cores
    from firebit.search.encode import prepare, run

    job = prepare(source, compiled_file(model), out, layer, size)
    with progress("encoding") as report:
        summary = run(job, workers or usable_cores(), report, strict, _on_ray() if ray else None)
    show_bad(summary.bad)
    typer.echo(json.dumps(asdict(summary), indent=2) if json_ else _line(summary))


def _on_ray() -> "Execute":
    from firebit.search.encode.cluster import execute

    return execute


@contextmanager
def progress(title: str) -> "Iterator[Callable[[Progress], None]]":
    """A bar with the rate and the time left on a terminal, a line now and then elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, title) as report:
            yield report
        return
    import time

    spoke = time.monotonic()

    def line(seen: "Progress") -> None:
        nonlocal spoke
        if time.monotonic() - spoke > _PLAIN_SECONDS:
            spoke = time.monotonic()
            bad = f", {seen.bad:,} cannot be read" if seen.bad else ""
            text = f"{seen.done:,}/{seen.total:,} pictures{bad}, {seen.rate:,.0f}/s, {seen.seconds_left:,.0f} s left"
            console.print(text, markup=False, highlight=False, soft_wrap=True)

    yield line


@contextmanager
def _bar(console: object, title: str) -> "Iterator[Callable[[Progress], None]]":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    rate = TextColumn("{task.fields[rate]:,.0f} pictures/s")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Bar(*columns, console=console) as bar:  # type: ignore[arg-type]
        task = bar.add_task(title, total=None, rate=0.0)
        yield lambda seen: bar.update(task, completed=seen.done, total=seen.total, rate=seen.rate)


def show_bad(bad: "tuple[Bad, ...]") -> None:
    """Name the first pictures that could not be read, and how many there are, on the error stream."""
    for each in bad[:_SHOWN]:
        typer.echo(f"skipped {printable(each.id)}: {printable(each.reason)}", err=True)
    if len(bad) > _SHOWN:
        typer.echo(f"… and {len(bad) - _SHOWN:,} more; all are in the manifest.", err=True)


def _line(summary: "Summary") -> str:
    bad = f" {len(summary.bad):,} pictures could not be read." if summary.bad else ""
    known = f" {summary.resumed:,} of them were there." if summary.resumed else ""
    pictures = f"{summary.pictures:,} pictures in {summary.shards:,} shards in {printable(summary.folder)}."
    return f"{pictures}{known}{bad} {summary.seconds:.1f} s, {summary.rate:,.0f} pictures/s"
