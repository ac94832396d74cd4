"""firebit eval: accuracy and level of binarisation of a trained network on a data set."""

from pathlib import Path
from typing import Annotated

import typer

from firebit.errors import UsageError


def command(
    target: Annotated[Path, typer.Argument(help="A run directory, or a model file inside one.")],
    data: Annotated[str | None, typer.Argument(help="A data set or folder. Default: the run's own.")] = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    network: Annotated[
        str, typer.Option(help="Of a run directory: hardened, model (soft, after phase 2), phase1 or relu.")
    ] = "hardened",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the network of TARGET on a data set."""
    import json

    from rich.console import Console

    from firebit.data import load
    from firebit.train import RunFolder, evaluate, load_model_file

    if data is None and not target.is_dir():
        raise UsageError(f"{target} does not say which data set to use.", "Name one: firebit eval FILE DATA.")
    loaded = load_model_file(RunFolder(target).model_file(network) if target.is_dir() else target)
    pictures = load(data or RunFolder(target).recipe().data, split, size=_folder_size(data, loaded.example.shape[-1]))
    expected, found = tuple(loaded.example.shape[1:]), pictures.images.shape[1:]
    if expected != found or len(pictures.classes) != len(loaded.classes):
        raise UsageError(
            f"The network takes pictures of {_shape(expected)} in {len(loaded.classes)} classes; {pictures.name} has "
            f"{_shape(found)} in {len(pictures.classes)}.",
            "Choose a data set of that shape.",
        )
    metrics, census = evaluate(loaded.model, pictures)
    if json_:
        values = {"network": loaded.network, "data": pictures.name, "metrics": metrics.to_dict()}
        typer.echo(json.dumps({**values, "census": census.to_dict() if census else None}, indent=2))
        return
    console = Console()
    console.print(
        f"{loaded.network} network on {pictures.name}: top-1 {100 * metrics.top1:.2f} %, "
        f"top-5 {100 * metrics.top5:.2f} %, loss {metrics.loss:.4f} over {metrics.count:,} pictures",
        highlight=False,
    )
    if census:
        console.print(census.table())


def _folder_size(data: str | None, side: int) -> int | None:
    from firebit.data import names

    return side if data is not None and data not in names() else None


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
