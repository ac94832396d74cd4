"""Building blocks for anyone's own training loop (needs torch)."""

from firebit.nn.census import Census, LayerCensus, census, counting
from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.growth import EntropyPenalty, SlopeGrowth, entropy_penalty, param_groups
from firebit.nn.harden import harden
from firebit.nn.rectifier import BoundedRectifier, Step, bounded_rectify

__all__ = [
    "BoundedRectifier",
    "Census",
    "CentredConv2d",
    "CentredLinear",
    "EntropyPenalty",
    "LayerCensus",
    "SlopeGrowth",
    "Step",
    "bounded_rectify",
    "census",
    "counting",
    "entropy_penalty",
    "harden",
    "param_groups",
]
