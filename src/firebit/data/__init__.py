"""Labelled pictures: reading, fetching, splitting and changing them. NumPy only."""

from firebit.data.fetch import fetch
from firebit.data.image_set import ImageSet, split
from firebit.data.load import load, names
from firebit.data.transforms import Augmentation, epoch_order, to_float

__all__ = ["Augmentation", "ImageSet", "epoch_order", "fetch", "load", "names", "split", "to_float"]
