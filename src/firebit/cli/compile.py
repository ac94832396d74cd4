"""firebit compile: the hardened network of a run as one file that runs without torch."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.cli.error import printable
from firebit.cli.model import check_no_choice, check_there
from firebit.errors import FirebitError, ModelFileError, UsageError

if TYPE_CHECKING:
    from firebit.compiler import Report
    from firebit.data import ImageSet
    from firebit.engine.plan import Plan
    from firebit.train.run import LoadedModel


@dataclass(frozen=True)
class Compiled:
    """The file that was written, and what is known of it.

    Attributes:
        file: where it is.
        replaced: whether a file was there before.
        fingerprint: of the network.
        report: with the agreement on the run's own test data, None where that was not checked.
        data: name of these data; None where there are none.
        not_checked: why the agreement was not checked; None where it was.
    """

    file: Path
    replaced: bool
    fingerprint: str
    report: "Report"
    data: str | None
    not_checked: str | None

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values."""
        return {
            "file": str(self.file),
            "bytes": self.file.stat().st_size,
            "replaced": self.replaced,
            "fingerprint": self.fingerprint,
            "data": self.data,
            "not_checked": self.not_checked,
            **self.report.to_dict(),
        }


def command(
    model: Annotated[Path, typer.Argument(help="A run directory, or a model file (hardened.safetensors).")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Default: RUN/model.firebit; for a model file, its name with .firebit. Replaces an old file."
        ),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Of a run directory: hardened (default). Soft networks cannot be compiled.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="exact, or fast: large layers rounded, quicker and smaller; a few bits differ.")
    ] = "exact",
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compare both networks on the run's own test data.")
    ] = True,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make one file of the hardened network of MODEL that runs without torch, and see that both agree."""
    import json

    source = _source(model, network)
    target = output or _default_output(model)
    _check_output(source, target)
    loaded, plan, report = _compile(model, source, precision)
    replaced = target.exists()
    plan.save(target)
    pictures, not_checked = _test_pictures(source, loaded) if check else (None, "--no-check was given.")
    name = None
    if pictures is not None:
        from firebit.compiler.agreement import rounding
        from firebit.train.compile import compared

        found = None if report.exact is None else rounding(report.exact, plan, pictures.images)
        report, name = replace(report, agreement=compared(loaded, plan, pictures), rounding=found), pictures.name
    made = Compiled(target, replaced, plan.fingerprint, report, name, not_checked)
    if json_:
        typer.echo(json.dumps(made.to_dict(), indent=2))
    else:
        _show(made)


def _source(model: Path, network: str | None) -> Path:
    """The model file that MODEL means.

    Raises:
        ModelFileError: it does not exist.
        UsageError: MODEL is neither a run nor a model file, or --network does not go with it.
    """
    from firebit.train.run import RunFolder

    check_there(model)
    if not model.is_dir():
        check_no_choice(model, network)
        return model
    run, name = RunFolder(model), network or "hardened"
    path = run.model_file(name)
    if not path.is_file():
        run.recipe()  # says so where it is no run at all
        raise ModelFileError(
            f"{model} has no {name} network yet.", "Finish the run with --resume, or choose another --network."
        )
    return path


def _default_output(model: Path) -> Path:
    from firebit.train.run import RunFolder

    return RunFolder(model).compiled_file if model.is_dir() else model.with_suffix(".firebit")


def _check_output(source: Path, target: Path) -> None:
    """Refuse to compile what is compiled, and to replace what is no compiled network, before any work is done.

    Raises:
        ModelFileError: the source is damaged, or no Firebit file.
        UsageError: one of the above.
    """
    from firebit.engine.record import is_plan

    if is_plan(source):
        raise UsageError(f"{source} is a compiled network already.", f"Run it: {_predict(source)}")
    try:
        free = not target.exists() or (target.is_file() and (target.suffix == ".firebit" or is_plan(target)))
    except ModelFileError:
        free = False
    except OSError as error:
        raise UsageError(f"Cannot write {target}: {error.strerror}.", "Choose another --output.") from error
    if not free:
        raise UsageError(
            f"{target} exists and is no compiled network.", "Choose another --output, best one that ends in .firebit."
        )


def _compile(model: Path, source: Path, precision: str) -> "tuple[LoadedModel, Plan, Report]":
    from firebit.engine.plan import PRECISIONS
    from firebit.train.compile import compiled, is_binary
    from firebit.train.run import load_model_file

    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision} is not known.", f"Choose one of: {', '.join(PRECISIONS)}.")
    loaded = load_model_file(source)
    try:
        return loaded, *compiled(loaded, precision)
    except UsageError as error:
        remedy = error.remedy
        if loaded.network != "hardened":
            remedy = "Compile the hardened network of the run, which has steps" + (
                f": firebit compile {shlex.quote(str(model))}" if model.is_dir() else "."
            )
        elif not is_binary(loaded.model):
            remedy = "Only some of its layers are binary. Train all of them: --set layers=all --set net.rectified=all"
        raise UsageError(f"{source}: {error.problem}", remedy) from error


def _test_pictures(source: Path, loaded: "LoadedModel") -> "tuple[ImageSet | None, str | None]":
    """What the run of a model is measured on; None, and why, where it is not there."""
    from firebit.train.compile import held_out, recipe_of

    recipe = recipe_of(source)
    try:
        pictures = held_out(recipe)
    except FirebitError as error:
        return None, error.problem
    expected, found = tuple(loaded.example.shape[1:]), pictures.images.shape[1:]
    if found != expected:
        return None, f"{pictures.name} has pictures of {_shape(found)}, not {_shape(expected)}."
    return pictures, None


def _show(made: Compiled) -> None:
    from firebit.amounts import size
    from firebit.cli.table import show
    from firebit.compiler.report import difference

    show(replace(made.report, agreement=None, rounding=None).table())
    found = made.report.agreement
    if found:
        typer.echo(
            f"on {printable(str(made.data))}, predictions that differ between torch (float64) and compiled: "
            f"{found.predictions_differ:,} of {found.pictures:,}; "
            f"bits that differ: {found.bits_differ:,} of {found.bits:,}"
        )
        if made.report.rounding:
            typer.echo(f"fast beside exact, {difference(made.report.rounding)}")
    else:
        typer.echo(f"not checked: {printable(str(made.not_checked))}")
    where, length = printable(str(made.file)), size(made.file.stat().st_size)
    typer.echo(f"{'Replaced' if made.replaced else 'Wrote'} {where}: {length}, fingerprint {made.fingerprint}")
    typer.echo(f"Run it with: {printable(_predict(made.file))}")


def _predict(path: Path) -> str:
    return f"{shlex.join(['firebit', 'predict', str(path)])} IMAGES…"


def _shape(sides: tuple[int, ...]) -> str:
    return "×".join(map(str, sides))
