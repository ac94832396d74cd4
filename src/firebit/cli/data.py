"""`firebit data`: bring data sets here, list them, look into one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from firebit.cli.table import show
from firebit.data import ImageSet, fetch, load, names
from firebit.data.fetch import is_whole
from firebit.data.load import SPLITS, folder_of
from firebit.errors import UsageError

PLAIN_SECONDS = 10.0

app = typer.Typer(help="Bring data sets here, list them, look into one.", no_args_is_help=True)

Root = Annotated[
    Path | None,
    typer.Option("--root", help="Where data sets lie. Default: FIREBIT_DATA, else ~/.cache/firebit/data."),
]


@app.command("fetch")
def fetch_command(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(names())}.")],
    root: Root = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Take the files from this folder instead of the network.")
    ] = None,
) -> None:
    """Bring a data set here, with checksums. What is already whole is kept."""
    console = Console()
    with _progress(console) as report:
        where = fetch(name, root, source, report)
    console.print(f"{name} is in {where}", soft_wrap=True, highlight=False, markup=False)


@app.command("list")
def list_command(root: Root = None) -> None:
    """List the data sets that are known by name, and check those that are here."""
    table = Table("name", "here", "folder")
    for name in names():
        where = folder_of(name, root)
        table.add_row(name, _presence(name, root), str(where) if where else "inside the package")
    show(table)


@app.command("show")
def show_command(
    data: Annotated[str, typer.Argument(metavar="NAME|DIR", help="A known name, or a folder.")],
    root: Root = None,
    split: Annotated[str | None, typer.Option(help='"train" or "test"; default both.')] = None,
    size: Annotated[int | None, typer.Option(help="Bring pictures to SIZE × SIZE.")] = None,
    on_bad_image: Annotated[str, typer.Option(help='"fail", or "skip" pictures that cannot be read.')] = "fail",
) -> None:
    """Show pictures per class, their size and the fingerprint."""
    parts = [load(data, part, root, size, on_bad_image) for part in ((split,) if split else SPLITS)]
    if len({part.classes for part in parts}) > 1:
        raise UsageError(
            f"{data}: the training and the test set do not have the same classes.", "Look at one with --split."
        )
    counts = [np.bincount(part.labels, minlength=len(part.classes)) for part in parts]
    table = Table("class", *(part.name for part in parts))
    for label, name in enumerate(parts[0].classes):
        table.add_row(name, *(f"{count[label]:,}" for count in counts))
    table.add_section()
    table.add_row("all", *(f"{len(part):,}" for part in parts))
    show(table)
    for part in parts:
        typer.echo(_description(part))


def _presence(name: str, root: Path | None) -> str:
    where = folder_of(name, root)
    if where is not None and not where.is_dir():
        return "no"
    return "yes" if is_whole(name, root) else "not as published"


def _description(part: ImageSet) -> str:
    _, channels, height, width = part.images.shape
    colour = "grey" if channels == 1 else "RGB"
    skipped = f", {len(part.skipped)} skipped ({', '.join(part.skipped[:3])})" if part.skipped else ""
    return f"{part.name}: {width} × {height} {colour}{skipped}, fingerprint {part.fingerprint()}"


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each file on a terminal; elsewhere a plain line every few seconds and at the end of each file."""
    if not console.is_terminal:
        yield _PlainLines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=None)
            bars.update(tasks[name], completed=done, total=total or None)

        yield report


class _PlainLines:
    def __init__(self) -> None:
        self._printed = time.monotonic()

    def __call__(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._printed >= PLAIN_SECONDS:
            self._printed = now
            of = f" of {total / 1e6:.1f}" if total and done != total else ""
            typer.echo(f"{name}: {done / 1e6:.1f}{of} MB")
