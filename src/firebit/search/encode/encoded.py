"""Codes of some pictures, and which of them could not be read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firebit.engine.network import load
from firebit.errors import DataError
from firebit.search.codes import Codes
from firebit.search.encode.pictures import Picture, pixels
from firebit.search.encoder import LayerEncoder


@dataclass(frozen=True)
class Bad:
    """A picture that could not be read, and why."""

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes of some pictures.

    Attributes:
        pictures: that could be read.
        codes: uint8 (pictures, bytes).
        bad: those that could not be read.
    """

    pictures: list[Picture]
    codes: Codes
    bad: tuple[Bad, ...]


class Coder:
    """Encodes pictures with one network, which is loaded once.

    Args:
        model: path of the compiled network.
        layer: whose codes.
        threads: of the network.
    """

    def __init__(self, model: str, layer: str, threads: int = 1) -> None:
        self.encoder = LayerEncoder(load(model, threads), layer)

    def __call__(self, pictures: Sequence[Picture]) -> Encoded:
        """Codes of pictures, part by part; those that cannot be read are left out and named."""
        network, length = self.encoder.network, -(-self.encoder.bits // 8)
        good: list[Picture] = []
        parts: list[Codes] = [np.empty((0, length), np.uint8)]
        bad: list[Bad] = []
        for start in range(0, len(pictures), network.batch):
            some = pictures[start : start + network.batch]
            batch = np.empty((len(some), *network.input_shape), np.uint8)
            count = len(good)
            for picture in some:
                try:
                    batch[len(good) - count] = pixels(picture, network.input_shape)
                except DataError as error:
                    bad.append(Bad(ascii(picture.id) if not picture.id.isprintable() else picture.id, error.problem))
                    continue
                good.append(picture)
            if len(good) > count:
                parts.append(self.encoder.codes(batch[: len(good) - count]))
        return Encoded(good, np.concatenate(parts), tuple(bad))
