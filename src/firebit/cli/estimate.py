"""What a dry run prints: parameters, memory, time, and cost."""

import json
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from firebit.train.estimate import Estimate


def show_estimate(found: "Estimate", price: float | None, json_: bool) -> None:
    """Print an estimate, with its cost where an hour has a price."""
    from firebit.cli.table import show

    if json_:
        cost = {} if price is None else {"price_per_hour": price, "cost": found.cost(price)}
        typer.echo(json.dumps(found.to_dict() | cost, indent=2))
        return
    show(_layers(found))
    show(_times(found))
    memory = found.memory
    parts = (("weights", memory.weights), ("gradients", memory.gradients), ("optimizer", memory.optimizer))
    told = ", ".join(f"{name} {_mebibytes(size)}" for name, size in parts)
    typer.echo(f"memory per process: {told}, activations {_mebibytes(memory.activations)}: {_mebibytes(memory.total)}")
    shared = f" of each of {found.ranks} processes" if found.ranks > 1 else ""
    typer.echo(f"{found.pictures:,} pictures, micro-batches of {found.micro_batch}{shared}, {found.precision}")
    typer.echo(f"training takes about {duration(found.seconds)}, measured on this machine; nothing was written")
    if price is not None:
        typer.echo(f"cost: {found.cost(price):,.2f} at {price:g} per hour")


def _layers(found: "Estimate") -> "Table":
    from rich.table import Table

    table = Table("layer", "kind", title="parameters")
    table.add_column("parameters", justify="right")
    for layer in found.layers:
        table.add_row(layer.name, layer.kind, f"{layer.parameters:,}")
    table.add_section()
    table.add_row("all", "", f"{found.parameters:,}")
    return table


def _times(found: "Estimate") -> "Table":
    from rich.table import Table

    table = Table("stage", title="time")
    for heading in ("epochs", "steps / epoch", "ms / step", "epoch", "stage"):
        table.add_column(heading, justify="right")
    for stage in found.stages:
        cells = [f"{stage.epochs}", f"{stage.steps:,}", f"{1000 * stage.step_seconds:.1f}"]
        table.add_row(stage.name, *cells, duration(stage.epoch_seconds), duration(stage.seconds))
    return table


def duration(seconds: float) -> str:
    """Seconds as a reader says them: 4.2 s, 3 min 5 s, 7 h 30 min, 2 d 4 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, large, small in ((86400, "d", "h"), (3600, "h", "min"), (60, "min", "s")):
        if whole >= size:
            rest = whole % size // {"h": 3600, "min": 60, "s": 1}[small]
            return f"{whole // size} {large} {rest} {small}"
    return f"{whole} s"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
