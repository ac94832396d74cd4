"""Trained networks that come with the package, compiled, by name; they need no torch."""

from firebit.pretrained.shelf import Entry, entry, find, names

__all__ = ["Entry", "entry", "find", "names"]
