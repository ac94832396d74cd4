"""Stores of codes: :class:`CodeStore`, and what lies behind it."""

from firebit.search.store.backend import Capabilities
from firebit.search.store.hits import Hit, Hits, Item
from firebit.search.store.store import CodeStore

__all__ = ["Capabilities", "CodeStore", "Hit", "Hits", "Item"]
