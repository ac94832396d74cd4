"""Firebit as a contender."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.engine.network import load as load_network


def prepare(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels as they are."""
    return np.ascontiguousarray(pictures)


def load(file: Path, threads: int, batch: int) -> Callable[[Any], NDArray[np.floating[Any]]]:
    """The network's logits, as anyone would call them."""
    return load_network(file, threads=threads).logits
