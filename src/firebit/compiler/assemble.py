"""From an outline to a plan: weights on integer grids, everything else folded into thresholds and directions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from firebit.compiler.grid import LARGEST_COEFFICIENT, LARGEST_WEIGHT, Integers, Snapped, snap, threshold
from firebit.compiler.outline import Outline, Step
from firebit.compiler.value import Part, Reals, Sum
from firebit.engine.plan import INPUT, Layer, Logits, Plan, Value
from firebit.engine.term import Term
from firebit.errors import UsageError


@dataclass(frozen=True)
class Change:
    """What snapping did to the weights of a layer.

    Attributes:
        name: the layer's.
        largest: the largest change of a weight, as a share of the largest weight on the same grid; 0: none changed.
    """

    name: str
    largest: float


def assemble(outline: Outline, classes: tuple[str, ...]) -> tuple[Plan, tuple[Change, ...]]:
    """The plan of an outline, and what snapping changed, layer by layer.

    Raises:
        UsageError: a layer's sums cannot be kept within 31 bits.
        ModelFileError: the plan is not valid (too large, classes that do not fit).
    """
    values = {INPUT: Value(outline.input.shape, 255)}
    layers, changes = [], []
    for step in outline.steps:
        layer, change = _layer(step, values)
        layers.append(layer)
        changes.append(Change(step.name, change))
        values[step.name] = _value(step)
    logits = None
    if outline.logits is not None:
        logits, change = _logits(outline.logits, values)
        changes.append(Change(logits.name, change))
    return Plan(outline.input, tuple(layers), logits, classes), tuple(changes)


def _value(step: Step) -> Value:
    return Value(step.shape, 1 if step.post is None else step.post.most(*step.sum.shape[1:]))


@dataclass(frozen=True, eq=False)
class _Rows:
    """A sum as rows of weights, one per channel, the parts side by side.

    Attributes:
        sum: the sum, its parts ready to be added up as they are.
        factor: what all rows are multiplied with, exact.
        scale: what each row is multiplied with behind the sum, float64 (C,).
        weights: float64 (C, n).
        limit: the largest integer of each column, int64 (n,).
        reach: the largest value that a column meets, summed over a window, int64 (n,).
    """

    sum: Sum
    factor: Fraction
    scale: Reals
    weights: Reals
    limit: Integers
    reach: Integers

    def terms(self, integers: Integers) -> tuple[Term, ...]:
        """Integers (C, n) as terms."""
        ends = np.cumsum([part.weights[0].size for part in self.sum.parts])[:-1]
        pieces = np.split(integers, ends, axis=1)
        return tuple(_term(part, piece) for part, piece in zip(self.sum.parts, pieces, strict=True))

    def bounds(self, integers: Integers) -> Integers:
        """The largest size of each sum, (C,)."""
        found: Integers = (np.abs(integers) * self.reach).sum(1)
        return found


def _rows(summed: Sum, values: Mapping[str, Value], *, one_scale: bool) -> _Rows:
    """The rows of a sum. A scale per channel that all parts share stays outside, where the weights need not know it."""
    parts, count = summed.parts, len(summed.bias[0])
    scale = np.ones(count)
    if not one_scale and all(np.array_equal(part.scale, parts[0].scale) for part in parts):
        scale, parts = parts[0].scale, tuple(replace(part, scale=np.ones(count)) for part in parts)
    else:
        parts, scale = _turned(summed.name, parts)
    # The largest factor of which all others are whole multiples, so that weights on a grid stay there.
    factors = [part.factor for part in parts]
    factor = Fraction(gcd(*(f.numerator for f in factors)), lcm(*(f.denominator for f in factors)))
    weights = [part.whole.reshape(count, -1) * float(part.factor / factor) for part in parts]
    return _Rows(
        sum=replace(summed, parts=parts),
        factor=factor,
        scale=np.broadcast_to(scale, (count,)),
        weights=np.concatenate(weights, axis=1),
        limit=_columns(parts, (LARGEST_COEFFICIENT if part.weights.ndim == 1 else LARGEST_WEIGHT for part in parts)),
        reach=_columns(parts, (_reach(part, values) for part in parts)),
    )


def _turned(name: str, parts: tuple[Part, ...]) -> tuple[tuple[Part, ...], Reals]:
    """Parts to add up as they are, and the sign that each channel is multiplied with behind the sum.

    A factor moves into the weights, but behind a max pooling only a positive one does. Where it is negative, all
    parts of the channel change their sign.
    """
    largest = [part for part in parts if part.pool is not None and part.pool.kind == "max"]
    signs = np.ones(len(parts[0].weights))
    for part in largest:
        signs = np.where(part.scale < 0, -1.0, signs)
    turned = tuple(replace(part, scale=np.broadcast_to(part.scale, signs.shape) * signs) for part in parts)
    if any((part.scale * signs < 0).any() for part in largest):
        raise UsageError(
            f"Layer {name!r} adds up the largest of two windows, one of them times a negative number.",
            "Pool after the activation.",
        )
    return tuple(part.folded() for part in turned), signs


def _columns(parts: Iterable[Part], numbers: Iterable[int]) -> Integers:
    """A number per part as one per column."""
    return np.concatenate(
        [np.full(part.weights[0].size, number, np.int64) for part, number in zip(parts, numbers, strict=True)]
    )


def _reach(part: Part, values: Mapping[str, Value]) -> int:
    source = values[part.source]
    if part.pool is None or part.pool.kind == "max":
        return source.largest
    # The shape of the sums does not depend on the weights themselves.
    blank = _term(part, np.zeros((len(part.weights), part.weights[0].size), np.int64))
    return source.largest * part.pool.most(*blank.sums(source.shape)[1:])


def _term(part: Part, integers: Integers) -> Term:
    whole = integers.reshape(part.weights.shape)
    weights = whole.astype(np.int32) if whole.ndim == 1 else whole.astype(np.int16)
    return Term(part.source, weights, part.stride, part.padding, part.dilation, part.groups, part.pool)


def _layer(step: Step, values: Mapping[str, Value]) -> tuple[Layer, float]:
    rows = _rows(step.sum, values, one_scale=False)
    found = [_snap(step.name, row[None], rows) for row in rows.weights]
    integers = np.concatenate([snapped.integers for snapped in found])
    places = [_places(step, rows, channel, snapped) for channel, snapped in enumerate(found)]
    thresholds = np.array([[place for place, _ in channel] for channel in places], np.int32).T
    directions = np.array([channel[0][1] for channel in places], np.int8)
    layer = Layer(step.name, rows.terms(integers), np.ascontiguousarray(thresholds), directions, step.post)
    return layer, max(snapped.change for snapped in found)


def _places(step: Step, rows: _Rows, channel: int, snapped: Snapped) -> list[tuple[int, int]]:
    """Thresholds of a channel by class of window, and its direction."""
    scale = rows.factor * Fraction(float(rows.scale[channel])) / snapped.density
    bound = int(rows.bounds(snapped.integers)[0])
    wanted, direction = float(step.threshold[channel]), int(step.direction[channel])
    return [
        threshold(wanted, direction, scale / divide, float(bias[channel]), bound)
        for divide, bias in zip(step.sum.divide, step.sum.bias, strict=True)
    ]


def _logits(summed: Sum, values: Mapping[str, Value]) -> tuple[Logits, float]:
    if len(summed.divide) > 1:
        raise UsageError(
            f"Layer {summed.name!r} gives logits that are averages over windows of several sizes.",
            "Pool over the whole map.",
        )
    rows = _rows(summed, values, one_scale=True)
    snapped = _snap(summed.name, rows.weights, rows)
    # Logits have one scale, so no sign of a channel can stand outside.
    if (rows.scale < 0).any():
        raise UsageError(
            f"Layer {summed.name!r} multiplies the largest of a window with a negative number, and gives logits.",
            "Pool after the activation.",
        )
    scale = float(rows.factor / snapped.density / summed.divide[0])
    return Logits(summed.name, rows.terms(snapped.integers), scale, summed.bias[0].copy()), snapped.change


def _snap(name: str, weights: Reals, rows: _Rows) -> Snapped:
    if not np.isfinite(weights).all():
        raise UsageError(f"Layer {name!r} has a weight that is not a finite number.", "Train it again: it diverged.")
    try:
        return snap(weights, rows.limit, rows.reach)
    except OverflowError:
        raise UsageError(
            f"Layer {name!r} adds up so many values that its sums cannot stay within 31 bits.",
            "Make the layer narrower, or its window smaller.",
        ) from None
