"""From an exact plan to a fast one: large layers have smaller integers for weights, on coarser grids."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from firebit.engine.check import LARGEST_SUM
from firebit.engine.plan import INPUT, Layer, Logits, Plan, pooled_term
from firebit.engine.tables import LARGEST_ENTRIES, LARGEST_SUM_OF_ENTRIES, Weights, balanced_sums, spans
from firebit.engine.term import Term

CHUNK = 4
"""Groups of four bits whose partial sums are added up in a byte, a power of two: more are quicker where a look-up takes
16 bytes, fewer more precise. As the kernel puts large sums beside small ones, four cost hardly any precision."""

FEWEST_PLACES = 16
"""Maps of fewer places stay as they are: tables of four bytes for every weight would be read for little work."""

FEWEST_WEIGHTS = 1 << 14
"""Convolutions of fewer weights stay as they are: they take little time."""

FEWEST_LINEAR_WEIGHTS = 1 << 18
"""Linear layers of fewer weights stay as they are: they are read in no time."""

LARGEST_PIXEL_WORK = 1 << 24
"""Convolutions over pixels of more multiply-accumulates get weights of a byte."""

POINTS = np.array(
    [[5, 5, 5, 5, 5], [5, -5, 5, -5, 5], [1, 2, 4, 8, 16], [1, -2, 4, -8, 16], [16, 8, 4, 2, 1], [16, -8, 4, -2, 1]]
)
"""What rows of five weights are multiplied with, in a kernel that needs eight products for four places of a row where
others need twenty (Winograd 1980, F(4, 5)): all of it fits 16 bits, so that no place is off by anything."""

_LARGEST_BYTE = 127
_LARGEST_PAIR = 128
_LARGEST_AT_POINT = 32_767

Reals = NDArray[np.float64]


def quantise(plan: Plan, chunk: int = CHUNK) -> Plan:
    """The fast plan of an exact one; of a fast one, itself.

    The weights of a layer are scaled and rounded where all it adds up are convolutions over bits, one of them of
    :data:`FEWEST_WEIGHTS` or more, of maps of :data:`FEWEST_PLACES` or more, and shortcuts. Each channel has the finest
    grid with which the partial sums of `chunk` groups of four bits, chosen so that they balance
    (:func:`firebit.engine.tables.balanced_sums`), span a byte, and those of all groups 16 bits. Where nothing needs to
    be rounded, as of ±1, the layer stays as it is. A linear layer over bits of :data:`FEWEST_LINEAR_WEIGHTS` or more
    gets weights of −127 … 127. So does a convolution over pixels of more than :data:`LARGEST_PIXEL_WORK`; what
    neighbours there have of one sign is at most 128, so that a kernel may add up their products with pixels in 16 bits.
    One of less work whose kernel has rows of five weights, without strides, has the finest grid with which these rows
    fit 16 bits at all :data:`POINTS`: some 11 bits. Thresholds, biases and scales follow.

    What rounding adds to a weight is taken from the next one, tap by tap along the kernel's rows, there and back:
    neighbouring bits of a map are alike, so that most of it cancels (error diffusion; Floyd and Steinberg 1976).

    Args:
        plan: exact.
        chunk: groups of four bits whose partial sums a kernel may add up in a byte: 1, 2, 4 or 8.
    """
    if plan.precision == "fast":
        return plan
    layers = tuple(_layer(plan, layer, chunk) for layer in plan.layers)
    logits = plan.logits and _logits(plan, plan.logits)
    return Plan(plan.input, layers, logits, plan.classes, "fast")


def _layer(plan: Plan, layer: Layer, chunk: int) -> Layer:
    if _is_large_linear(plan, layer):
        return _narrow(layer)
    if _is_on_pixels(plan, layer):
        large = layer.terms[0].work(plan.input.shape) > LARGEST_PIXEL_WORK
        if not large and not _has_rows_of_five(layer.terms[0]):
            return layer
        scale = _largest_scale(layer.terms[0], _over_bytes if large else _over_points)
        return layer if (scale == 1).all() else _scaled(plan, layer, scale)
    convolutions = [term for term in layer.terms if term.is_convolution]
    large = any(term.weights.size >= FEWEST_WEIGHTS for term in convolutions)
    if not large or not all(_may_be_rounded(plan, layer, term) for term in layer.terms):
        return layer
    scale = np.min([_largest_scale(term, partial(_over_tables, chunk)) for term in convolutions], axis=0)
    return layer if (scale == 1).all() else _scaled(plan, layer, scale)


def _may_be_rounded(plan: Plan, layer: Layer, term: Term) -> bool:
    source = plan.values[term.source]
    # Windows of several sizes have thresholds of their own only where one term is pooled.
    is_added = term.pool is not None and term.pool.kind == "sum" and term is not pooled_term(layer)
    if source.largest != 1 or is_added:
        return False
    return term.is_shortcut or (term.is_convolution and prod(term.sums(source.shape)[1:]) >= FEWEST_PLACES)


def _is_on_pixels(plan: Plan, layer: Layer) -> bool:
    term = layer.terms[0]
    return len(layer.terms) == 1 and term.is_convolution and term.source == INPUT


def _has_rows_of_five(term: Term) -> bool:
    return term.weights.shape[3] == POINTS.shape[1] and term.stride == term.dilation == (1, 1) and term.groups == 1


def _over_tables(chunk: int, weights: Weights) -> Reals:
    """How many times too large channels are for partial sums of `chunk` groups to fit a byte: (O,)."""
    found = spans(weights)
    bunch, all_of_them = balanced_sums(found, chunk).max(1), found.sum(1)
    over: Reals = np.maximum(bunch / LARGEST_ENTRIES, all_of_them / LARGEST_SUM_OF_ENTRIES)
    return over


def _over_bytes(weights: Weights) -> Reals:
    """How many times too large channels are for products of bytes: (O,)."""
    flat = weights.reshape(len(weights), -1).astype(np.int64)
    even = np.pad(flat, ((0, 0), (0, flat.shape[1] % 2))).reshape(len(flat), -1, 2)
    pairs = np.maximum(np.maximum(even, 0).sum(2), np.maximum(-even, 0).sum(2))
    over: Reals = np.maximum(np.abs(flat).max(1) / _LARGEST_BYTE, pairs.max(1) / _LARGEST_PAIR)
    return over


def _over_points(weights: Weights) -> Reals:
    """How many times too large channels are for rows of five weights to fit 16 bits at all points: (O,)."""
    at_points = np.abs(weights.astype(np.int64) @ POINTS.T)
    over: Reals = at_points.reshape(len(weights), -1).max(1) / _LARGEST_AT_POINT
    return over


def _largest_scale(term: Term, over: Callable[[Weights], Reals]) -> Reals:
    """The largest scales (O,) with which rounded weights keep their bounds; 1 where nothing needs to be rounded."""
    weights = term.weights.astype(np.int16)
    scale = np.ones(term.channels)
    while True:
        found = over(_diffused(weights, scale))
        if (found <= 1).all():
            return scale
        # Rounding moves every weight by up to one, so that the last turns are small.
        scale = np.where(found > 1, scale / np.maximum(found, 1.001), scale)


def _diffused(weights: Weights, scale: Reals) -> Weights:
    """Weights (O, I, kh, kw) times a scale per channel as integers, each rounded with what the one before it left."""
    wanted = weights * scale[:, None, None, None]
    rounded, left = np.zeros(weights.shape, np.int16), np.zeros(weights.shape[:2])
    rows, columns = weights.shape[2:]
    for y in range(rows):
        for x in range(columns)[:: -1 if y % 2 else 1]:
            here = wanted[:, :, y, x] + left
            whole = np.rint(here)
            rounded[:, :, y, x], left = whole, here - whole
    return rounded


def _scaled(plan: Plan, layer: Layer, scale: Reals) -> Layer:
    """The layer with rounded weights in all its convolutions, and thresholds for their sums."""
    terms, added = [], np.zeros((1, layer.channels))
    for term in layer.terms:
        if term.is_shortcut:
            terms.append(replace(term, weights=np.rint(term.weights * scale).astype(np.int32)))
            continue
        rounded = _diffused(term.weights.astype(np.int16), scale)
        # What rounding adds where half of the bits are set, or pixels are grey.
        half = plan.values[term.source].largest / 2
        error = (rounded - term.weights * scale[:, None, None, None]).reshape(term.channels, -1).sum(1) * half
        terms.append(replace(term, weights=rounded))
        added = added + _cells(plan, layer, term)[:, None] * error
    threshold = layer.threshold * scale + added
    fast = np.where(layer.direction > 0, np.ceil(threshold), np.floor(threshold))
    return replace(layer, terms=tuple(terms), threshold=_within(plan, terms, fast))


def _cells(plan: Plan, layer: Layer, term: Term) -> Reals:
    """How many sums are added up under a window of every class: 1 where none are pooled by sum."""
    if term.pool is None or term.pool.kind == "max":
        return np.ones(1)
    windows = term.pool.windows(*term.sums(plan.values[term.source].shape)[1:])
    return windows[:, 0].astype(np.float64)


def _within(plan: Plan, terms: list[Term], threshold: Reals) -> NDArray[np.int32]:
    """Thresholds no further than one beyond the sums."""
    sources = (plan.values[term.source] for term in terms)
    bounds = [term.bound(source.shape, source.largest) for term, source in zip(terms, sources, strict=True)]
    limit = np.minimum(np.sum(bounds, axis=0), LARGEST_SUM) + 1
    return np.ascontiguousarray(np.clip(threshold, -limit, limit).astype(np.int32))


def _is_large_linear(plan: Plan, made: Layer | Logits) -> bool:
    term = made.terms[0]
    linear = len(made.terms) == 1 and term.weights.ndim == 2 and term.pool is None
    return linear and plan.values[term.source].largest == 1 and term.weights.size >= FEWEST_LINEAR_WEIGHTS


def _narrow(layer: Layer) -> Layer:
    term = layer.terms[0]
    scale = _LARGEST_BYTE / np.maximum(np.abs(term.weights).max(1), _LARGEST_BYTE)
    threshold = layer.threshold * scale
    fast = np.where(layer.direction > 0, np.ceil(threshold), np.floor(threshold)).astype(np.int32)
    return replace(layer, terms=(_rounded(term, scale[:, None]),), threshold=fast)


def _logits(plan: Plan, logits: Logits) -> Logits:
    if not _is_large_linear(plan, logits):
        return logits
    term = logits.terms[0]
    scale = _LARGEST_BYTE / max(int(np.abs(term.weights).max()), _LARGEST_BYTE)
    return replace(logits, terms=(_rounded(term, np.array(scale)),), scale=logits.scale / scale)


def _rounded(term: Term, scale: Reals) -> Term:
    return replace(term, weights=np.rint(term.weights * scale).astype(np.int8))
