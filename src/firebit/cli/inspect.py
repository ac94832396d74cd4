"""firebit inspect: what is in the file of a compiled network."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.cli.error import printable
from firebit.cli.model import compiled_file

if TYPE_CHECKING:
    from rich.table import Table

    from firebit.engine.plan import Layer, Logits, Plan
    from firebit.engine.pool import Pool
    from firebit.engine.record import PlanFile
    from firebit.engine.tables import Tables
    from firebit.engine.term import Shape, Term

_MOST_CLASSES_SHOWN = 20


def command(
    file: Annotated[Path, typer.Argument(help="A .firebit file, a run that has one, or a pretrained network's name.")],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is in FILE: its version, the network's fingerprint, and every layer. Nothing of it is run."""
    import json

    from firebit.cli.table import show
    from firebit.engine.record import read

    path = compiled_file(file)
    found = read(path)
    facts = {"file": str(path), "bytes": path.stat().st_size, **describe(found)}
    if json_:
        typer.echo(json.dumps(facts, indent=2))
        return
    show(_summary(facts))
    show(_layers(facts))


def describe(found: "PlanFile") -> dict[str, Any]:
    """Everything but the weights and thresholds themselves, as JSON-able values."""
    plan = found.plan
    return {
        "schema": found.schema,
        "firebit": found.firebit,
        "fingerprint": plan.fingerprint,
        "precision": plan.precision,
        "input": {"shape": list(plan.input.shape), "pad": list(plan.input.pad)},
        "classes": list(plan.classes),
        "layers": [_layer(plan, layer) for layer in plan.layers],
        "logits": _logits(plan, plan.logits) if plan.logits else None,
    }


def _layer(plan: "Plan", layer: "Layer") -> dict[str, Any]:
    value, direction = plan.values[layer.name], layer.direction
    return {
        **_sum(plan, layer),
        "threshold_rows": len(layer.threshold),
        "directions": {f"{sign:+}" if sign else "0": int((direction == sign).sum()) for sign in (1, -1, 0)},
        "post": _pool(layer.post),
        "output": {"shape": list(value.shape), "largest": value.largest},
    }


def _logits(plan: "Plan", logits: "Logits") -> dict[str, Any]:
    return {**_sum(plan, logits), "scale": logits.scale}


def _sum(plan: "Plan", layer: "Layer | Logits") -> dict[str, Any]:
    return {
        "name": layer.name,
        "terms": [_term(plan, term) for term in layer.terms],
        "units": list(plan.sums[layer.name]),
        "bound": int(plan.bounds[layer.name].max()),
    }


def _term(plan: "Plan", term: "Term") -> dict[str, Any]:
    from firebit.engine.record import stored

    kind = "shortcut" if term.is_shortcut else "conv" if term.is_convolution else "linear"
    found = {"source": term.source, "kind": kind, "weights": list(term.weights.shape), "signs": term.is_sign}
    found["bits"] = 1 if term.is_sign else 8 * stored(term, plan.precision == "fast").itemsize
    if term.is_convolution:
        found |= {name: list(getattr(term, name)) for name in ("stride", "padding", "dilation")}
        found["groups"] = term.groups
    return {**found, "tables": _tables(term.tables), "pool": _pool(term.pool)}


def _tables(tables: "Tables | None") -> dict[str, Any] | None:
    return None if tables is None else {"chunk": tables.chunk, "multipliers": tables.multipliers.tolist()}


def _pool(pool: "Pool | None") -> dict[str, Any] | None:
    if pool is None:
        return None
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(pool).items()}


def _summary(facts: dict[str, Any]) -> "Table":
    """What holds for the whole file. Texts of the file are shown as they are, without markup or control characters."""
    from rich.table import Table
    from rich.text import Text

    from firebit.amounts import size

    logits = facts["logits"]
    rows = {
        "file": f"{facts['file']}, {size(facts['bytes'])}",
        "schema": f"{facts['schema']}, written by Firebit {facts['firebit']}",
        "fingerprint": facts["fingerprint"],
        "precision": facts["precision"],
        "input": f"{_shape(facts['input']['shape'])}, {_padding(facts['input']['pad'])}",
        "classes": _classes(facts["classes"], logits),
        "logits": f"scale {logits['scale']!r}" if logits else "none: an encoder",
    }
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(name, Text(printable(value)))
    return table


def _padding(pad: list[int]) -> str:
    """The values of padding cells: one for all channels, or each channel's."""
    values = pad[:1] if len(set(pad)) == 1 else pad[:_MOST_CLASSES_SHOWN]
    more = ", …" if len(values) < len(pad) and len(set(pad)) > 1 else ""
    return f"padded with {', '.join(map(str, values))}{more}"


def _classes(classes: list[str], logits: dict[str, Any] | None) -> str:
    if not classes:
        return f"{logits['units'][0]} without names" if logits else "none"
    more = ", …" if len(classes) > _MOST_CLASSES_SHOWN else ""
    return f"{len(classes)}: {', '.join(classes[:_MOST_CLASSES_SHOWN])}{more}"


def _layers(facts: dict[str, Any]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table("layer", "adds up", "units")
    for heading in ("sums up to", "threshold rows", "+1", "−1", "0"):
        table.add_column(heading, justify="right")
    table.add_column("bits pooled")
    for layer in facts["layers"] + ([facts["logits"]] if facts["logits"] else []):
        table.add_row(*(Text(cell) for cell in _cells(layer)))
    return table


def _cells(layer: dict[str, Any]) -> list[str]:
    cells = [
        printable(layer["name"]),
        "\n".join(_term_text(term) for term in layer["terms"]),
        _shape(layer["units"]),
        f"±{layer['bound']:,}",
    ]
    if "directions" not in layer:
        return cells
    counts = [f"{layer['directions'][sign]:,}" for sign in ("+1", "-1", "0")]
    return [*cells, f"{layer['threshold_rows']:,}", *counts, _pool_text(layer["post"]) if layer["post"] else ""]


def _term_text(term: dict[str, Any]) -> str:
    """A summand in one line, without what is as usual."""
    words = [
        term["kind"],
        _shape(term["weights"]),
        *(["±1"] if term["signs"] else ["of 8 bits"] if term["bits"] == 8 else []),
        f"of {printable(term['source'])}",
    ]
    if term["kind"] == "conv":
        words += [f"{name} {_shape(term[name])}" for name in ("stride", "dilation") if term[name] != [1, 1]]
        words += [f"padding {','.join(map(str, term['padding']))}"] if any(term["padding"]) else []
        words += [f"groups {term['groups']}"] if term["groups"] > 1 else []
    if term["tables"]:
        least, most = (f(term["tables"]["multipliers"]) for f in (min, max))
        words += [f"tables in chunks of {term['tables']['chunk']}, multipliers {least:,} … {most:,}"]
    return " ".join(words) + (f", {_pool_text(term['pool'])}" if term["pool"] else "")


def _pool_text(pool: dict[str, Any]) -> str:
    words = [f"{pool['kind']} {_shape(pool['kernel'])}", f"stride {_shape(pool['stride'])}"]
    words += [f"padding {_shape(pool['padding'])}"] if any(pool["padding"]) else []
    words += ["rounded up"] if pool["ceil"] else []
    return " ".join([*words, *(["padding counted"] if pool["count_padding"] else [])])


def _shape(sides: "Shape | list[int]") -> str:
    return "×".join(map(str, sides))
