"""A network between torch and plan: its layers, their sums still of real weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firebit.compiler.value import Reals, Sum
from firebit.engine.plan import INPUT, Input
from firebit.engine.pool import Pool
from firebit.engine.term import Shape


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

    @property
    def shape(self) -> Shape:
        """Shape of what is kept: the bits, pooled."""
        units = self.sum.shape
        return units if self.post is None else (units[0], *self.post.output(*units[1:]))


@dataclass(frozen=True, eq=False)
class Outline:
    """Hidden layers in order, and the last sum, None for an encoder."""

    input: Input
    steps: tuple[Step, ...]
    logits: Sum | None


def layer_names(calls: Sequence[str]) -> list[str]:
    """Names of the layers that calls of steps become.

    Args:
        calls: module paths of steps in the order in which a network calls them.

    Returns:
        As many names, all different: the module's own for its first call, then name_1, name_2, … that no other step
        has.
    """
    found: list[str] = []
    for call in calls:
        name, number = call, 0
        while name in (INPUT, *found) or (name != call and name in calls):
            number += 1
            name = f"{call}_{number}"
        found.append(name)
    return found
