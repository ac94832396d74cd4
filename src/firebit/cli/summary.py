"""firebit summary: bits, memory and multiply-accumulates of a network, layer by layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn


def command(
    target: Annotated[
        str, typer.Argument(help="A network of the zoo (lenet, cifar10_quick), a run directory, or a model file.")
    ],
    network: Annotated[
        str | None,
        typer.Option(help="Of a run directory: hardened (default), model (soft, after phase 2), phase1 or relu."),
    ] = None,
    width: Annotated[float | None, typer.Option(help="Zoo: multiplier on the hidden channels.")] = None,
    batch_norm: Annotated[
        bool | None, typer.Option("--batch-norm/--no-batch-norm", help="Zoo: batch norm before activations.")
    ] = None,
    centred: Annotated[bool | None, typer.Option("--centred/--plain", help="Zoo: centred codes.")] = None,
    activation: Annotated[str | None, typer.Option(help="Zoo: rectifier or relu.")] = None,
    order: Annotated[str | None, typer.Option(help="Zoo: pool-first or act-first.")] = None,
    classes: Annotated[int | None, typer.Option(help="Zoo: number of classes.")] = None,
    channels: Annotated[int | None, typer.Option(help="Zoo: channels of the pictures.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what each layer of TARGET costs, now and once its rectifiers are steps."""
    import json

    from rich.console import Console

    from firebit.nn.summary import summary

    named = {
        **{"width": width, "batch_norm": batch_norm, "centred": centred, "activation": activation},
        **{"order": order, "classes": classes, "channels": channels},
    }
    options = {name: value for name, value in named.items() if value is not None}
    costs = summary(*_network(target, network, options))
    if json_:
        typer.echo(json.dumps(costs.to_dict(), indent=2))
        return
    console = Console()
    if console.is_terminal:
        console.print(costs.table())
    else:
        typer.echo(str(costs), nl=False)


def _network(target: str, network: str | None, options: dict[str, Any]) -> "tuple[nn.Module, Tensor]":
    """The network that TARGET names, and an example for it."""
    from firebit import zoo

    if target in zoo.names():
        if network is not None:
            raise UsageError(f"--network does not go with {target}, which is not a run.", "Leave it out.")
        return zoo.build(target, **options), zoo.example(target, options.get("channels"))
    path = Path(target)
    if not path.exists():
        raise UsageError(
            f"{target!r} is neither a network of the zoo nor a run directory.",
            f"Give runs/NAME, or one of: {', '.join(zoo.names())}.",
        )
    if options:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in options)
        raise UsageError(f"{target} is a trained network: {given} cannot change it.", "Leave the option out.")
    return _trained(path, network)


def _trained(path: Path, network: str | None) -> "tuple[nn.Module, Tensor]":
    from firebit.train.run import RunFolder, load_model_file

    if path.is_file() and network is not None:
        raise UsageError(f"--network does not go with {path}, which is one file.", "Leave it out.")
    loaded = load_model_file(path if path.is_file() else RunFolder(path).model_file(network or "hardened"))
    return loaded.model, loaded.example
