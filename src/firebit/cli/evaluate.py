"""firebit eval: accuracy and level of binarisation of a trained network on a data set."""

from pathlib import Path
from typing import Annotated

import typer

from firebit.errors import ModelFileError, UsageError


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

    from firebit.cli.table import show
    from firebit.data import load
    from firebit.train import evaluate, load_model_file

    path, source = _find(target, network, data)
    loaded = load_model_file(path)
    pictures = load(source, split, size=_folder_size(source, loaded.example.shape[-1]))
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
        show(census.table())


def _find(target: Path, network: str, data: str | None) -> tuple[Path, str]:
    """The model file that TARGET means, and the data set to measure it on."""
    from firebit.train import RunFolder

    if not target.exists():
        raise ModelFileError(f"There is no run or model file {target}.", "Give runs/NAME, or a model file inside one.")
    if not target.is_dir():
        if data is None:
            raise UsageError(f"{target} does not say which data set to use.", "Name one: firebit eval FILE DATA.")
        return target, data
    run = RunFolder(target)
    recipe, path = run.recipe(), run.model_file(network)
    if not path.is_file():
        raise ModelFileError(
            f"{target} has no {network} network yet.", "Finish the run with --resume, or choose another --network."
        )
    return path, data or recipe.data


def _folder_size(data: str, side: int) -> int | None:
    from firebit.data import names

    return None if data in names() else side


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
