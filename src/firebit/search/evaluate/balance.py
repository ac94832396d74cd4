"""How much of their length codes use: balance and entropy of bits, and how many codes are distinct."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from firebit.search.codes import Codes, check_some, unpack


@dataclass(frozen=True)
class Balance:
    """Statistics of the codes of a database.

    Attributes:
        bits: length of a code.
        count: codes.
        mean: share of bits that are set, 0 … 1.
        constant: bits that are the same in every code.
        entropy: mean entropy of a bit, 0 … 1; 1 where each bit is set in half of the codes.
        correlation: mean absolute correlation of two bits, constant ones left out; None for fewer than two.
        distinct: distinct codes.
        largest: share of codes that are the most frequent code.
        code_entropy: entropy of whole codes in bits, at most log₂ of `count`.
    """

    bits: int
    count: int
    mean: float
    constant: int
    entropy: float
    correlation: float | None
    distinct: int
    largest: float
    code_entropy: float

    @property
    def distinct_rate(self) -> float:
        """Distinct codes over codes, above 0 … 1."""
        return self.distinct / self.count

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-able values, the rate of distinct codes among them."""
        return {**asdict(self), "distinct_rate": self.distinct_rate}


def balance(codes: Codes, bits: int) -> Balance:
    """Count how bits and codes are spread.

    Args:
        codes: packed uint8 (N, ⌈bits / 8⌉), N ≥ 1.
        bits: length of a code.

    Raises:
        UsageError: the codes have another length.

    Example:
        >>> balance(np.array([[0b01], [0b10], [0b10], [0b01]], np.uint8), 2).distinct
        2
    """
    check_some(codes, bits, "codes")
    each = unpack(codes, bits)
    share = each.mean(axis=0, dtype=np.float64)
    times = np.unique(codes, axis=0, return_counts=True)[1] / len(codes)
    varied = (share > 0) & (share < 1)
    return Balance(
        bits=bits,
        count=len(codes),
        mean=float(share.mean()),
        constant=int((~varied).sum()),
        entropy=float((_surprise(share) + _surprise(1 - share)).mean()),
        correlation=_correlation(each[:, varied]),
        distinct=len(times),
        largest=float(times.max()),
        code_entropy=float(_surprise(times).sum()),
    )


def _surprise(share: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """−p·log₂ p, 0 for p = 0."""
    return -share * np.log2(np.where(share > 0, share, 1.0))


def _correlation(bits: np.ndarray[Any, np.dtype[np.uint8]]) -> float | None:
    width = bits.shape[1]
    if width < 2:
        return None
    found = np.abs(np.corrcoef(bits.astype(np.float32), rowvar=False))
    return float((found.sum() - np.trace(found)) / (width * (width - 1)))
