"""How good codes are for search: figures, protocols of the literature, and baselines; NumPy alone."""

from firebit.search.evaluate.balance import Balance, balance
from firebit.search.evaluate.counts import Counts, count
from firebit.search.evaluate.hamming import pack, truncate, unpack
from firebit.search.evaluate.protocol import PROTOCOLS, Split, split, unseen_classes

__all__ = [
    "PROTOCOLS",
    "Balance",
    "Counts",
    "Split",
    "balance",
    "count",
    "pack",
    "split",
    "truncate",
    "unpack",
    "unseen_classes",
]
