"""What a plan costs, layer by layer: bits, memory, and multiply-accumulates by what is multiplied.

Beside it stand the figures of the same network with ReLUs: activations, weights and biases of 32 bits.

Comparisons with thresholds, pooling and biases are not counted, on neither side.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from firebit import amounts
from firebit.amounts import REAL_BITS, change, in_bytes, size
from firebit.engine.plan import INPUT, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.record import Tensors, tensors
from firebit.engine.term import Shape, Term


@dataclass(frozen=True)
class TermCost:
    """One summand of a layer. Counts are per picture.

    Attributes:
        source: what it reads: "input" or the name of an earlier layer.
        kind: "conv", "linear" or "shortcut".
        weights: number of weights; of a shortcut, coefficients.
        weight_bits: bits per weight as stored: 1 where every weight is ±1, else 16, or 8 in a fast plan; 32 of a
            shortcut's coefficients.
        weight_bytes: bytes of the weights in the file, with the multipliers of their tables; ±1 are packed.
        macs: multiply-accumulates by kind, "activation × weight": "pixel × int", "bit × int", "bit × ±1",
            "count × int", …; padding cells are counted. A shortcut has none.
        relu_macs: the same with ReLUs: "pixel × real" or "real × real".
        additions: of a shortcut, one per unit; its coefficient is no weight of the network that was compiled.
    """

    source: str
    kind: str
    weights: int
    weight_bits: int
    weight_bytes: int
    macs: Mapping[str, int]
    relu_macs: Mapping[str, int]
    additions: int


@dataclass(frozen=True)
class LayerCost:
    """A hidden layer, or the logits. Counts are per picture.

    Attributes:
        name: name of the layer.
        kind: its operations in order, such as "conv, max pool, step".
        terms: what it adds up.
        units: shape of its sums once pooled: one step, or one logit, each.
        output: shape of what is kept: units, or what pooling of the bits leaves.
        bits: bits per value of the output: 1 for bits, as many as the largest needs for counts; 0 for logits.
        kept: whether the output is stored for a later layer, or is the code of an encoder: all but logits.
        threshold_bytes: bytes in the file of what turns sums into values: thresholds and directions, or biases.
        relu_parameters: weights and biases of the same layer with a ReLU, a bias per channel.
    """

    name: str
    kind: str
    terms: tuple[TermCost, ...]
    units: Shape
    output: Shape
    bits: int
    kept: bool
    threshold_bytes: int
    relu_parameters: int

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights in the file."""
        return sum(term.weight_bytes for term in self.terms)

    @property
    def macs(self) -> dict[str, int]:
        """Multiply-accumulates by kind."""
        return amounts.total(term.macs for term in self.terms)

    @property
    def additions(self) -> int:
        """Additions of shortcuts."""
        return sum(term.additions for term in self.terms)

    @property
    def activation_bytes(self) -> int:
        """Bytes kept per picture, packed; 0 for logits."""
        return in_bytes(prod(self.output) * self.bits)

    @property
    def relu_bytes(self) -> int:
        """Bytes kept per picture with a ReLU; 0 for logits."""
        return in_bytes(prod(self.output) * REAL_BITS) if self.kept else 0

    @property
    def relu_weight_bytes(self) -> int:
        """Bytes of weights and biases with a ReLU."""
        return in_bytes(self.relu_parameters * REAL_BITS)

    @property
    def relu_macs(self) -> dict[str, int]:
        """Multiply-accumulates by kind with a ReLU."""
        return amounts.total(term.relu_macs for term in self.terms)

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON-able values."""
        sums = ("weight_bytes", "macs", "additions", "activation_bytes", "relu_bytes", "relu_weight_bytes", "relu_macs")
        shapes = {"units": list(self.units), "output": list(self.output)}
        terms = [asdict(term) for term in self.terms]
        return {**asdict(self), **shapes, "terms": terms, **{name: getattr(self, name) for name in sums}}


@dataclass(frozen=True)
class Cost:
    """A plan's layers in order, and their totals per picture.

    "Hidden activations" are what hidden layers keep: bits, or counts where bits are pooled by sum or mean. Sums are not
    kept; the input and the logits are not hidden.

    Attributes:
        layers: hidden layers, then the logits where there are some.
        input: shape of a picture.
    """

    layers: tuple[LayerCost, ...]
    input: Shape

    @property
    def hidden_units(self) -> int:
        """Number of hidden activations."""
        return sum(prod(layer.output) for layer in self.layers if layer.kept)

    @property
    def hidden_bits(self) -> int:
        """Bits of all hidden activations."""
        return sum(prod(layer.output) * layer.bits for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all hidden activations, each layer rounded up."""
        return sum(layer.activation_bytes for layer in self.layers)

    @property
    def relu_bytes(self) -> int:
        """Bytes of all hidden activations with ReLUs."""
        return sum(layer.relu_bytes for layer in self.layers)

    @property
    def peak_bytes(self) -> int:
        """Bytes of the largest hidden layer."""
        return max(layer.activation_bytes for layer in self.layers)

    @property
    def relu_peak_bytes(self) -> int:
        """Bytes of the largest hidden layer with ReLUs."""
        return max(layer.relu_bytes for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights in the file."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def threshold_bytes(self) -> int:
        """Bytes of all thresholds, directions and biases in the file."""
        return sum(layer.threshold_bytes for layer in self.layers)

    @property
    def relu_weight_bytes(self) -> int:
        """Bytes of all weights and biases with ReLUs."""
        return sum(layer.relu_weight_bytes for layer in self.layers)

    @property
    def macs(self) -> dict[str, int]:
        """Multiply-accumulates of all layers by kind."""
        return amounts.total(layer.macs for layer in self.layers)

    @property
    def relu_macs(self) -> dict[str, int]:
        """The same with ReLUs."""
        return amounts.total(layer.relu_macs for layer in self.layers)

    @property
    def additions(self) -> int:
        """Additions of all shortcuts."""
        return sum(layer.additions for layer in self.layers)

    @property
    def activation_saving(self) -> float:
        """How many times less memory hidden activations take than with ReLUs."""
        return self.relu_bytes / self.activation_bytes

    @property
    def weight_saving(self) -> float:
        """How many times less memory weights and thresholds take than weights and biases with ReLUs."""
        return self.relu_weight_bytes / (self.weight_bytes + self.threshold_bytes)

    @property
    def bit_share(self) -> float:
        """Of all multiply-accumulates those that read bits, 0 … 1; 0 where there are none."""
        every = sum(self.macs.values())
        return sum(count for kind, count in self.macs.items() if kind.startswith("bit")) / every if every else 0.0

    def to_dict(self) -> dict[str, Any]:
        """All figures, per layer and in total, as JSON-able values."""
        totals = (
            *("weight_bytes", "threshold_bytes", "relu_weight_bytes", "weight_saving"),
            *("hidden_units", "hidden_bits", "activation_bytes", "relu_bytes", "activation_saving"),
            *("peak_bytes", "relu_peak_bytes", "macs", "relu_macs", "additions", "bit_share"),
        )
        return {
            "input": list(self.input),
            "layers": [layer.to_dict() for layer in self.layers],
            **{name: getattr(self, name) for name in totals},
        }

    def table(self) -> Table:
        """A rich table: a row per layer and one of totals. "a → b" is the network with ReLUs → the plan."""
        table = Table("layer", "kind", caption=self._caption(), caption_justify="left")
        for heading in ("output", "bits", "parameters", "weights", "thresholds", "kept", "MACs"):
            table.add_column(heading, justify="right")
        for layer in self.layers:
            table.add_row(*_cells(layer))
        table.add_section()
        weights = change(size(self.relu_weight_bytes), size(self.weight_bytes))
        kept = change(size(self.relu_bytes), size(self.activation_bytes))
        macs = change(amounts.macs(self.relu_macs, "\n"), _operations(self), " →\n")
        table.add_row("all", "", "", "", "", weights, size(self.threshold_bytes), kept, macs)
        return table

    def _caption(self) -> str:
        peak = change(size(self.relu_peak_bytes), size(self.peak_bytes))
        share = f"{100 * self.bit_share:.1f} % of MACs read bits"
        return (
            "a → b: the same network with ReLUs → compiled; without an arrow: compiled\n"
            f"kept: bytes per picture, {self.activation_saving:.1f} times less; the largest layer: {peak}\n"
            f"weights and thresholds: {self.weight_saving:.1f} times less; {share}"
        )

    def __str__(self) -> str:
        return amounts.plain(self.table())


def cost(plan: Plan) -> Cost:
    """What each layer of a plan costs: bits per value and weight, memory, multiply-accumulates by kind."""
    stored = tensors(plan)
    return Cost(tuple(_layer(plan, layer, stored) for layer in plan.sums_made), plan.input.shape)


def _layer(plan: Plan, layer: Layer | Logits, stored: Tensors) -> LayerCost:
    units, value = plan.sums[layer.name], plan.values.get(layer.name)
    step = ["step", *_pool_kind(layer.post)] if isinstance(layer, Layer) else []
    arrays = (layer.threshold, layer.direction) if isinstance(layer, Layer) else (layer.bias,)
    return LayerCost(
        name=layer.name,
        kind=", ".join([_kind(layer.terms), *step]),
        terms=_terms(plan, layer, stored),
        units=units,
        output=value.shape if value else units,
        bits=value.largest.bit_length() if value else 0,
        kept=value is not None,
        threshold_bytes=sum(array.nbytes for array in arrays),
        relu_parameters=_relu_parameters(layer),
    )


def _terms(plan: Plan, layer: Layer | Logits, stored: Tensors) -> tuple[TermCost, ...]:
    kept = (stored[f"{layer.name}.weights.{index}"] for index in range(len(layer.terms)))
    return tuple(_term(plan, term, weights) for term, weights in zip(layer.terms, kept, strict=True))


def _term(plan: Plan, term: Term, stored: np.ndarray[Any, Any]) -> TermCost:
    source = plan.values[term.source].shape
    # Only signs are bytes in the file, eight to each.
    signs = stored.dtype == np.uint8
    every = 0 if term.is_shortcut else prod(term.sums(source)) * term.weights[0].size
    return TermCost(
        source=term.source,
        kind=_term_kind(term),
        weights=term.weights.size,
        weight_bits=1 if signs else 8 * stored.itemsize,
        weight_bytes=stored.nbytes + (0 if term.tables is None else term.tables.multipliers.nbytes),
        macs={f"{_form(plan, term.source)} × {'±1' if signs else 'int'}": every} if every else {},
        relu_macs={f"{'pixel' if term.source == INPUT else 'real'} × real": every} if every else {},
        additions=prod(term.output(source)) if term.is_shortcut else 0,
    )


def _form(plan: Plan, source: str) -> str:
    if source == INPUT:
        return "pixel"
    return "bit" if plan.values[source].largest == 1 else "count"


def _relu_parameters(layer: Layer | Logits) -> int:
    # An identity shortcut has no weights of its own before it is compiled.
    return sum(term.weights.size for term in layer.terms if not term.is_shortcut) + layer.terms[0].channels


def _kind(terms: tuple[Term, ...]) -> str:
    return " + ".join(", ".join([_term_kind(term), *_pool_kind(term.pool)]) for term in terms)


def _term_kind(term: Term) -> str:
    if term.is_shortcut:
        return "shortcut"
    return "conv" if term.is_convolution else "linear"


def _pool_kind(pool: Pool | None) -> list[str]:
    return [] if pool is None else [f"{'average' if pool.kind == 'mean' else pool.kind} pool"]


def _cells(layer: LayerCost) -> list[str | Text]:
    return [
        # A file may name its layers as it likes: no markup, and no commands to the terminal.
        Text(layer.name if layer.name.isprintable() else ascii(layer.name)),
        layer.kind,
        "×".join(map(str, layer.output)),
        f"{REAL_BITS} → {layer.bits}" if layer.kept else "",
        "\n".join(_weights(term) for term in layer.terms),
        change(size(layer.relu_weight_bytes), size(layer.weight_bytes)),
        size(layer.threshold_bytes),
        change(size(layer.relu_bytes), size(layer.activation_bytes)) if layer.kept else "",
        _operations(layer),
    ]


def _weights(term: TermCost) -> str:
    return f"{term.weights:,} × {'±1' if term.weight_bits == 1 else f'{term.weight_bits} bits'}"


def _operations(counted: LayerCost | Cost) -> str:
    additions = [f"{counted.additions:,} additions"] if counted.additions else []
    return "\n".join([*filter(None, [amounts.macs(counted.macs, "\n")]), *additions])
