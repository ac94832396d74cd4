"""Search by codes: packed bits, stores of them, and pictures encoded by the folder.

Needs no torch; a store in a file needs no library but NumPy.
"""

from firebit.search.codes import hamming, pack, truncate, unpack
from firebit.search.encoder import Encoder, LayerEncoder
from firebit.search.store import Capabilities, CodeStore, Hit, Hits, Item

__all__ = [
    "Capabilities",
    "CodeStore",
    "Encoder",
    "Hit",
    "Hits",
    "Item",
    "LayerEncoder",
    "hamming",
    "pack",
    "truncate",
    "unpack",
]
