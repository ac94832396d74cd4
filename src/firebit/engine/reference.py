"""What every layer of a plan means, in NumPy: the measure for every kernel. Exact on every input.

Matrix products run in floating point, on integers: every partial sum is an integer below the bound that the plan
proves, so nothing is rounded, whatever the order of summation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from firebit.engine.plan import INPUT, Layer, Plan, pooled_term
from firebit.engine.pool import Pool
from firebit.engine.tables import Tables
from firebit.engine.term import Term

Integers = NDArray[np.int32]
Bits = NDArray[np.uint8]
Values = NDArray[np.uint8] | Integers

Number = TypeVar("Number", bound=np.generic)

_EXACT_IN_FLOAT32 = 2**24
_COLUMN_BYTES = 1 << 25


@dataclass(frozen=True, eq=False)
class State:
    """One layer at work on a batch.

    Attributes:
        layer: the hidden layer.
        sums: int32 (N, *units), terms pooled and added up.
        bits: uint8 (N, *units), what fires, before any pooling of bits.
        windows: the row of `layer.threshold` that holds at each place, (H, W) or ().
    """

    layer: Layer
    sums: Integers
    bits: Bits
    windows: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Walk:
    """One pass of a batch through a plan: the hidden layers in order, then the logits.

    Attributes:
        plan: the network.
        pictures: uint8 (N, *plan.input.shape).
    """

    plan: Plan
    pictures: NDArray[np.uint8]
    _values: dict[str, Values] = field(default_factory=dict, init=False)

    def states(self) -> Iterator[State]:
        """Run the hidden layers, and forget what no layer reads any more."""
        self._values[INPUT] = self.pictures
        last_reader = _last_readers(self.plan)
        for layer in self.plan.layers:
            sums = self._sums(layer.name, layer.terms)
            windows = window_map(self.plan, layer)
            bits = fires(sums, layer, windows)
            if layer.name in last_reader:
                self._values[layer.name] = bits if layer.post is None else pooled(bits, layer.post)
            for source in [name for name in self._values if last_reader.get(name) == layer.name]:
                del self._values[source]
            yield State(layer, sums, bits, windows)

    def logits(self) -> NDArray[np.float64]:
        """Logits float64 (N, classes), scale · s + bias, once all :meth:`states` have been seen.

        Raises:
            ValueError: the plan is an encoder, without logits.
        """
        last = self.plan.logits
        if last is None:
            raise ValueError("The plan has no logits.")
        sums = self._sums(last.name, last.terms).reshape(len(self.pictures), len(last.bias))
        return sums * last.scale + last.bias

    def _sums(self, name: str, terms: tuple[Term, ...]) -> Integers:
        """All terms of a layer, added up."""
        exact = np.float32 if self.plan.bounds[name].max() < _EXACT_IN_FLOAT32 else np.float64
        total, *rest = (self._term(term, np.dtype(exact)) for term in terms)
        for summand in rest:
            total = total + summand
        return total

    def _term(self, term: Term, exact: np.dtype[Any]) -> Integers:
        values = self._values[term.source]
        sums: Values
        if term.is_shortcut:
            sums = values * per_channel(term.weights.astype(np.int32), values.ndim)
        elif term.tables is not None:
            sums = look_up(values, term, term.tables)
        elif term.is_convolution:
            sums = convolve(values, term, exact, self.plan.input.pad if term.source == INPUT else None)
        else:
            flat = values.reshape(len(values), term.weights.shape[1])
            sums = (flat.astype(exact) @ term.weights.T.astype(exact)).astype(np.int32)
        return (sums if term.pool is None else pooled(sums, term.pool)).astype(np.int32, copy=False)


def states(plan: Plan, pictures: NDArray[np.uint8]) -> Iterator[State]:
    """Run the hidden layers one after the other.

    Args:
        plan: the network.
        pictures: uint8 (N, *plan.input.shape).

    Yields:
        A state per layer, in the plan's order.
    """
    yield from Walk(plan, pictures).states()


def logits(plan: Plan, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Logits float64 (N, classes) of pictures uint8 (N, *plan.input.shape): scale · s + bias.

    Raises:
        ValueError: the plan is an encoder, without logits.
    """
    if plan.logits is None:
        raise ValueError("The plan has no logits.")
    walk = Walk(plan, pictures)
    for _ in walk.states():
        pass
    return walk.logits()


def _last_readers(plan: Plan) -> dict[str, str]:
    found = {}
    for reader in plan.sums_made:
        for term in reader.terms:
            found[term.source] = reader.name
    return found


def convolve(values: Values, term: Term, exact: np.dtype[Any], pad_values: tuple[int, ...] | None = None) -> Integers:
    """Sums of a convolution, int32 (N, O, H', W').

    Args:
        values: integers (N, C, H, W).
        term: weights and geometry.
        exact: a floating type that holds every sum exactly.
        pad_values: the value of padding cells per channel; None: 0.
    """
    whole = padded(values, term.padding, pad_values)
    outputs, inputs, *kernel = term.weights.shape
    count, (down, right) = len(whole), _places(whole, term)
    result = np.empty((count, outputs, down, right), np.int32)
    per_picture = down * right * inputs * kernel[0] * kernel[1] * exact.itemsize
    batch = max(1, _COLUMN_BYTES // per_picture)
    weights = term.weights.reshape(term.groups, outputs // term.groups, -1).astype(exact)
    for start in range(0, count, batch):
        part = slice(start, start + batch)
        for group in range(term.groups):
            columns = _columns(whole[part, group * inputs : (group + 1) * inputs], term, exact)
            channels = slice(group * len(weights[0]), (group + 1) * len(weights[0]))
            sums = (columns @ weights[group].T).reshape(-1, down, right, len(weights[0]))
            result[part, channels] = sums.transpose(0, 3, 1, 2)
    return result


def look_up(bits: Values, term: Term, tables: Tables) -> Integers:
    """Sums of the entries that bits choose, int32 (N, O, H', W').

    Args:
        bits: (N, C, H, W) of 0 and 1; a cell of padding is 0.
        term: weights and geometry.
        tables: how their partial sums are quantised.
    """
    whole = padded(bits, term.padding)
    outputs, inputs = term.weights.shape[:2]
    down, right = _places(whole, term)
    entries = tables.entries(term.weights.astype(np.int16)).reshape(term.groups, outputs // term.groups, -1)
    result = np.empty((len(whole), outputs, down, right), np.int32)
    batch = max(1, _COLUMN_BYTES // (down * right * entries.shape[2] * np.dtype(np.float32).itemsize))
    for start in range(0, len(whole), batch):
        part = slice(start, start + batch)
        for group in range(term.groups):
            seen = whole[part, group * inputs : (group + 1) * inputs]
            indices = _columns(nibbles(seen), term, np.dtype(np.uint8))
            # A row of ones and zeros per place: 1 where an entry is chosen.
            chosen = (indices[:, :, None] == np.arange(16, dtype=np.uint8)).reshape(len(indices), -1)
            sums = (chosen.astype(np.float32) @ entries[group].T.astype(np.float32)).astype(np.int32)
            channels = slice(group * len(entries[0]), (group + 1) * len(entries[0]))
            result[part, channels] = sums.reshape(-1, down, right, len(entries[0])).transpose(0, 3, 1, 2)
    return result


def nibbles(bits: Values) -> Bits:
    """Bits (N, C, H, W) of four consecutive channels each as a number below 16: uint8 (N, ⌈C / 4⌉, H, W)."""
    count, channels, *sides = bits.shape
    whole = np.zeros((count, -(-channels // 4) * 4, *sides), np.uint8)
    whole[:, :channels] = bits
    four = whole.reshape(count, -1, 4, *sides)
    found: Bits = four[:, :, 0] | four[:, :, 1] << 1 | four[:, :, 2] << 2 | four[:, :, 3] << 3
    return found


def _places(whole: Values, term: Term) -> tuple[int, int]:
    """Placements of a kernel on padded values, down and to the right."""
    down, right = (
        (side - d * (k - 1) - 1) // step + 1
        for side, d, k, step in zip(whole.shape[2:], term.dilation, term.weights.shape[2:], term.stride, strict=True)
    )
    return down, right


def _columns(values: Values, term: Term, exact: np.dtype[Any]) -> NDArray[Any]:
    """The cells under every placement of the kernel as a row: (N·H'·W', C·kh·kw)."""
    reach = [d * (k - 1) + 1 for k, d in zip(term.weights.shape[2:], term.dilation, strict=True)]
    views = sliding_window_view(values, reach, axis=(2, 3))
    cells = views[:, :, :: term.stride[0], :: term.stride[1], :: term.dilation[0], :: term.dilation[1]]
    rows = cells.transpose(0, 2, 3, 1, 4, 5).astype(exact, order="C")
    return rows.reshape(-1, np.prod(rows.shape[3:], dtype=int))


def padded(values: Values, padding: tuple[int, int, int, int], pad_values: tuple[int, ...] | None = None) -> Values:
    """Values with rows (above, below) and columns (left, right) of padding, 0 or a value per channel."""
    top, bottom, left, right = padding
    if not any(padding):
        return values
    count, channels, height, width = values.shape
    whole = np.zeros((count, channels, top + height + bottom, left + width + right), values.dtype)
    if pad_values is not None:
        whole[:] = per_channel(np.array(pad_values, values.dtype), 4)
    whole[:, :, top : top + height, left : left + width] = values
    return whole


def pooled(values: Values, pool: Pool) -> Values:
    """Values (N, C, H, W) pooled to (N, C, H', W'). "max" keeps the type; "sum" and "mean" give int32."""
    height, width = values.shape[2:]
    down, right = pool.output(height, width)
    is_max = pool.kind == "max"
    kind = values.dtype if is_max else np.dtype(np.int32)
    nothing = np.iinfo(kind).min if is_max else 0
    ends = [(n - 1) * s + k for n, s, k in zip((down, right), pool.stride, pool.kernel, strict=True)]
    top, left = pool.padding
    sides = (max(ends[0], top + height), max(ends[1], left + width))
    whole = np.full((*values.shape[:2], *sides), nothing, kind)
    whole[:, :, top : top + height, left : left + width] = values
    result = np.full((*values.shape[:2], down, right), nothing, kind)
    combine = np.maximum if is_max else np.add
    for y in range(pool.kernel[0]):
        for x in range(pool.kernel[1]):
            cells = whole[:, :, y :: pool.stride[0], x :: pool.stride[1]][:, :, :down, :right]
            combine(result, cells, out=result)
    if pool.kind == "mean":
        result *= (pool.multiple(height, width) // pool.cells(height, width, count_padding=pool.count_padding)).astype(
            np.int32
        )
    return result


def window_map(plan: Plan, layer: Layer) -> NDArray[np.intp]:
    """Which row of the layer's thresholds holds at each place: (H, W) where there are several rows, () otherwise."""
    term = pooled_term(layer)
    if len(layer.threshold) == 1 or term is None or term.pool is None:
        return np.zeros((), np.intp)
    return term.pool.window_of(*term.sums(plan.values[term.source].shape)[1:])


def fires(sums: Integers, layer: Layer, windows: NDArray[np.intp]) -> Bits:
    """The step: bits uint8 of the shape of `sums` (N, C, …)."""
    threshold, direction = thresholds(layer, windows, sums.ndim), per_channel(layer.direction, sums.ndim)
    above, below = (sums >= threshold) & (direction > 0), (sums <= threshold) & (direction < 0)
    bits: Bits = (above | below | (direction == 0)).astype(np.uint8)
    return bits


def thresholds(layer: Layer, windows: NDArray[np.intp], dimensions: int) -> Integers:
    """Thresholds that broadcast over sums of so many dimensions: (C,), (C, 1, 1) or (C, H, W)."""
    if windows.ndim == 2:
        return np.moveaxis(layer.threshold[windows], 2, 0)
    return per_channel(layer.threshold[0], dimensions)


def per_channel(values: NDArray[Number], dimensions: int) -> NDArray[Number]:
    """View `values` (C,) so that they broadcast over (N, C, …) of so many dimensions."""
    return values.reshape(-1, *(1,) * (dimensions - 2))
