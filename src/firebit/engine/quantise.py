"""From an exact plan to a fast one: convolutions over bits add up bytes, large linear layers have weights of a byte."""

from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from firebit.engine.check import LARGEST_SUM
from firebit.engine.plan import Layer, Logits, Plan, Term, pooled_term
from firebit.engine.tables import (
    FRACTION_BITS,
    LARGEST_ENTRIES,
    LARGEST_SUM_OF_ENTRIES,
    Tables,
    chunk_sums,
    partial_sums,
    spans,
)

CHUNK = 4
"""Groups of four bits whose entries are added up in a byte: more are quicker, fewer more precise."""

FEWEST_PLACES = 16
"""Maps of fewer places have no tables: four bytes for every weight would be read for little work."""

FEWEST_WEIGHTS = 1 << 18
"""Linear layers of fewer weights stay as they are: they are read in no time."""

_LARGEST_BYTE = 127
_ONE = 1 << FRACTION_BITS

Reals = NDArray[np.float64]


def quantise(plan: Plan, chunk: int = CHUNK) -> Plan:
    """The fast plan of an exact one; of a fast one, itself.

    A layer gets tables where all it adds up are convolutions over bits, of maps of :data:`FEWEST_PLACES` or more, and
    shortcuts. Each channel has the finest steps that let `chunk` largest entries fit a byte. Where its weights are so
    small that nothing is rounded, as those of ±1, the layer stays as it is. A linear layer over bits of
    :data:`FEWEST_WEIGHTS` or more gets weights of a byte. Thresholds, biases and scales follow.

    Args:
        plan: exact.
        chunk: groups of four bits whose entries a kernel may add up in a byte.
    """
    if plan.precision == "fast":
        return plan
    layers = tuple(_layer(plan, layer, chunk) for layer in plan.layers)
    logits = plan.logits and _logits(plan, plan.logits)
    return Plan(plan.input, layers, logits, plan.classes, "fast")


def _layer(plan: Plan, layer: Layer, chunk: int) -> Layer:
    if _is_large_linear(plan, layer):
        return _narrow(layer)
    convolutions = [term for term in layer.terms if term.is_convolution]
    if not convolutions or not all(_may_have_tables(plan, layer, term) for term in layer.terms):
        return layer
    multipliers = np.min([_multipliers(term, chunk) for term in convolutions], axis=0)
    if (multipliers == _ONE).all():
        return layer
    return _tabled(plan, layer, Tables(multipliers.astype(np.int32), chunk))


def _may_have_tables(plan: Plan, layer: Layer, term: Term) -> bool:
    source = plan.values[term.source]
    # Windows of several sizes have thresholds of their own only where one term is pooled.
    is_added = term.pool is not None and term.pool.kind == "sum" and term is not pooled_term(layer)
    if source.largest != 1 or is_added:
        return False
    return term.is_shortcut or (term.is_convolution and prod(term.sums(source.shape)[1:]) >= FEWEST_PLACES)


def _multipliers(term: Term, chunk: int) -> NDArray[np.int64]:
    """The largest multipliers (O,) whose entries keep their bounds; 2²⁴ where nothing needs to be rounded."""
    found = spans(term.weights.astype(np.int16))
    largest = np.maximum(chunk_sums(found, chunk).max(1), 1)
    every = np.maximum(found.sum(1), 1)
    share = np.minimum(LARGEST_ENTRIES / largest, LARGEST_SUM_OF_ENTRIES / every)
    multipliers = np.minimum(share * _ONE, _ONE).astype(np.int64)
    while True:
        # Rounding up may add one half to every entry.
        tables = Tables(np.maximum(multipliers, 1).astype(np.int32), chunk)
        most = tables.most(term.weights.astype(np.int16))
        over = np.maximum(chunk_sums(most, chunk).max(1) / LARGEST_ENTRIES, most.sum(1) / LARGEST_SUM_OF_ENTRIES)
        if (over <= 1).all():
            return tables.multipliers.astype(np.int64)
        multipliers = np.where(
            over > 1, np.minimum(multipliers / over, multipliers * 0.999).astype(np.int64), multipliers
        )


def _tabled(plan: Plan, layer: Layer, tables: Tables) -> Layer:
    """The layer with tables in all its convolutions, and thresholds for their sums."""
    scale = tables.multipliers / _ONE
    terms, missing = [], np.zeros((1, layer.channels))
    for term in layer.terms:
        if term.is_shortcut:
            terms.append(replace(term, weights=np.rint(term.weights * scale).astype(np.int32)))
            continue
        terms.append(replace(term, tables=tables))
        missing = missing + _cells(plan, layer, term)[:, None] * _offset(term, tables)
    threshold = layer.threshold * scale + missing
    fast = np.where(layer.direction > 0, np.ceil(threshold), np.floor(threshold))
    return replace(layer, terms=tuple(terms), threshold=_within(plan, terms, fast))


def _cells(plan: Plan, layer: Layer, term: Term) -> Reals:
    """How many sums are added up under a window of every class: 1 where none are pooled by sum."""
    if term.pool is None or term.pool.kind == "max":
        return np.ones(1)
    windows = term.pool.windows(*term.sums(plan.values[term.source].shape)[1:])
    return windows[:, 0].astype(np.float64)


def _offset(term: Term, tables: Tables) -> Reals:
    """What a sum of entries has more than that of its weights, scaled: (O,).

    It is the minima that are missing, and what rounding adds where all entries are as likely.
    """
    weights = term.weights.astype(np.int16)
    exact = partial_sums(weights) * (tables.multipliers / _ONE)[:, None, None]
    found: Reals = (tables.entries(weights) - exact).mean(2).sum(1)
    return found


def _within(plan: Plan, terms: list[Term], threshold: Reals) -> NDArray[np.int32]:
    """Thresholds no further than one beyond the sums."""
    sources = (plan.values[term.source] for term in terms)
    bounds = [term.bound(source.shape, source.largest) for term, source in zip(terms, sources, strict=True)]
    limit = np.minimum(np.sum(bounds, axis=0), LARGEST_SUM) + 1
    return np.ascontiguousarray(np.clip(threshold, -limit, limit).astype(np.int32))


def _is_large_linear(plan: Plan, made: Layer | Logits) -> bool:
    term = made.terms[0]
    linear = len(made.terms) == 1 and term.weights.ndim == 2 and term.pool is None
    return linear and plan.values[term.source].largest == 1 and term.weights.size >= FEWEST_WEIGHTS


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
    return replace(term, weights=np.rint(term.weights * scale).astype(np.int16))
