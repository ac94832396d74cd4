"""firebit train: a network with bounded rectifiers in two phases, and the table of what steps cost."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.train.distributed import Ranks
    from firebit.train.recipe import Recipe
    from firebit.train.run import RunFolder

_RUNS = Path("runs")


def command(
    data: Annotated[
        str,
        typer.Argument(
            help="digits, mnist, cifar10, …, a folder of pictures or tar shards, a pattern of shards, hf:NAME."
        ),
    ],
    net: Annotated[str | None, typer.Option(help="Network of the zoo, instead of the recipe's.")] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="A recipe by name or a TOML file. Default: the one named like the data."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a field, e.g. phase1.epochs=5."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    classes: Annotated[
        Path | None, typer.Option(help="A file with the order of the classes, of streamed pictures.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Use the whole pictures of tar shards that end in the middle.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name of the run directory. Default: the data's name.")] = None,
    runs: Annotated[Path, typer.Option(help="Where run directories are made.")] = _RUNS,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a stopped run (--name, or the latest of these data).")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda (with torchrun a GPU per process) or cuda:N. Default: the recipe's.")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the journal as event files into RUN/tensorboard.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure a few steps, print memory, time and cost; write nothing.")
    ] = False,
    price_per_hour: Annotated[
        float | None, typer.Option(min=0, help="With --dry-run: what an hour of all machines together costs.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Train on DATA in two phases, put steps in, and print what that cost.

    On several GPUs or machines: torchrun --nproc-per-node=N -m firebit train DATA …
    """
    from firebit.train.distributed import joined
    from firebit.train.toml import quoted

    overrides = list(set_ or [])
    overrides += [f"net.name={net}"] if net else []
    overrides += [f"seed={seed}"] if seed is not None else []
    overrides += [f"input.classes={quoted(str(classes.resolve()))}"] if classes else []
    overrides += ["input.bad_shards=skip"] if skip_bad else []
    overrides += [f"device={device}"] if device else []
    with joined() as ranks:
        folder = _agreed_folder(ranks, runs, name, data, resume)
        goes_on = resume or _is_restarted(ranks, folder)
        chosen = _resumed(folder, data, recipe, overrides) if resume else _recipe(data, recipe, overrides)
        if dry_run:
            _estimate(chosen, folder, ranks, price_per_hour, json_)
            return
        results = _train(chosen, folder, goes_on, ranks, tensorboard, _where(runs))
        if ranks.first:
            _show(results, folder, json_)


def _agreed_folder(ranks: "Ranks", runs: Path, name: str | None, data: str, resume: bool) -> "RunFolder":
    """The run directory that the first rank chooses; what torchrun has restarted goes on in the latest."""
    from firebit.train.run import RunFolder, runs_of

    def choose() -> str:
        begun = ranks.restarts > 0 and bool(runs_of(runs, data))
        return str(_folder(runs, name, data, resume or begun).path)

    return RunFolder(Path(ranks.from_first(choose)))


def _is_restarted(ranks: "Ranks", folder: "RunFolder") -> bool:
    """Whether torchrun has started the ranks anew, behind the beginning of the run."""
    return ranks.restarts > 0 and bool(ranks.from_first(lambda: "begun" if folder.recipe_file.is_file() else ""))


def _estimate(recipe: "Recipe", folder: "RunFolder", ranks: "Ranks", price: float | None, json_: bool) -> None:
    from firebit.cli.estimate import show_estimate
    from firebit.train.estimate import estimate

    found = estimate(recipe, folder, ranks=ranks)
    if ranks.first:
        show_estimate(found, price, json_)


def _train(
    recipe: "Recipe", folder: "RunFolder", resume: bool, ranks: "Ranks", tensorboard: bool, where: list[str]
) -> dict[str, object]:
    from rich.console import Console

    from firebit.cli.progress import reporter
    from firebit.train import Interrupted, fit
    from firebit.train.board import Board

    console = Console(stderr=True, quiet=not ranks.first)
    try:
        with reporter(console) as report:
            several = f", {ranks.size} ranks" if ranks.size > 1 else ""
            report.note(f"{folder.path}: {recipe.net.name} on {recipe.data}, seed {recipe.seed}{several}")
            heard = Board(report, folder) if tensorboard and ranks.first else report
            return fit(recipe, folder, resume=resume, reporter=heard, ranks=ranks)
    except Interrupted:
        hint = shlex.join(["firebit", "train", recipe.data, "--resume", "--name", folder.path.name, *where])
        console.print(f"Saved. Continue with: {hint}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None


def _where(runs: Path) -> list[str]:
    return [] if runs == _RUNS else ["--runs", str(runs)]


def _folder(runs: Path, name: str | None, data: str, resume: bool) -> "RunFolder":
    from firebit.train.run import RunFolder, latest_folder, new_folder

    if name is None:
        return latest_folder(runs, data) if resume else new_folder(runs, data)
    if Path(name).name != name or name in ("", ".", ".."):
        raise UsageError(f"--name {name!r} is not a plain name.", "Give a name without slashes; --runs says where.")
    return RunFolder(runs / name)


def _recipe(data: str, recipe: str | None, overrides: list[str]) -> "Recipe":
    from firebit.train.recipe import load_recipe, recipe_names
    from firebit.train.toml import quoted

    source = recipe or (data if data in recipe_names() else "default")
    return load_recipe(source, [f"data={quoted(data)}", *overrides])


def _resumed(folder: "RunFolder", data: str, recipe: str | None, overrides: list[str]) -> "Recipe":
    if recipe or overrides:
        raise UsageError(
            "A resumed run keeps its recipe.",
            "Leave out --recipe, --net, --seed, --device, --classes, --skip-bad and --set.",
        )
    found = folder.recipe()
    if found.data != data:
        raise UsageError(
            f"{folder.path} was trained on {found.data}, not {data}.", f"Say: firebit train {found.data} …"
        )
    return found


def _show(results: dict[str, object], folder: "RunFolder", json_: bool) -> None:
    import json

    from firebit.cli.table import show
    from firebit.train.results import difference_line, results_table

    if json_:
        typer.echo(json.dumps(results, indent=2))
        return
    show(results_table(results))
    if line := difference_line(results):
        typer.echo(line)
    typer.echo(f"Everything is in {folder.path}/ (start with README.md).")
