"""firebit reproduce: an experiment of the paper, run and put into a table."""

from pathlib import Path
from typing import Annotated

import typer

from firebit.errors import UsageError


def command(
    name: Annotated[str, typer.Argument(help="table1, table2, figure2 … figure6, weights or ablation.")],
    seeds: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Runs of every trial, seeds 0 … N − 1. Default: the experiment's own."),
    ] = None,
    scale: Annotated[float, typer.Option(help="Factor on all epochs, for a quick look.")] = 1.0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a field of all recipes, e.g. threads=1."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="TRIAL", help="Run this trial only, e.g. cifar10; may be repeated.")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK", help="Of figure5 and figure6: a run, or a pretrained network; may be repeated."
        ),
    ] = None,
    results: Annotated[Path, typer.Option(help="Records of finished runs, and pages.")] = Path("results"),
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = Path("runs"),
) -> None:
    """Reproduce an experiment of the paper. Finished runs are kept, stopped ones go on where they were."""
    from rich.console import Console

    from firebit.cli.progress import reporter
    from firebit.paper import EXPERIMENTS, READINGS, Places, read, reproduce
    from firebit.train import Interrupted

    if name not in EXPERIMENTS and name not in READINGS:
        raise UsageError(f"There is no experiment {name!r}.", f"Choose one of: {', '.join([*EXPERIMENTS, *READINGS])}.")
    if name in READINGS:
        _check_alone(name, {"--seeds": seeds, "--set": set_, "--only": only, "--scale": scale != 1})
        typer.echo(read(name, network or (), results, runs), nl=False)
        return
    if network:
        raise UsageError(f"--network does not go with {name}, which trains its own.", "Leave it out.")
    console = Console(stderr=True)
    try:
        with reporter(console) as shown:
            text = reproduce(
                EXPERIMENTS[name],
                range(seeds or EXPERIMENTS[name].seeds),
                Places(results, runs),
                scale=scale,
                overrides=set_ or (),
                only=only or (),
                reporter=shown,
            )
    except Interrupted:
        console.print("Saved. The same command goes on from here.", markup=False, highlight=False)
        raise typer.Exit(130) from None
    typer.echo(text, nl=False)


def _check_alone(name: str, options: "dict[str, object]") -> None:
    """See that nothing is asked of training where nothing is trained."""
    for option, given in options.items():
        if given:
            raise UsageError(f"{option} does not go with {name}, which trains nothing.", "Leave it out.")
