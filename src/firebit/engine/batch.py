"""How many pictures are computed at once, so that memory stays bounded."""

from math import prod

from firebit.engine.plan import Plan
from firebit.engine.term import Term

_BYTES = 1 << 27
_PER_SUM = 16
_PER_VALUE = 4


def batch_size(plan: Plan) -> int:
    """Pictures per batch whose values and sums take about 128 MiB, at least 1."""
    return max(1, _BYTES // _bytes_per_picture(plan))


def many(pixels: int, result_bytes: int) -> int:
    """Pictures whose pixels and results alone take about 128 MiB, at least 1."""
    return max(1, _BYTES // (pixels + result_bytes))


def _bytes_per_picture(plan: Plan) -> int:
    """What is at most held for one picture: the values of all layers, and the sums of the widest with its sources."""
    kept = sum(prod(value.shape) for value in plan.values.values())
    widest = max(sum(_cells(plan, term) for term in layer.terms) for layer in plan.sums_made)
    return _PER_VALUE * kept + _PER_SUM * widest


def _cells(plan: Plan, term: Term) -> int:
    """Sums of a term before pooling, and the values they are made of, padding included."""
    source = plan.values[term.source].shape
    read = prod(source)
    if term.is_convolution:
        top, bottom, left, right = term.padding
        read = source[0] * (source[1] + top + bottom) * (source[2] + left + right)
    return prod(term.sums(source)) + read
