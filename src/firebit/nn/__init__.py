"""Building blocks for anyone's own training loop (needs torch)."""

from firebit.nn.balance import balance
from firebit.nn.census import Census, LayerCensus, census, counting
from firebit.nn.centre import CentredConv2d, CentredDropout, CentredLinear
from firebit.nn.encoder import Encoder
from firebit.nn.growth import EntropyPenalty, Growth, SlopeGrowth, entropy_penalty, param_groups
from firebit.nn.harden import harden
from firebit.nn.measure import clipped_units
from firebit.nn.noise import PreActivationNoise
from firebit.nn.rectifier import BoundedRectifier, Step, bounded_rectify
from firebit.nn.rectify import rectify
from firebit.nn.scale import Scale
from firebit.nn.slope import absorb_slopes
from firebit.nn.snap import snap
from firebit.nn.straight import StraightThroughStep
from firebit.nn.summary import Summary, summary
from firebit.nn.weights import BoundedWeight, WeightGrowth, binarize, bound_weights, harden_weights, weight_census

__all__ = [
    "BoundedRectifier",
    "BoundedWeight",
    "Census",
    "CentredConv2d",
    "CentredDropout",
    "CentredLinear",
    "Encoder",
    "EntropyPenalty",
    "Growth",
    "LayerCensus",
    "PreActivationNoise",
    "Scale",
    "SlopeGrowth",
    "Step",
    "StraightThroughStep",
    "Summary",
    "WeightGrowth",
    "absorb_slopes",
    "balance",
    "binarize",
    "bound_weights",
    "bounded_rectify",
    "census",
    "clipped_units",
    "counting",
    "entropy_penalty",
    "harden",
    "harden_weights",
    "param_groups",
    "rectify",
    "snap",
    "summary",
    "weight_census",
]
