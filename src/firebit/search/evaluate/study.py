"""Codes judged by a protocol, beside what needs no training on the same features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError
from firebit.search.codes import Codes, truncate
from firebit.search.evaluate.counts import Labels
from firebit.search.evaluate.measure import SearchMetrics, measure
from firebit.search.evaluate.projection import itq, lsh
from firebit.search.evaluate.protocol import Split

_FITTED = 10_000


@dataclass(frozen=True)
class Subject:
    """Codes of all pictures of a data set, the training set followed by the test set.

    Attributes:
        labels: whole numbers (N,).
        split: which of the pictures are queries, database, and trained on.
    """

    labels: Labels
    split: Split

    def judge(self, codes: Codes, bits: int) -> SearchMetrics:
        """Figures of codes uint8 (N, ⌈bits / 8⌉) of all pictures; those of no part of the split are not looked at.

        Raises:
            UsageError: the codes are not one of that length for each picture.
        """
        if len(codes) != len(self.labels):
            raise UsageError(
                f"{len(codes)} codes for {len(self.labels)} pictures.", "Give one code for each, in order."
            )
        asked, known = self.split.queries, self.split.database
        return measure(bits, codes[asked], self.labels[asked], codes[known], self.labels[known])

    def prefixes(self, codes: Codes, bits: int, lengths: tuple[int, ...]) -> dict[int, SearchMetrics]:
        """Figures of the first bits of each code, for all lengths that are at most `bits`."""
        return {length: self.judge(truncate(codes, bits, length), length) for length in lengths if length <= bits}

    def baselines(self, features: NDArray[Any], bits: int, seed: int = 0) -> dict[str, SearchMetrics]:
        """LSH and ITQ on features (N, F), fitted to at most 10,000 of the pictures that train, drawn by the seed.

        ITQ is left out where there are more bits than features.
        """
        random = np.random.default_rng(seed)
        train = self.split.train
        chosen = features[train if len(train) <= _FITTED else random.permutation(train)[:_FITTED]]
        found = {"LSH": self.judge(lsh(chosen, bits, seed).codes(features), bits)}
        if bits <= min(chosen.shape):
            found["ITQ"] = self.judge(itq(chosen, bits, seed).codes(features), bits)
        return found


def summary(metrics: SearchMetrics) -> dict[str, float]:
    """The figures that a line of a table has, by heading; shares are per cent."""
    precision = {f"mAP@{cutoff}": 100 * value for cutoff, value in metrics.mean_average_precision.items()}
    balance = metrics.balance
    return {
        **precision,
        "P@H≤2": 100 * metrics.precision_within,
        "empty": 100 * metrics.empty,
        "entropy": balance.entropy,
        "distinct": 100 * balance.distinct_rate,
    }


def records(found: Mapping[str, SearchMetrics]) -> dict[str, Any]:
    """Figures by name as JSON-able values."""
    return {name: metrics.to_dict() for name, metrics in found.items()}
