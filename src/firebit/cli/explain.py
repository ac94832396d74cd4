"""firebit explain: what makes the neurons of a compiled network fire, without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.cli.model import compiled_file
from firebit.cli.pictures import data_of, load_fitting
from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.explain import Explanation

_AUTO = "auto"


@dataclass(frozen=True)
class Cut:
    """How smallest pictures are made; fields as in :func:`firebit.explain.columns`."""

    count: int
    mode: str
    method: str
    segments: int
    fill: str
    seed: int


def command(
    target: Annotated[Path, typer.Argument(help="A run, a .firebit file, or a pretrained network's name.")],
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="A data set or folder. Default: the run's own.")
    ] = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    layer: Annotated[str | None, typer.Option(help="A hidden layer. Default: the last.")] = None,
    by: Annotated[
        str, typer.Option(help="What a unit of a convolution is: unit (a channel at a position) or channel (anywhere).")
    ] = "unit",
    unit: Annotated[
        list[str] | None,
        typer.Option(metavar="UNIT", help="Say all about this unit, e.g. 17 or 3@5,12; may be repeated."),
    ] = None,
    share: Annotated[
        float,
        typer.Option(help="Of a class's pictures that must fire (or not), for the class to count. The paper: 1."),
    ] = 1.0,
    names: Annotated[
        str,
        typer.Option(help="Where names of units come from: wordnet, a TOML file, none, or auto (wordnet for wnids)."),
    ] = _AUTO,
    permutations: Annotated[int, typer.Option(min=0, metavar="N", help="Shuffles of the labels to compare with.")] = 20,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Units in the table, the most telling first.")] = 16,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write tables, figures and smallest pictures there."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Smallest pictures on each side of a unit.")] = 6,
    mode: Annotated[str, typer.Option(help="How pictures are made small: fast or exact.")] = "fast",
    method: Annotated[str, typer.Option(help="How they are cut: auto, felzenszwalb, slic or grid.")] = _AUTO,
    segments: Annotated[int, typer.Option(min=2, metavar="N", help="About how many segments.")] = 64,
    fill: Annotated[
        str, typer.Option(help="What stands where segments were: auto, mean, grey, black, white or blur.")
    ] = _AUTO,
    seed: Annotated[int, typer.Option(min=0, help="Of halves, shuffles and the choice of pictures.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all cores.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which classes fire the neurons of TARGET, always or never, and show the smallest pictures that still do."""
    import json

    from firebit.cli import findings
    from firebit.engine.network import load
    from firebit.explain import explain
    from firebit.explain.hierarchy import hierarchy_of

    path = compiled_file(target)
    network = load(path, threads)
    pictures = load_fitting(data or _own(target), split, network.input_shape)
    explanation = explain(
        network,
        pictures.images,
        pictures.labels,
        pictures.classes,
        layer=layer,
        by=by,
        share=share,
        hierarchy=hierarchy_of(names, pictures.classes),
        permutations=permutations,
        seed=seed,
    )
    units = list(dict.fromkeys(unit_index(explanation, each) for each in unit or ()))
    written = ""
    if out is not None:
        cut = Cut(count, mode, method, segments, fill, seed)
        written = findings.write(out, network, pictures, explanation, units, cut)
    if json_:
        values = {"model": str(path), "data": pictures.name, **explanation.to_dict()}
        if units:
            values["units"] = [values["units"][index] for index in units]
        typer.echo(json.dumps(values, indent=2))
        return
    findings.show_all(explanation, pictures.name, top)
    for index in units:
        findings.show_unit(explanation, index)
    if written:
        typer.echo(written)


def _own(target: Path) -> str:
    """The data set that goes with a target, where it says so."""
    from firebit.cli.field import run_of

    found = data_of(run_of(target) or target, "firebit explain RUN --data DATA")
    if found is None:
        raise UsageError(f"{target} does not say which data set to use.", "Name one: firebit explain FILE --data DATA.")
    return found


def unit_index(explanation: "Explanation", text: str) -> int:
    """The unit that a text means: an index, or channel@row,column.

    Raises:
        UsageError: it means none of the layer.
    """
    import numpy as np

    firing = explanation.found.firing
    channel, at, place = text.partition("@")
    numbers = [channel, *place.split(",")] if at else [channel]
    sides = firing.shape if at else (firing.units,)
    whole = all(number.isascii() and number.isdigit() for number in numbers) and len(numbers) == len(sides)
    if not whole or any(int(number) >= side for number, side in zip(numbers, sides, strict=False)):
        last = firing.unit_name(firing.units - 1)
        raise UsageError(
            f"--unit {text} is none of the {firing.units:,} units of layer {firing.layer!r}.",
            f"Give a number from 0 to {firing.units - 1}" + (f", or a place up to {last}." if "@" in last else "."),
        )
    return int(np.ravel_multi_index(tuple(map(int, numbers)), sides))
