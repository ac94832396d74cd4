"""What a compiled network costs beside the same network with ReLUs, and what a run's table says, as sheets."""

from firebit.amounts import change, macs, size
from firebit.engine.cost import Cost, LayerCost
from firebit.web.chart import Sheet
from firebit.web.run import Levels, Run


def cost_sheet(found: Cost) -> Sheet:
    """A row per layer and one of totals: ReLUs → compiled."""
    headings = ("layer", "kind", "output", "bits", "weights", "thresholds", "kept per picture", "multiply-accumulates")
    every = (
        "all layers",
        "",
        "",
        "",
        change(size(found.relu_weight_bytes), size(found.weight_bytes)),
        size(found.threshold_bytes),
        change(size(found.relu_bytes), size(found.activation_bytes)),
        macs(found.macs, "\n"),
    )
    return Sheet(headings, (*map(_cost_row, found.layers), every), 2)


def _cost_row(layer: LayerCost) -> tuple[str, ...]:
    return (
        layer.name,
        layer.kind,
        "×".join(map(str, layer.output)),
        f"32 → {layer.bits}" if layer.kept else "",
        change(size(layer.relu_weight_bytes), size(layer.weight_bytes)),
        size(layer.threshold_bytes),
        change(size(layer.relu_bytes), size(layer.activation_bytes)) if layer.kept else "",
        macs(layer.macs, "\n"),
    )


def rows_sheet(run: Run) -> Sheet:
    """Every network of the run."""
    headings = ("network", "top-1, %", "top-5, %", "loss", "binary, %", "bits / activation", "activations", "weights")
    rows = (
        (
            row.title,
            f"{100 * row.metrics.top1:.2f}",
            f"{100 * row.metrics.top5:.2f}",
            f"{row.metrics.loss:.4f}",
            f"{100 * row.census.level:.1f}" if row.census else "–",
            "–" if row.bits_per_activation is None else f"{row.bits_per_activation:.3g}",
            size(round(row.activation_bytes)),
            size(round(row.weight_bytes)),
        )
        for row in run.results.rows
    )
    return Sheet(headings, tuple(rows))


def levels_sheet(levels: Levels) -> Sheet:
    """How binary each layer is, and how its bits stand: shares in per cent."""
    shares = (("0.9", "≥ 90 %"), ("0.99", "≥ 99 %"), ("0.999", "≥ 99.9 %"))
    headings = ("layer", "units", "binary, %", *(text for _, text in shares), "ones, %", "zeros, %", "never", "always")
    rows = []
    for name, layer in levels.layers.items():
        binary = (layer.binary_share.get(key) for key, _ in shares)
        rows.append(
            (
                name,
                f"{layer.units:,}",
                f"{100 * layer.level:.1f}",
                *("" if share is None else f"{100 * share:.1f}" for share in binary),
                f"{100 * layer.ones_share:.1f}",
                f"{100 * max(0.0, layer.level - layer.ones_share):.1f}",
                f"{layer.always_zero:,}",
                f"{layer.always_one:,}",
            )
        )
    return Sheet(headings, tuple(rows))
