"""What makes codes of a set of pictures when they are judged; here, compiled networks."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit.data import ImageSet, load, names
from firebit.engine.network import load as load_network
from firebit.search.codes import Codes, unpack

CODE = "code"
"""The layer whose bits are the code, where a network has one of that name."""

_BATCH = 5_000


@dataclass(frozen=True)
class Coded:
    """Codes of a set of pictures, and the features that the codes were made of.

    Attributes:
        codes: packed uint8 (N, ⌈bits / 8⌉).
        features: what the layer of codes reads, float32 (N, F); None where that is not known.
    """

    codes: Codes
    features: NDArray[np.float32] | None


@dataclass(frozen=True)
class Coder:
    """Something that turns pictures into codes.

    Attributes:
        bits: length of a code.
        size: side that pictures of a folder are brought to.
        run: codes and features of a set of pictures.
    """

    bits: int
    size: int
    run: Callable[[ImageSet], Coded]

    def pictures(self, source: str, split: str) -> ImageSet:
        """Pictures of a data set or folder, "train" or "test", those of a folder brought to the size.

        Raises:
            DataError: they are missing or damaged.
        """
        return load(source, split, size=None if source in names() else self.size)


def compiled_coder(path: Path, layer: str | None = None) -> Coder:
    """The codes of a layer of a compiled network; its features are the bits of the layer before.

    Args:
        path: a .firebit file.
        layer: None: `code` where there is one, else the last.

    Raises:
        ModelFileError: the file is missing or damaged.
        UsageError: there is no such layer.
    """
    network = load_network(path)
    name = layer or (CODE if CODE in network.layers else network.layers[-1])
    bits = prod(network.units(name))
    at = network.layers.index(name)
    before = network.layers[at - 1] if at else None

    def codes(pictures: ImageSet, wanted: str) -> Codes:
        starts = range(0, len(pictures), _BATCH)
        return np.concatenate([network.codes(pictures.images[start : start + _BATCH], wanted) for start in starts])

    def run(pictures: ImageSet) -> Coded:
        if before is None:
            return Coded(codes(pictures, name), None)
        features = unpack(codes(pictures, before), prod(network.units(before))).astype(np.float32)
        return Coded(codes(pictures, name), features)

    return Coder(bits, network.input_shape[-1], run)
