"""firebit eval: accuracy and level of binarisation of a trained or compiled network on a data set."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.cli.model import COMPILED, check_no_choice, check_there, compiled_file, load_classifier, named
from firebit.cli.pictures import load_fitting, own_data
from firebit.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from firebit.data import ImageSet
    from firebit.engine.network import Network
    from firebit.metrics import Metrics
    from firebit.nn.census import Census


_PART = 1000


@dataclass(frozen=True)
class Subject:
    """The network that is measured: its kind, pictures (C, H, W), classes and their names, and how to measure it."""

    network: str
    shape: tuple[int, ...]
    classes: int
    names: tuple[str, ...]
    measure: "Callable[[ImageSet], tuple[Metrics, Census | None]]"


def command(
    target: Annotated[Path, typer.Argument(help="A run, a model or .firebit file, or a pretrained network's name.")],
    data: Annotated[str | None, typer.Argument(help="A data set or folder. Default: the run's own.")] = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    network: Annotated[
        str | None,
        typer.Option(help="Of a run directory: hardened (default), model (soft), phase1, relu or compiled."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the network of TARGET on a data set. A compiled network needs no torch."""
    import json

    from rich.console import Console

    from firebit.cli.table import show
    from firebit.engine.record import is_plan

    path, source = _find(target, network, data)
    subject = _compiled(path) if is_plan(path) else _trained(path)
    pictures = load_fitting(source, split, subject.shape, subject.classes, subject.names)
    metrics, census = subject.measure(pictures)
    if json_:
        values = {"network": subject.network, "data": pictures.name, "metrics": metrics.to_dict()}
        typer.echo(json.dumps({**values, "census": census.to_dict() if census else None}, indent=2))
        return
    Console().print(
        f"{subject.network} network on {pictures.name}: top-1 {100 * metrics.top1:.2f} %, "
        f"top-5 {100 * metrics.top5:.2f} %, loss {metrics.loss:.4f} over {metrics.count:,} pictures",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if census:
        show(census.table())


def _find(target: Path, network: str | None, data: str | None) -> tuple[Path, str]:
    """The model file that TARGET means, and the data set to measure it on."""
    if (file := named(target)) != target:
        from firebit.pretrained import entry

        check_no_choice(target, network)
        return file, data or entry(str(target)).facts["data"]
    check_there(target)
    if not target.is_dir():
        check_no_choice(target, network)
        if data is None:
            raise UsageError(f"{target} does not say which data set to use.", "Name one: firebit eval FILE DATA.")
        return target, data
    if network == COMPILED:
        return compiled_file(target), data or own_data(target, "firebit eval RUN DATA")
    return _file_of_run(target, network or "hardened", data)


def _file_of_run(target: Path, network: str, data: str | None) -> tuple[Path, str]:
    from firebit.train import RunFolder

    run = RunFolder(target)
    recipe, path = run.recipe(), run.model_file(network)
    if not path.is_file():
        raise ModelFileError(
            f"{target} has no {network} network yet.", "Finish the run with --resume, or choose another --network."
        )
    return path, data or recipe.data


def _trained(path: Path) -> Subject:
    from firebit.train import evaluate, load_model_file

    loaded = load_model_file(path)
    shape = tuple(loaded.example.shape[1:])
    names = loaded.classes
    return Subject(loaded.network, shape, len(names), names, lambda pictures: evaluate(loaded.model, pictures))


def _compiled(path: Path) -> Subject:
    network = load_classifier(path)
    assert network.plan.logits is not None
    classes = len(network.plan.logits.bias)
    return Subject(
        COMPILED,
        network.input_shape,
        classes,
        network.plan.classes,
        lambda pictures: (_measured(network, pictures), None),
    )


def _measured(network: "Network", pictures: "ImageSet") -> "Metrics":
    import numpy as np

    from firebit.data.streamed import StreamedSet
    from firebit.metrics import measure

    found = pictures.readable() if isinstance(pictures, StreamedSet) else pictures
    parts = (found.images[at : at + _PART] for at in range(0, len(found), _PART))
    return measure(np.concatenate([network.logits(part) for part in parts]), found.labels)
