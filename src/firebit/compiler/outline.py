"""A network between torch and plan: its layers, their sums still of real weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebit.compiler.value import Reals, Sum
from firebit.engine.plan import Input
from firebit.engine.pool import Pool


@dataclass(frozen=True, eq=False)
class Step:
    """A hidden layer: a sum, the thresholds it is compared with, and a pooling of the bits.

    Attributes:
        name: the module path of the step.
        sum: what is compared.
        threshold: float64 (C,), ±∞ where a unit is constant.
        direction: int8 (C,), as in :class:`firebit.nn.Step`.
        post: pooling of the bits.
    """

    name: str
    sum: Sum
    threshold: Reals
    direction: NDArray[np.int8]
    post: Pool | None = None


@dataclass(frozen=True, eq=False)
class Outline:
    """Hidden layers in order, and the last sum, None for an encoder."""

    input: Input
    steps: tuple[Step, ...]
    logits: Sum | None
