"""firebit summary: bits, memory and multiply-accumulates of a network, layer by layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.cli.model import COMPILED, check_no_choice, check_there, compiled_file, named
from firebit.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from firebit.engine.cost import Cost
    from firebit.nn.summary import Summary


def command(
    target: Annotated[
        str,
        typer.Argument(help="A network of the zoo (lenet, …), a run, a model or .firebit file, or a pretrained one."),
    ],
    network: Annotated[
        str | None,
        typer.Option(help="Of a run directory: hardened (default), model (soft), phase1, relu or compiled."),
    ] = None,
    width: Annotated[float | None, typer.Option(help="Zoo: multiplier on the hidden channels.")] = None,
    batch_norm: Annotated[
        bool | None, typer.Option("--batch-norm/--no-batch-norm", help="Zoo: batch norm before activations.")
    ] = None,
    centred: Annotated[bool | None, typer.Option("--centred/--plain", help="Zoo: centred codes.")] = None,
    activation: Annotated[str | None, typer.Option(help="Zoo: rectifier, relu or straight-through.")] = None,
    order: Annotated[str | None, typer.Option(help="Zoo: pool-first or act-first.")] = None,
    classes: Annotated[int | None, typer.Option(help="Zoo: number of classes.")] = None,
    channels: Annotated[int | None, typer.Option(help="Zoo: channels of the pictures.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what each layer of TARGET costs, now and once its rectifiers are steps; compiled, beside ReLUs.

    A compiled network needs no torch.
    """
    import json

    from firebit.cli.table import show

    named = {
        **{"width": width, "batch_norm": batch_norm, "centred": centred, "activation": activation},
        **{"order": order, "classes": classes, "channels": channels},
    }
    options = {name: value for name, value in named.items() if value is not None}
    costs = _costs(target, network, options)
    if json_:
        typer.echo(json.dumps(costs.to_dict(), indent=2))
    else:
        show(costs.table())


def _costs(target: str, network: str | None, options: dict[str, Any]) -> "Cost | Summary":
    path = _plan_file(Path(target), network)
    if path is None:
        from firebit.nn.summary import summary

        return summary(*_network(target, network, options))
    _refuse(options, target)
    from firebit.engine.cost import cost
    from firebit.engine.record import load

    return cost(load(path))


def _plan_file(target: Path, network: str | None) -> Path | None:
    """The file of the compiled network that TARGET names; None where it names another network."""
    from firebit.engine.record import is_plan
    from firebit.pretrained import names as pretrained

    if str(target) in pretrained() and not target.exists():
        check_no_choice(target, network)
        return named(target)
    if target.is_dir():
        return compiled_file(target) if network == COMPILED else None
    if target.suffix == ".firebit":
        check_there(target)
    if not target.is_file():
        return None
    try:
        found = is_plan(target)
    except ModelFileError:
        # Some file that happens to be called "lenet" does not hide the zoo's.
        if not str(target).isidentifier():
            raise
        return None
    if not found:
        return None
    check_no_choice(target, network)
    return target


def _network(target: str, network: str | None, options: dict[str, Any]) -> "tuple[nn.Module, Tensor]":
    """The network that TARGET names, and an example for it."""
    from firebit import zoo
    from firebit.pretrained import names

    if target in zoo.names():
        if network is not None:
            raise UsageError(f"--network does not go with {target}, which is not a run.", "Leave it out.")
        return zoo.build(target, **options), zoo.example(target, options.get("channels"))
    path = Path(target)
    if not path.exists():
        raise UsageError(
            f"{target!r} is neither a network of the zoo nor a run directory.",
            f"Give runs/NAME, or one of: {', '.join((*zoo.names(), *names()))}.",
        )
    _refuse(options, target)
    return _trained(path, network)


def _trained(path: Path, network: str | None) -> "tuple[nn.Module, Tensor]":
    from firebit.train.run import RunFolder, load_model_file

    if path.is_file():
        check_no_choice(path, network)
    loaded = load_model_file(path if path.is_file() else RunFolder(path).model_file(network or "hardened"))
    return loaded.model, loaded.example


def _refuse(options: dict[str, Any], target: str) -> None:
    if options:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in options)
        raise UsageError(f"{target} is a trained network: {given} cannot change it.", "Leave the option out.")
