"""firebit bench: compiled networks beside other libraries, in one interleaved run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.cli.status import status
from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.cli.field import Field
    from firebit.engine.bench import Record, Settings


def command(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET...", help=".firebit files and run directories; or one network of the zoo."),
    ],
    relu: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN", help="The peers run the ReLU network of this run; may be repeated."),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(help="onnxruntime, openvino or torch; may be repeated. Default: all that are installed."),
    ] = None,
    no_peers: Annotated[bool, typer.Option("--no-peers", help="Measure Firebit alone.")] = False,
    batch: Annotated[
        list[int] | None, typer.Option(help="Pictures per call; may be repeated. Default: 1 and 64.")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(help="May be repeated. Default: 1 and 2, where there are as many cores.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="In each of which every contender is called.")] = 15,
    seconds: Annotated[float, typer.Option(help="That each is called per round, once at least.")] = 0.1,
    data: Annotated[str | None, typer.Option(help="Data set or folder to predict. Default: the runs' own.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Predict so many of its pictures only.")] = None,
    precision: Annotated[str | None, typer.Option(help="Zoo: of the compiled network. Default: exact.")] = None,
    weights: Annotated[str | None, typer.Option(help="Zoo: int (default), or sign for weights of ±1.")] = None,
    width: Annotated[float | None, typer.Option(help="Zoo: multiplier on the hidden channels.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="NAME", help="Plot accuracy against time as NAME.svg and NAME.png.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure compiled networks beside ONNX Runtime, OpenVINO and torch: time, memory, size, accuracy."""
    import json
    from tempfile import TemporaryDirectory

    from firebit.cli.field import entered
    from firebit.engine.bench import bench
    from firebit.engine.bench.plot import check_plot, save_plot

    settings = _settings(batch, threads, rounds, seconds)
    peers = _peers(peer, no_peers)
    built = {"precision": precision, "weights": weights, "width": width}
    with TemporaryDirectory() as work, status() as told:
        field = _field(targets, relu or [], (data, limit), built, peers, Path(work))
        if plot is not None:
            check_plot(field.pictures)
        contenders = entered(field, peers, Path(work), told)
        told("what torch computes")
        references = {rival.name: rival.reference(field.pictures.images) for rival in field.rivals}
        record = bench(
            contenders,
            field.pictures,
            settings,
            references=references,
            note=field.note,
            told=lambda what, share: told(f"{what}, {100 * share:.0f} %"),
        )
    if plot is not None:
        save_plot(record, plot)
    if json_:
        typer.echo(json.dumps(record.to_dict(), indent=2))
    else:
        _show(record)


def _settings(batch: list[int] | None, threads: list[int] | None, rounds: int, seconds: float) -> "Settings":
    from firebit.engine.bench import Settings
    from firebit.machine import usable_cores

    few = tuple(count for count in (1, 2) if count <= usable_cores())
    return Settings(tuple(batch or (1, 64)), tuple(threads or few), rounds, seconds)


def _peers(peer: list[str] | None, no_peers: bool) -> tuple[str, ...]:
    """The peers that are asked for.

    Raises:
        UsageError: one is not known or not installed, or none are wanted and some are named.
    """
    from firebit.engine.bench.contender import check_peers, installed_peers

    if no_peers and peer:
        raise UsageError("--peer and --no-peers exclude each other.", "Leave one of them out.")
    named = tuple(dict.fromkeys(peer or ()))
    check_peers(named)
    return () if no_peers else named or installed_peers()


def _field(
    targets: Sequence[str],
    relu: Sequence[Path],
    pictures: tuple[str | None, int | None],
    built: dict[str, str | float | None],
    peers: Sequence[str],
    work: Path,
) -> "Field":
    """What the targets mean: a network of the zoo, or files and runs."""
    from firebit.cli.field import Zoo, trained, untrained

    options = {name: value for name, value in built.items() if value is not None}
    paths = [Path(target) for target in targets]
    if len(targets) > 1 or paths[0].exists() or not targets[0].isidentifier():
        if options:
            raise UsageError(
                f"--{next(iter(options))} builds a network of the zoo; {targets[0]} is there already.", "Leave it out."
            )
        # Without a network that peers could run, nothing of torch is needed.
        return trained(paths, relu, *pictures, bool(peers) and _has_relu(paths, relu))
    if relu or pictures != (None, None):
        raise UsageError(
            f"{targets[0]} of the zoo is not trained: --relu, --data and --limit do not go with it.",
            "Leave them out, or measure a run.",
        )
    return untrained(targets[0], Zoo(**options), work)  # type: ignore[arg-type]


def _has_relu(paths: Sequence[Path], relu: Sequence[Path]) -> bool:
    from firebit.cli.field import run_of

    return bool(relu) or any(run_of(path) for path in paths)


def _show(record: "Record") -> None:
    from rich.console import Console

    from firebit.cli.error import printable
    from firebit.cli.table import show
    from firebit.engine.bench.table import notes, sheets

    for sheet in sheets(record):
        show(sheet.rich())
    for line in notes(record):
        Console().print(printable(line), markup=False, highlight=False, soft_wrap=True)
