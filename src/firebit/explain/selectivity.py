"""What a firing matrix proves: positive and negative classes of every unit, and how much a unit tells of the class."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, xlogy
from scipy.stats import chi2, false_discovery_control

from firebit.errors import DataError, UsageError
from firebit.explain.firing import Firing
from firebit.explain.hypergeometric import tails

Real = NDArray[np.float64]
Bool = NDArray[np.bool_]

_LN2 = float(np.log(2))
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ClassEvidence:
    """What the pictures of one class say of one unit.

    Attributes:
        index: of the class.
        name: of the class.
        fired: pictures for which the unit fires, k.
        pictures: of the class, n.
        bound: one-sided Clopper–Pearson bound of the true rate: from below for a positive class, above for a negative.
        q: Benjamini–Hochberg q-value over the whole matrix.
    """

    index: int
    name: str
    fired: int
    pictures: int
    bound: float
    q: float


@dataclass(frozen=True, eq=False)
class Selectivity:
    """The classes for which units fire always, or never.

    A class is *positive* for a unit where it fires for at least `share` of the class's pictures and the q-value of
    "more often than for other classes" is at most `level`; *negative* the other way round. The p-values are exact
    (hypergeometric: what permuted labels give); q-values are Benjamini–Hochberg over both questions of every class
    that has pictures and every unit that is not constant, all at once.

    Attributes:
        firing: the counts.
        share: 1: all pictures of the class, as in the paper.
        level: of the false discovery rate.
        confidence: of `lower` and `upper`, one-sided.
        positive: bool (C, U).
        negative: bool (C, U).
        q_more: float64 (C, U): that the unit fires more often for the class than for others; 1 where not tested.
        q_less: float64 (C, U): that it fires less often.
        lower: float64 (C, U): true rate at least, one-sided Clopper–Pearson; 0 for a class without pictures.
        upper: float64 (C, U): true rate at most; 1 for a class without pictures.
        information: float64 (U,): mutual information of bit and class in bits, bias removed; may be a little below 0.
        information_null: float64 (U,): what a unit that is independent of the class stays below with that confidence,
            on the same scale.
        flags: per unit "", "never fires", "always fires", "same as 12" or "opposite of 12" (the first such unit).
    """

    firing: Firing
    share: float
    level: float
    confidence: float
    positive: Bool
    negative: Bool
    q_more: Real
    q_less: Real
    lower: Real
    upper: Real
    information: Real
    information_null: Real
    flags: tuple[str, ...]

    def positives(self, unit: int) -> tuple[ClassEvidence, ...]:
        """Positive classes of a unit, the highest bound first."""
        found = np.flatnonzero(self.positive[:, unit])
        order = found[np.argsort(-self.lower[found, unit], kind="stable")]
        return tuple(self._evidence(index, unit, self.lower, self.q_more) for index in order)

    def negatives(self, unit: int) -> tuple[ClassEvidence, ...]:
        """Negative classes of a unit, the lowest bound first."""
        found = np.flatnonzero(self.negative[:, unit])
        order = found[np.argsort(self.upper[found, unit], kind="stable")]
        return tuple(self._evidence(index, unit, self.upper, self.q_less) for index in order)

    def ranked(self) -> NDArray[np.int64]:
        """All units, those that tell most of the class first, int64 (U,)."""
        order: NDArray[np.int64] = np.argsort(-self.information, kind="stable").astype(np.int64)
        return order

    def _evidence(self, index: int, unit: int, bound: Real, q: Real) -> ClassEvidence:
        fired, pictures = int(self.firing.counts[index, unit]), int(self.firing.sizes[index])
        name = self.firing.classes[index]
        return ClassEvidence(int(index), name, fired, pictures, float(bound[index, unit]), float(q[index, unit]))


def selectivity(firing: Firing, share: float = 1.0, level: float = 0.05, confidence: float = 0.95) -> Selectivity:
    """Positive and negative classes of every unit, with what the sample can support.

    Args:
        firing: counts of a layer.
        share: of a class's pictures for which the unit must fire (or not fire), above ½ … 1. The paper's is 1.
        level: false discovery rate, above 0 and below 1.
        confidence: of the bounds, above 0 and below 1.

    Raises:
        UsageError: a number is out of range.
        DataError: fewer than two classes have pictures.
    """
    _check(firing, share, level, confidence)
    positive, negative, q_more, q_less = _sides(firing, share, level)
    lower, upper = bounds(firing.counts, firing.sizes[:, None], confidence)
    information, null = _information(firing, confidence)
    return Selectivity(
        *(firing, share, level, confidence, positive, negative, q_more, q_less, lower, upper),
        *(information, null, _flags(firing)),
    )


def _check(firing: Firing, share: float, level: float, confidence: float) -> None:
    if not 0.5 < share <= 1:
        raise UsageError(f"share={share} is no share that makes a class.", "Give a number above 0.5, at most 1.")
    for name, value in (("level", level), ("confidence", confidence)):
        if not 0 < value < 1:
            raise UsageError(f"{name}={value} is out of range.", "Give a number above 0 and below 1.")
    present = int((firing.sizes > 0).sum())
    if present < 2:
        raise DataError(
            f"{present or 'No'} class has pictures: there is nothing to compare.",
            "Give pictures of two classes or more.",
        )


def sides(firing: Firing, share: float, level: float) -> tuple[Bool, Bool]:
    """Positive and negative classes alone, bool (C, U) each; see :class:`Selectivity`."""
    positive, negative, *_ = _sides(firing, share, level)
    return positive, negative


def _sides(firing: Firing, share: float, level: float) -> tuple[Bool, Bool, Real, Real]:
    """Positive, negative, and the q-values of firing more often and less often."""
    sizes = firing.sizes[:, None]
    q_more, q_less = _q_values(firing)
    needed = np.array([ceil(share * size - _ROUNDING) for size in firing.sizes])[:, None]
    there = sizes > 0
    positive = there & (firing.counts >= needed) & (q_more <= level)
    negative = there & (sizes - firing.counts >= needed) & (q_less <= level)
    return positive, negative, q_more, q_less


def _q_values(firing: Firing) -> tuple[Real, Real]:
    q = np.ones((2, *firing.counts.shape))
    classes = np.flatnonzero(firing.sizes > 0)
    units = np.flatnonzero((firing.totals > 0) & (firing.totals < firing.pictures))
    if units.size:
        tested = np.ix_(classes, units)
        more, less = tails(firing.counts[tested], firing.sizes[classes, None], firing.totals[units], firing.pictures)
        found = false_discovery_control(np.stack([more, less]).reshape(-1)).reshape(2, len(classes), len(units))
        q[0][tested], q[1][tested] = found
    return q[0], q[1]


def bounds(counts: NDArray[np.int64], sizes: NDArray[np.int64], confidence: float) -> tuple[Real, Real]:
    """One-sided Clopper–Pearson bounds of a rate of which `counts` of `sizes` were seen: from below, and from above.

    Each holds by itself with that confidence. Of nothing seen, 0 and 1.

    Args:
        counts: int64, any shape, 0 ≤ k ≤ n.
        sizes: int64, n; shapes are broadcast.
        confidence: above 0 and below 1.

    Returns:
        float64 in 0 … 1, both of the common shape.
    """
    k, n = np.broadcast_arrays(counts.astype(float), sizes.astype(float))
    lower, upper = np.zeros(k.shape), np.ones(k.shape)
    some, gap = k > 0, k < n
    lower[some] = betaincinv(k[some], n[some] - k[some] + 1, 1 - confidence)
    upper[gap] = betaincinv(k[gap] + 1, n[gap] - k[gap], confidence)
    return lower, upper


def mutual_information(counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Real:
    """Mutual information of bit and class in bits, float64 (U,), without its bias.

    What is estimated from N pictures of C classes is too high by (C − 1) / (2 N ln 2) on average (Miller 1955), which
    is subtracted; constant units have 0.

    Args:
        counts: int64 (C, U).
        sizes: int64 (C,).
    """
    there = sizes > 0
    k, n = counts[there].astype(float), sizes[there, None].astype(float)
    count, total = n.sum(), k.sum(0)
    # N·I·ln 2 = Σ k ln k over all cells − Σ of the margins + N ln N.
    cells = xlogy(k, k) + xlogy(n - k, n - k)
    plain = cells.sum(0) - xlogy(n, n).sum() - xlogy(total, total) - xlogy(count - total, count - total)
    plain = (plain + xlogy(count, count)) / (count * _LN2)
    varies = (total > 0) & (total < count)
    return np.where(varies, plain - (len(n) - 1) / (2 * count * _LN2), 0.0)


def _information(firing: Firing, confidence: float) -> tuple[Real, Real]:
    """Mutual information, and its quantile under independence: 2 N ln 2 times it is about χ² of C − 1 degrees."""
    freedom = int((firing.sizes > 0).sum()) - 1
    band = (chi2.ppf(confidence, freedom) - freedom) / (2 * firing.pictures * _LN2)
    varies = (firing.totals > 0) & (firing.totals < firing.pictures)
    return mutual_information(firing.counts, firing.sizes), np.where(varies, band, 0.0)


def _flags(firing: Firing) -> tuple[str, ...]:
    always = int(firing.signature[0])
    first: dict[int, int] = {}
    flags = []
    for unit, (total, signature) in enumerate(zip(firing.totals.tolist(), firing.signatures.tolist(), strict=True)):
        opposite = (always - signature) % (1 << 64)
        if total in (0, firing.pictures):
            flags.append("never fires" if total == 0 else "always fires")
        elif signature in first:
            flags.append(f"same as {firing.unit_name(first[signature])}")
        elif opposite in first:
            flags.append(f"opposite of {firing.unit_name(first[opposite])}")
        else:
            first[signature] = unit
            flags.append("")
    return tuple(flags)
