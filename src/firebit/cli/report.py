"""firebit report: everything about a run as one HTML file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.cli.error import printable
from firebit.cli.model import compiled_file
from firebit.cli.pictures import load_at_hand, own_data
from firebit.cli.status import status
from firebit.errors import ModelFileError

if TYPE_CHECKING:
    from firebit.data import ImageSet

_AUTO = "auto"


def command(
    run: Annotated[Path, typer.Argument(help="The directory of a finished run.")],
    output: Annotated[Path | None, typer.Option(help="Default: RUN/report.html. Replaces an old file.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Data set or folder to look at units with. Default: the run's own.")
    ] = None,
    no_data: Annotated[bool, typer.Option("--no-data", help="Leave out what needs pictures.")] = False,
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    layer: Annotated[str | None, typer.Option(help="Whose units are shown. Default: the last hidden layer.")] = None,
    share: Annotated[
        float, typer.Option(help="Of a class's pictures, for which a unit must fire to call the class positive.")
    ] = 0.9,
    smallest: Annotated[int, typer.Option(metavar="N", help="Smallest pictures of the N most telling units.")] = 64,
    names: Annotated[
        str,
        typer.Option(help="Where names of units come from: wordnet, a TOML file, none, or auto (wordnet for wnids)."),
    ] = _AUTO,
    seed: Annotated[int, typer.Option(help="Of what is drawn at random.")] = 0,
) -> None:
    """Write one HTML file about RUN: results, curves, costs, confusion, and what makes its units fire."""
    from firebit.explain.hierarchy import hierarchy_of
    from firebit.web import Options, report

    with status() as told:
        told("pictures")
        pictures = None if no_data else _pictures(run, data, split)
        concepts = None if pictures is None else hierarchy_of(names, pictures.classes)
        written = report(run, pictures, output, Options(layer, share, smallest, concepts, seed=seed), told)
    typer.echo(f"Wrote {printable(str(written))}: {written.stat().st_size:,} bytes, one file that fetches nothing.")


def _pictures(run: Path, data: str | None, split: str) -> "ImageSet | None":
    """The pictures to look at the compiled network with; None where there is no such network, or no data at hand.

    Raises:
        DataError: the data that were asked for are missing or damaged.
        UsageError: they do not fit the network, or `run` is no run.
    """
    from firebit.engine.network import load

    try:
        network = load(compiled_file(run))
    except ModelFileError:
        # What is wrong with the run, its report says better.
        return None
    if network.plan.logits is None:
        return None
    own = None if data else own_data(run, "firebit report RUN --data DATA")
    return load_at_hand(data, own, split, network, "The report goes without confusion and units.")
