"""What compiling made of a network: layers, bits, memory, and what snapping changed."""

from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from firebit import amounts
from firebit.compiler.agreement import Agreement
from firebit.compiler.assemble import Change
from firebit.engine.cost import Cost
from firebit.engine.plan import Plan

_FAST = "fast: large layers have smaller integers for weights"


@dataclass(frozen=True)
class Report:
    """What :func:`firebit.compile` prints.

    Attributes:
        cost: of every layer: bits, memory, multiply-accumulates.
        changes: of every layer, what snapping its weights to integers changed.
        agreement: bits and predictions that differ from the network's on the example, by snapping and, where the
            precision is "fast", by quantising; None where it held no pictures.
        precision: of the plan.
        exact: the exact plan that a fast one was made of; None where the plan is exact.
        rounding: how a fast plan agrees with the exact one, on the same pictures; None as `agreement`, and where the
            plan is exact.
    """

    cost: Cost
    changes: tuple[Change, ...]
    agreement: Agreement | None = None
    precision: str = "exact"
    exact: Plan | None = None
    rounding: Agreement | None = None

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-able values."""
        return {
            "precision": self.precision,
            "cost": self.cost.to_dict(),
            "changes": {change.name: change.largest for change in self.changes},
            "agreement": self.agreement.to_dict() if self.agreement else None,
            "rounding": self.rounding.to_dict() if self.rounding else None,
        }

    def table(self) -> Table:
        """A rich table: a row per layer."""
        table = Table("layer", "kind", caption=self._caption(), caption_justify="left")
        for heading in ("output", "bits", "weights", "thresholds", "weights changed by"):
            table.add_column(heading, justify="right")
        for layer, change in zip(self.cost.layers, self.changes, strict=True):
            table.add_row(
                Text(layer.name),
                layer.kind,
                "×".join(map(str, layer.output)),
                str(layer.bits) if layer.kept else "",
                amounts.size(layer.weight_bytes),
                amounts.size(layer.threshold_bytes),
                f"≤ {100 * change.largest:.2g} %" if change.largest else "0",
            )
        return table

    def _caption(self) -> str:
        cost, size = self.cost, amounts.size
        lines = [
            f"hidden activations per picture: {size(cost.activation_bytes)}, with ReLUs {size(cost.relu_bytes)}; "
            f"weights and thresholds: {size(cost.weight_bytes + cost.threshold_bytes)}, "
            f"with ReLUs {size(cost.relu_weight_bytes)}",
            "weights changed by: the largest change of a weight, as a share of the largest of its channel",
            *([_FAST] if self.precision == "fast" else []),
        ]
        if self.agreement:
            lines.append(difference(self.agreement))
        if self.rounding:
            lines.append(f"fast beside exact, {difference(self.rounding)}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return amounts.plain(self.table())


def difference(found: Agreement) -> str:
    """What snapping changed on some pictures, in a line."""
    pictures = f"{found.pictures:,} picture{'' if found.pictures == 1 else 's'}"
    bits = f"bits that differ: {found.bits_differ:,} of {found.bits:,}"
    if found.predictions_differ is None:
        return f"on {pictures}: {bits}"
    return f"on {pictures}: predictions that differ: {found.predictions_differ:,}; {bits}"
