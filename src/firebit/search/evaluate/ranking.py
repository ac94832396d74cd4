"""Figures of a ranking by Hamming distance, each the exact mean over all orders of what is equally far.

Codes at the same distance have no order of their own. Sorting them by place in the database moves mean average
precision by a per cent or two when the database is shuffled; the mean over all orders does not move (McSherry and
Najork 2008; He, Cakir, Bargal and Sclaroff 2018, arXiv:1705.08562).
"""

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError
from firebit.search.evaluate.counts import Counts

Reals = NDArray[np.float64]


def average_precision(counts: Counts, cutoff: int | None = None) -> Reals:
    """Average precision of each query, float64 (Q,), in expectation over all orders of ties.

    AP@K = Σ_{i ≤ K} rel(i)·P(i) / Σ_{i ≤ K} rel(i), with P(i) the precision of the first i; 0 where none of the first K
    is relevant. So it is computed with the CIFAR-10 figures of Lin et al. 2015 and those that followed; the sum is not
    divided by min(K, all relevant). For K = None all codes of the database count.

    Of a tie of n codes of which r are relevant, R relevant of N codes being nearer, the t-th is relevant with
    probability r / n, and then (t − 1)·(r − 1) / (n − 1) relevant ones of the tie are expected before it:

        Σ_t r/n · (R + 1 + (t − 1)(r − 1)/(n − 1)) / (N + t)

    The tie that K cuts through gives h relevant codes with hypergeometric probability; numerator and denominator are
    taken together for each h.

    Args:
        counts: of the queries.
        cutoff: K ≥ 1, or None.

    Raises:
        UsageError: `cutoff` is less than 1.
    """
    harmonic = _harmonic(counts.size)
    size = _cutoff(cutoff, counts)
    nearer, nearer_relevant = _before(counts.total), _before(counts.relevant)
    sums = _tie_sums(counts.total, counts.relevant, nearer, nearer_relevant, harmonic)
    whole = nearer + counts.total <= size
    certain = np.where(whole, sums, 0.0).sum(axis=1)
    found = np.where(whole, counts.relevant, 0).sum(axis=1)
    cut = np.flatnonzero(~whole.all(axis=1))
    result: Reals = np.divide(certain, found, out=np.zeros(len(found)), where=found > 0)
    if not len(cut):
        return result
    logs = _log_factorials(counts.size)
    edge = (~whole).argmax(axis=1)
    for row in cut:
        at = edge[row]
        tie = counts.total[row, at], counts.relevant[row, at], size - nearer[row, at]
        if tie[2] > 0:
            result[row] = _cut(tie, certain[row], found[row], nearer[row, at], harmonic, logs)
    return result


def precision_at(counts: Counts, cutoffs: NDArray[np.int64]) -> Reals:
    """Expected precision of the first n codes, float64 (Q, len(cutoffs)).

    Args:
        counts: of the queries.
        cutoffs: numbers of codes, 1 or more; more than there are count as all.

    Raises:
        UsageError: a cutoff is less than 1.
    """
    if (cutoffs < 1).any():
        raise UsageError(f"Cutoff {cutoffs.min()} is no number of codes.", "Give 1 or more.")
    found = np.empty((len(counts.total), len(cutoffs)))
    nearer, nearer_relevant = _before(counts.total), _before(counts.relevant)
    rows = np.arange(len(counts.total))
    for column, cutoff in enumerate(np.minimum(cutoffs, counts.size)):
        at = (nearer + counts.total >= cutoff).argmax(axis=1)
        share = counts.relevant[rows, at] / counts.total[rows, at]
        found[:, column] = (nearer_relevant[rows, at] + (cutoff - nearer[rows, at]) * share) / cutoff
    return found


def precision_within(counts: Counts, radius: int) -> Reals:
    """Precision among the codes at most `radius` bits away, float64 (Q,); 0 where there is none.

    Raises:
        UsageError: `radius` is negative.
    """
    if radius < 0:
        raise UsageError(f"radius={radius} is negative.", "Give 0 or more; the literature has 2.")
    within = counts.total[:, : radius + 1].sum(axis=1)
    relevant = counts.relevant[:, : radius + 1].sum(axis=1)
    share: Reals = np.divide(relevant, within, out=np.zeros(len(within)), where=within > 0)
    return share


def empty_within(counts: Counts, radius: int) -> float:
    """Share of queries with no code within `radius` bits."""
    return float((counts.total[:, : radius + 1].sum(axis=1) == 0).mean())


def precision_recall(counts: Counts) -> tuple[Reals, Reals]:
    """Mean precision and mean recall (bits + 1,) of what lies within 0, 1, … bits: a curve that knows no ties.

    Precision is the mean over the queries that find anything within that radius, and 0 where none does; recall is that
    over the queries that have anything relevant in the database.
    """
    total, relevant = counts.total.cumsum(axis=1), counts.relevant.cumsum(axis=1)
    finds = (total > 0).sum(axis=0)
    each = np.divide(relevant, total, out=np.zeros(total.shape), where=total > 0)
    precision = each.sum(axis=0) / np.maximum(1, finds)
    has = relevant[:, -1] > 0
    recall = (relevant[has] / relevant[has, -1:]).mean(axis=0) if has.any() else np.zeros(counts.bits + 1)
    return precision, recall


def _tie_sums(
    total: NDArray[np.int64],
    relevant: NDArray[np.int64],
    nearer: NDArray[np.int64],
    nearer_relevant: NDArray[np.int64],
    harmonic: Reals,
) -> Reals:
    """What each whole tie adds to the sum of precisions at relevant places, in expectation (Q, bits + 1)."""
    first = harmonic[nearer + total] - harmonic[nearer]  # Σ 1 / (N + t)
    second = total - (nearer + 1) * first  # Σ (t − 1) / (N + t)
    share = np.divide(relevant, total, out=np.zeros(total.shape), where=total > 0)
    others = np.divide(relevant - 1, total - 1, out=np.zeros(total.shape), where=total > 1)
    found: Reals = share * ((nearer_relevant + 1) * first + others * second)
    return found


def _cut(tie: tuple[int, int, int], certain: float, found: int, nearer: int, harmonic: Reals, logs: Reals) -> float:
    """AP where K cuts through a tie: the mean over how many relevant codes of the tie come before the cut.

    Args:
        tie: codes in the tie, relevant ones among them, and how many of them the cut takes.
        certain: the sum over the ties before.
        found: relevant codes in the ties before.
        nearer: codes in the ties before.
        harmonic: sums of 1 / i.
        logs: logarithms of factorials.
    """
    codes, relevant, taken = tie
    h = np.arange(max(0, taken - (codes - relevant)), min(taken, relevant) + 1)
    chance = np.exp(
        _log_choose(logs, relevant, h)
        + _log_choose(logs, codes - relevant, taken - h)
        - _log_choose(logs, codes, np.asarray(taken))
    )
    first = harmonic[nearer + taken] - harmonic[nearer]
    second = taken - (nearer + 1) * first
    others = (h - 1) / (taken - 1) if taken > 1 else np.zeros(len(h))
    sums = certain + h / taken * ((found + 1) * first + others * second)
    return float((chance * sums / np.maximum(1, found + h)).sum())


def _before(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return counts.cumsum(axis=1) - counts


def _cutoff(cutoff: int | None, counts: Counts) -> int:
    if cutoff is not None and cutoff < 1:
        raise UsageError(f"Cutoff {cutoff} is no number of codes.", "Give 1 or more, or None for all.")
    return counts.size if cutoff is None else min(cutoff, counts.size)


def _harmonic(size: int) -> Reals:
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, size + 1))])


def _log_factorials(size: int) -> Reals:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size + 1)))])


def _log_choose(logs: Reals, of: int, taken: NDArray[np.int64]) -> Reals:
    found: Reals = logs[of] - logs[taken] - logs[of - taken]
    return found
