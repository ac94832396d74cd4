"""firebit export: a compiled network as an ONNX file, which other libraries run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.cli.error import printable
from firebit.cli.model import compiled_file, named
from firebit.errors import FirebitError, UsageError

if TYPE_CHECKING:
    from firebit.engine.plan import Plan

_CHECKED = 64


def command(
    model: Annotated[Path, typer.Argument(help="A run, a .firebit file, or a pretrained network's name.")],
    output: Annotated[
        Path | None,
        typer.Option(help="Default: RUN/model.onnx; of a file or a name, that name with .onnx. Replaces an old file."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER", help="A hidden layer whose bits come out too; may be repeated."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Compare with ONNX Runtime, if it is installed.")
    ] = True,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write MODEL as an ONNX file of standard operations that computes the very same, and see that it does."""
    import json

    from firebit.amounts import size
    from firebit.engine.onnx import to_onnx
    from firebit.engine.record import read
    from firebit.files import write_atomically

    source = compiled_file(model)
    target = output or _default_output(model, source)
    if target.suffix != ".onnx" and target.exists():
        raise UsageError(f"{target} exists and is no ONNX file.", "Choose another --output, which ends in .onnx.")
    plan = read(source).plan
    content = to_onnx(plan, layer or ()).SerializeToString()
    reason = _not_checked(content, plan) if check else "--no-check was given."
    write_atomically(target, content)
    facts: dict[str, Any] = {"file": str(target), "bytes": len(content), "fingerprint": plan.fingerprint}
    if json_:
        typer.echo(json.dumps({**facts, "checked": 0 if reason else _CHECKED, "not_checked": reason}, indent=2))
        return
    if reason:
        typer.echo(f"not checked: {reason}")
    else:
        typer.echo(f"ONNX Runtime computes the very same for {_CHECKED} random pictures")
    typer.echo(f"Wrote {printable(str(target))}: {size(len(content))}, fingerprint {plan.fingerprint}")


def _default_output(model: Path, source: Path) -> Path:
    """Beside a run's or a file's network; of a pretrained one, which lies inside the package, here."""
    return Path(f"{model}.onnx") if named(model) != model else source.with_suffix(".onnx")


def _not_checked(content: bytes, plan: "Plan") -> str | None:
    """Compare on random pictures; say why, where that cannot be done.

    Raises:
        FirebitError: something is not the same.
    """
    import numpy as np

    from firebit.engine.onnx import unequal
    from firebit.extras import MissingExtraError

    pictures = np.random.default_rng(0).integers(0, 256, (_CHECKED, *plan.input.shape), np.uint8)
    try:
        wrong = unequal(content, plan, pictures)
    except MissingExtraError as error:
        return error.problem
    if wrong:
        raise FirebitError(
            f"ONNX Runtime computes {', '.join(map(repr, wrong))} otherwise than the plan.",
            "Nothing was written. Try another version of onnxruntime, or --no-check.",
        )
    return None
