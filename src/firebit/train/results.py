"""The rows of a run's table: accuracy, level of binarisation, bits and memory."""

from typing import Any

from rich.markup import escape
from rich.table import Table
from torch import Tensor, nn

from firebit.metrics import Metrics
from firebit.nn.census import Census
from firebit.nn.summary import summary
from firebit.titles import REAL_VALUED, TITLES


def result_row(name: str, model: nn.Module, example: Tensor, metrics: Metrics, census: Census | None) -> dict[str, Any]:
    """One row as JSON-able values: memory in bytes, of hidden activations per picture and of all weights.

    Bits per activation are None for a network without hidden activations.
    """
    size = summary(model, example)
    return {
        "name": name,
        "metrics": metrics.to_dict(),
        "census": census.to_dict() if census else None,
        "bits_per_activation": size.hidden_bits / size.hidden_units if size.hidden_units else None,
        "activation_bytes": size.hidden_bits / 8,
        "weight_bytes": size.weight_bytes,
    }


def results_table(results: dict[str, Any]) -> Table:
    """The table of a run, as the command line prints it."""
    title = f"{results['net']} on {results['data']}, measured on the {results['measured_on']} set"
    table = Table(title=escape(title))
    table.add_column("network", no_wrap=True)
    for heading in ("top-1 %", "binary %", "bits / activation", "activations", "weights"):
        table.add_column(heading, justify="right")
    for row in results["rows"]:
        table.add_row(*_cells(row))
    return table


def difference_line(results: dict[str, Any]) -> str:
    """How the compiled network agrees with the hardened one, in a line, or why there is none.

    Runs that were made before networks were compiled have an empty line.
    """
    if "compiled" not in results:
        return ""
    found = results["compiled"]
    if found is None:
        return f"not compiled: {results.get('not_compiled', REAL_VALUED)}"
    return (
        "predictions that differ between torch (float64) and compiled: "
        f"{found['predictions_differ']:,} of {found['pictures']:,}"
    )


def _cells(row: dict[str, Any]) -> list[str]:
    level = "–" if row["census"] is None else f"{100 * row['census']['level']:.1f}"
    bits = "–" if row["bits_per_activation"] is None else f"{row['bits_per_activation']:.3g}"
    return [
        escape(TITLES.get(row["name"], row["name"])),
        f"{100 * row['metrics']['top1']:.2f}",
        level,
        bits,
        _kibibytes(row["activation_bytes"]),
        _kibibytes(row["weight_bytes"]),
    ]


def _kibibytes(size: float) -> str:
    return f"{size / 1024:,.1f} KiB" if size >= 1024 else f"{size:,.0f} B"
