"""How good codes are for search: figures, protocols of the literature, and baselines; NumPy alone."""

from firebit.search.evaluate.balance import Balance, balance
from firebit.search.evaluate.counts import Counts, count
from firebit.search.evaluate.measure import SearchMetrics, measure
from firebit.search.evaluate.projection import Projection, itq, itq_within, lsh, threshold, within
from firebit.search.evaluate.protocol import PROTOCOLS, Split, split, unseen_classes
from firebit.search.evaluate.recall import recall_at

__all__ = [
    "PROTOCOLS",
    "Balance",
    "Counts",
    "Projection",
    "SearchMetrics",
    "Split",
    "balance",
    "count",
    "itq",
    "itq_within",
    "lsh",
    "measure",
    "recall_at",
    "split",
    "threshold",
    "unseen_classes",
    "within",
]
