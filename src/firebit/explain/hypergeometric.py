"""Tails of the hypergeometric distribution, for whole matrices at once.

SciPy adds up its tails in a Python loop over cells; a firing matrix has millions.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

Real = NDArray[np.float64]

_NEGLIGIBLE = 1e-17


def tails(drawn: ArrayLike, sizes: ArrayLike, marked: ArrayLike, total: int) -> tuple[Real, Real]:
    """P(X ≥ drawn) and P(X ≤ drawn), where `sizes` of `total` are drawn without replacement and `marked` are marked.

    Exact but for rounding: from the nearer end the tail is added up term by term until what follows is below 1e-17
    of it.

    Args:
        drawn: whole numbers, any shape; shapes are broadcast.
        sizes: of the sample, 0 … total.
        marked: of all, 0 … total.
        total: population.

    Returns:
        float64 in 0 … 1, both of the common shape.
    """
    given = np.broadcast_arrays(*(np.asarray(each, np.float64) for each in (drawn, sizes, marked)))
    shape = given[0].shape
    k, n, m = (each.reshape(-1) for each in given)
    least, most = np.maximum(0, n + m - total), np.minimum(n, m)
    upward = k >= n * m / max(1, total)
    # P(X ≤ k) is the upper tail of how many are drawn that are not marked.
    start = np.where(upward, k, n - k)
    kind = np.where(upward, m, total - m)
    tail = _upper(start, n, kind, total)
    at_k = np.exp(_log_mass(np.clip(k, least, most), n, m, total))
    at_k[(k < least) | (k > most)] = 0
    other = np.clip(1 - tail + at_k, 0, 1)
    at_least, at_most = np.where(upward, tail, other), np.where(upward, other, tail)
    return at_least.reshape(shape), at_most.reshape(shape)


def _log_mass(k: Real, n: Real, m: Real, total: int) -> Real:
    """Log of P(X = k), k within what is possible."""
    mass: Real = _log_choose(m, k) + _log_choose(total - m, n - k) - _log_choose(np.full_like(n, total), n)
    return mass


def _log_choose(n: Real, k: Real) -> Real:
    chosen: Real = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen


def _upper(k: Real, n: Real, m: Real, total: int) -> Real:
    """P(X ≥ k) for k at or above the mean, where terms fall."""
    most = np.minimum(n, m)
    inside = k <= most
    summed = np.zeros_like(k)
    summed[inside] = 1
    term, at = summed.copy(), k.copy()
    active = np.flatnonzero(inside & (k < most))
    while active.size:
        j = at[active]
        ratio = (m[active] - j) * (n[active] - j) / ((j + 1) * (total - m[active] - n[active] + j + 1))
        term[active] *= ratio
        summed[active] += term[active]
        at[active] += 1
        active = active[(term[active] > _NEGLIGIBLE * summed[active]) & (at[active] < most[active])]
    first = np.zeros_like(k)
    first[inside] = np.exp(_log_mass(k[inside], n[inside], m[inside], total))
    tail: Real = np.minimum(first * summed, 1)
    return tail
