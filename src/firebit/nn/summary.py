"""What a network costs, layer by layer: bits, memory, and multiply-accumulates by what is multiplied."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

from rich.table import Table
from torch import Tensor, nn

from firebit import amounts
from firebit.amounts import REAL_BITS, change, in_bytes, size
from firebit.errors import FirebitError, UsageError
from firebit.nn.census import device_of
from firebit.nn.flow import Operation, follow


@dataclass(frozen=True)
class LayerSummary:
    """One layer, or one operation of a layer that does several. Counts are per picture.

    Attributes:
        name: module path, with the operation behind it where a module does several, and a number at later calls.
        kind: "conv", "linear", "rectifier", "step", "batch norm", "max pool", "sum", …
        output: shape of the output without the batch.
        units: values in the output.
        bits: bits per value of the output now: 1 for bits, 8 for pixels, 32 for real numbers whatever their dtype.
        hardened_bits: the same once every rectifier is a step.
        kept: the output is read by a later weight layer, or waits beside one (a shortcut), so that it has to be
            stored. Values that are neither, such as pre-activations, pass through.
        parameters: learned numbers not counted at an earlier layer that shares them.
        weight_bits: bits per weight, 1 (every weight is ±1 times a scale per output channel) or 32; 0 without weights.
        weight_bytes: bytes of the parameters, real ones at 32 bits.
        macs: multiply-accumulates by kind, "activation × weight": "pixel × real", "real × real", "bit × real",
            "bit × ±1", …; padding cells are counted, biases are not.
        hardened_macs: the same once every rectifier is a step.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    units: int
    bits: int
    hardened_bits: int
    kept: bool
    parameters: int
    weight_bits: int
    weight_bytes: int
    macs: Mapping[str, int]
    hardened_macs: Mapping[str, int]

    @property
    def activation_bytes(self) -> int:
        """Bytes of the output per picture now."""
        return in_bytes(self.units * self.bits)

    @property
    def hardened_bytes(self) -> int:
        """Bytes of the output per picture once every rectifier is a step."""
        return in_bytes(self.units * self.hardened_bits)


@dataclass(frozen=True)
class Summary:
    """A network's layers in execution order, and their totals per picture.

    "Hidden activations" are the outputs that have to be stored for a later layer: what flows out of one weight layer
    (convolution, pooling, batch norm and rectifier together) into the next. The input and the logits are not hidden.

    Attributes:
        layers: the rows, in execution order.
        input: shape of a picture.
    """

    layers: tuple[LayerSummary, ...]
    input: tuple[int, ...]

    @property
    def hidden(self) -> tuple[LayerSummary, ...]:
        """The layers whose output is a hidden activation."""
        return tuple(layer for layer in self.layers if layer.kept)

    @property
    def hidden_units(self) -> int:
        """Number of hidden activations."""
        return sum(layer.units for layer in self.hidden)

    @property
    def hidden_bits(self) -> int:
        """Bits of all hidden activations now."""
        return sum(layer.units * layer.bits for layer in self.hidden)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all hidden activations now, each layer rounded up."""
        return sum(layer.activation_bytes for layer in self.hidden)

    @property
    def hardened_bytes(self) -> int:
        """Bytes of all hidden activations once every rectifier is a step."""
        return sum(layer.hardened_bytes for layer in self.hidden)

    @property
    def relu_bytes(self) -> int:
        """Bytes of the hidden activations of a network of the same shapes whose activations are ReLUs (32 bits)."""
        return in_bytes(self.hidden_units * REAL_BITS)

    @property
    def peak_bytes(self) -> int:
        """Bytes of the largest hidden layer now."""
        return max((layer.activation_bytes for layer in self.hidden), default=0)

    @property
    def hardened_peak_bytes(self) -> int:
        """Bytes of the largest hidden layer once every rectifier is a step."""
        return max((layer.hardened_bytes for layer in self.hidden), default=0)

    @property
    def activation_saving(self) -> float:
        """How many times less memory hidden activations take, once hardened, than with ReLUs; 1 without any."""
        return self.relu_bytes / self.hardened_bytes if self.hardened_bytes else 1.0

    @property
    def parameters(self) -> int:
        """Learned numbers that take part in the pass, shared ones once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all parameters now."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def float_weight_bytes(self) -> int:
        """Bytes of all parameters at 32 bits."""
        return in_bytes(self.parameters * REAL_BITS)

    @property
    def macs(self) -> dict[str, int]:
        """Multiply-accumulates of all layers by kind."""
        return amounts.total(layer.macs for layer in self.layers)

    @property
    def hardened_macs(self) -> dict[str, int]:
        """The same once every rectifier is a step."""
        return amounts.total(layer.hardened_macs for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """All figures, per layer and in total, as JSON-able values."""
        totals = (
            *("parameters", "weight_bytes", "float_weight_bytes", "hidden_units", "hidden_bits"),
            *("activation_bytes", "hardened_bytes", "relu_bytes", "peak_bytes", "hardened_peak_bytes"),
            *("activation_saving", "macs", "hardened_macs"),
        )
        return {
            "input": list(self.input),
            "layers": [_layer_dict(layer) for layer in self.layers],
            **{name: getattr(self, name) for name in totals},
        }

    def table(self) -> Table:
        """A rich table: a row per layer and one of totals. "a → b" is now → once every rectifier is a step."""
        table = Table("layer", "kind", caption=self._caption(), caption_justify="left")
        for heading in ("output", "bits", "parameters", "weights", "kept", "MACs"):
            table.add_column(heading, justify="right")
        for layer in self.layers:
            table.add_row(*_cells(layer))
        table.add_section()
        kept = change(size(self.activation_bytes), size(self.hardened_bytes))
        macs = change(amounts.macs(self.macs, "\n"), amounts.macs(self.hardened_macs, "\n"), " →\n")
        table.add_row("all", "", "", "", f"{self.parameters:,}", size(self.weight_bytes), kept, macs)
        return table

    def _caption(self) -> str:
        peak = change(size(self.peak_bytes), size(self.hardened_peak_bytes))
        saved = f"{self.activation_saving:.1f} times what the hardened network keeps"
        return (
            f"kept: bytes per picture that a later layer reads; the largest layer: {peak}\n"
            f"the same network with ReLUs keeps {size(self.relu_bytes)}, {saved}; "
            f"its weights take {size(self.float_weight_bytes)}"
        )

    def __str__(self) -> str:
        return amounts.plain(self.table())


def summary(model: nn.Module, example: Tensor | Sequence[Tensor]) -> Summary:
    """What each layer of a network costs: bits per value, memory, multiply-accumulates by kind.

    Runs the model once in evaluation mode and follows which values are bits. The output of a
    :class:`firebit.nn.rectifier.Step` is bits, and so is a comparison; they stay bits where they are rearranged,
    copied, max-pooled or padded with 0 or 1. Sums and averages of bits are counts, and count as real numbers. A
    :class:`firebit.nn.rectifier.BoundedRectifier` gives real numbers now, bits when hardened. Inputs are pixels
    (uint8), also where they are scaled or normalised. Weights have 1 bit where all those of an output channel have the
    same size: each is ±1 times a scale, which folds into a threshold, a slope or the logits, and is not counted.

    Works for any model that runs, traceable or not; give the plain module, not a compiled one. Not counted are
    statistics of batch norm and thresholds of steps, and multiplications inside fused operations unknown to
    :mod:`torch.utils.flop_counter` (recurrent layers).

    Args:
        model: any module.
        example: one batch, samples in dimension 0, or one such tensor per argument. Its activations are all held
            until the end: one picture is enough.

    Raises:
        UsageError: `example` is no batch, or the model does not run on it.

    Example:
        >>> print(summary(firebit.zoo.build("lenet"), torch.zeros(1, 1, 28, 28)))
    """
    inputs = [example] if isinstance(example, Tensor) else list(example)
    if not inputs or not all(isinstance(tensor, Tensor) and tensor.dim() and len(tensor) for tensor in inputs):
        raise UsageError("The example is no batch.", "Give a tensor (N, C, H, W), such as torch.zeros(1, 1, 28, 28).")
    device = device_of(model)
    try:
        operations = follow(model, [tensor.to(device) for tensor in inputs])
    except FirebitError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        shapes = " and ".join(str(tuple(tensor.shape)) for tensor in inputs)
        raise UsageError(
            f"The model does not run on an example of shape {shapes}: {_first_line(error)}",
            "Give a batch as the model expects it, such as torch.zeros(1, 1, 28, 28).",
        ) from error
    batch = len(inputs[0])
    return Summary(tuple(_layer(operation, batch) for operation in operations), tuple(inputs[0].shape[1:]))


def _layer(operation: Operation, batch: int) -> LayerSummary:
    shape = operation.shape
    weights = min(operation.weights, operation.parameters)
    return LayerSummary(
        name=operation.name,
        kind=operation.kind,
        output=shape[1:] if shape[:1] == (batch,) else shape,
        units=prod(shape) // batch if shape else 0,
        bits=operation.value.now.bits,
        hardened_bits=operation.value.hardened.bits,
        kept=operation.kept,
        parameters=operation.parameters,
        weight_bits=operation.weight_bits,
        weight_bytes=in_bytes(weights * operation.weight_bits + (operation.parameters - weights) * REAL_BITS),
        macs={kind: count // batch for kind, count in operation.macs.items()},
        hardened_macs={kind: count // batch for kind, count in operation.hardened_macs.items()},
    )


def _layer_dict(layer: LayerSummary) -> dict[str, Any]:
    sizes = {"activation_bytes": layer.activation_bytes, "hardened_bytes": layer.hardened_bytes}
    return {**asdict(layer), "output": list(layer.output), **sizes}


def _cells(layer: LayerSummary) -> list[str]:
    kept = change(size(layer.activation_bytes), size(layer.hardened_bytes)) if layer.kept else ""
    return [
        layer.name,
        layer.kind,
        "×".join(map(str, layer.output)),
        change(str(layer.bits), str(layer.hardened_bits)),
        f"{layer.parameters:,}" if layer.parameters else "",
        _weights_text(layer) if layer.parameters else "",
        kept,
        change(amounts.macs(layer.macs), amounts.macs(layer.hardened_macs), " →\n"),
    ]


def _weights_text(layer: LayerSummary) -> str:
    return f"{size(layer.weight_bytes)}{' (±1)' if layer.weight_bits == 1 else ''}"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
