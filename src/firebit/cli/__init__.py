"""The command line: one file per command; here, how they come together and how an error ends the program.

Commands import only light modules at the top and torch inside functions, so that ``firebit --help`` is quick.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

import firebit
from firebit.cli import (
    bench,
    compile,
    data,
    doctor,
    encode,
    encoder,
    evaluate,
    evaluate_search,
    explain,
    export,
    index,
    inspect,
    models,
    predict,
    report,
    reproduce,
    search,
    serve,
    shards,
    summary,
    train,
)
from firebit.cli.error import print_error
from firebit.errors import FirebitError
from firebit.extras import missing

app = typer.Typer(
    name="firebit",
    help="Neural networks whose hidden activations are bits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"firebit {firebit.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    # main() acts on --debug, since it is also taken after a command.
    del version, debug


app.command("train")(train.command)
app.command("compile")(compile.command)
app.command("eval")(evaluate.command)
app.command("encoder")(encoder.command)
app.add_typer(evaluate_search.app, name="evaluate")
app.command("predict")(predict.command)
app.command("encode")(encode.command)
app.command("index")(index.command)
app.command("search")(search.command)
app.command("summary")(summary.command)
app.command("explain")(explain.command)
app.command("export")(export.command)
app.command("bench")(bench.command)
app.command("report")(report.command)
app.command("serve")(serve.command)
app.command("reproduce")(reproduce.command)
app.command("inspect")(inspect.command)
app.command("models")(models.command)
app.add_typer(data.app, name="data")
app.command("shards")(shards.command)
app.command("doctor")(doctor.command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Args:
        arguments: the words after ``firebit``; those of this process if None.

    Raises:
        SystemExit: always; its code is 0, or the `exit_code` of the error, 1 for an unexpected one, 2 for
            wrong usage and 130 for an interrupt.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        app(args=[word for word in words if word != "--debug"], prog_name="firebit")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sys.exit(_report(error, debug))
    sys.exit(0)


def _report(error: Exception, debug: bool) -> int:
    """Print what went wrong and what to do about it, and return the exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    explained = missing(error, "This command") if isinstance(error, ModuleNotFoundError) else None
    known = explained or error
    if isinstance(known, FirebitError):
        print_error(known)
        return known.exit_code
    what = " ".join(f"{type(error).__name__}: {error}".split())
    remedy = "The traceback is above." if debug else "Run again with --debug for the traceback."
    print_error(FirebitError(what, remedy))
    return 1
