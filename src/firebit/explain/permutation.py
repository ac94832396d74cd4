"""What the rules for positive and negative classes find where there is nothing to find: in shuffled labels."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.engine.pixels import pictures
from firebit.errors import UsageError
from firebit.explain.firing import Firing, checked_labels
from firebit.explain.layer import Reader
from firebit.explain.selectivity import Selectivity, sides

if TYPE_CHECKING:
    from firebit.engine.network import Network
    from firebit.engine.pixels import Images


@dataclass(frozen=True)
class Null:
    """The same question asked of shuffled labels.

    Attributes:
        permutations: how many shuffles.
        found: mean number of positive and negative classes found over all units, per shuffle.
        units: mean share of units with a positive class, 0 … 1.
        most: the largest such share of a shuffle.
    """

    permutations: int
    found: float
    units: float
    most: float


def permutation_null(
    network: "Network",
    images: "Images",
    labels: ArrayLike,
    found: Selectivity,
    permutations: int = 100,
    seed: int = 0,
) -> Null:
    """Shuffle the labels, and count what the rules of `found` then find: all of it is chance.

    Unlike the q-values this keeps the units as they are correlated with each other.

    Args:
        network: whose units they are.
        images: the pictures that were counted.
        labels: their classes, int (N,).
        found: what was found with the true labels.
        permutations: shuffles, ≥ 1.
        seed: of the shuffles, ≥ 0.

    Raises:
        UsageError: pictures, labels or network are not those that were counted, or a number is out of range.
    """
    for name, value, least in (("permutations", permutations, 1), ("seed", seed, 0)):
        if value < least:
            raise UsageError(f"{name}={value} is out of range.", f"Give a whole number from {least}.")
    firing = found.firing
    codes = _codes(network, images, firing)
    indices = checked_labels(labels, len(codes), firing.classes)
    order = np.argsort(indices, kind="stable")
    if network.fingerprint != firing.fingerprint or (_counts(codes[order], firing) != firing.counts).any():
        raise UsageError("These are not the pictures that were counted.", "Give the same network, pictures and labels.")
    draw = np.random.default_rng(seed)
    some, with_positive = [], []
    for _ in range(permutations):
        counts = _counts(codes[draw.permutation(len(codes))], firing)
        positive, negative = sides(replace(firing, counts=counts), found.share, found.level)
        some.append(int(positive.sum() + negative.sum()))
        with_positive.append(float(positive.any(0).mean()))
    return Null(permutations, float(np.mean(some)), float(np.mean(with_positive)), max(with_positive))


def _codes(network: "Network", images: "Images", firing: Firing) -> NDArray[np.uint8]:
    """Packed bits of all pictures, uint8 (N, ⌈U / 8⌉): an eighth of the memory, which permutations read again."""
    reader = Reader(network, firing.layer, firing.by)
    given = pictures(images, network.input_shape)
    parts = (slice(start, start + network.batch) for start in range(0, len(given), network.batch))
    codes = [np.packbits(reader.bits(given.pixels(part)), axis=1, bitorder="little") for part in parts]
    return np.concatenate(codes) if codes else np.zeros((0, -(-reader.units // 8)), np.uint8)


def _counts(codes: NDArray[np.uint8], firing: Firing) -> NDArray[np.int64]:
    """Counts int64 (C, U), where the first pictures are of class 0, the next of class 1, and so on."""
    counts = np.zeros(firing.counts.shape, np.int64)
    ends = np.cumsum(firing.sizes)
    for row, (end, size) in zip(counts, zip(ends, firing.sizes, strict=True), strict=True):
        if size:
            bits = np.unpackbits(codes[end - size : end], axis=1, count=firing.units, bitorder="little")
            bits.sum(0, dtype=np.int64, out=row)
    return counts
