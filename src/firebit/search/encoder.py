"""What turns pictures into codes: a layer of a compiled network, or anything with the same four names."""

from math import prod
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from firebit.engine.network import Network
from firebit.errors import UsageError
from firebit.search.codes import Codes

if TYPE_CHECKING:
    from firebit.engine.pixels import Images


@runtime_checkable
class Encoder(Protocol):
    """Anything that makes codes of pictures: a layer of a compiled network, a torch model, a service.

    An encoder may also have ``reals(images)``, float (N, bits), real values that are at least 0 where the bit is 1:
    searches can then be re-ranked by the asymmetric distance.
    """

    @property
    def bits(self) -> int:
        """Bits per code, ≥ 1."""

    @property
    def fingerprint(self) -> str:
        """What tells encoders apart: codes of one fingerprint can be compared."""

    def codes(self, images: Any) -> Codes:
        """Packed codes of pictures, uint8 (N, ⌈bits / 8⌉)."""


class LayerEncoder:
    """A hidden layer of a compiled network as an encoder.

    Args:
        network: that runs.
        layer: a name of its layers; None: the last.

    Raises:
        UsageError: there is no such layer.
    """

    def __init__(self, network: Network, layer: str | None = None) -> None:
        self._units = network.units(layer)
        self.network = network
        self.layer = layer or network.layers[-1]

    @property
    def bits(self) -> int:
        """Units of the layer, channel by channel."""
        return prod(self._units)

    @property
    def fingerprint(self) -> str:
        """The network's, and the name of the layer."""
        return f"{self.network.fingerprint}:{self.layer}"

    def check_pictures(self) -> None:
        """Refuse a network whose inputs are no pictures.

        Raises:
            UsageError: they are not.
        """
        if len(self.network.input_shape) != 3:
            raise UsageError("The network does not take pictures.", "Encode its arrays with network.codes in Python.")

    def codes(self, images: "Images") -> Codes:
        """Packed codes of pictures; see :meth:`firebit.engine.network.Network.codes`."""
        return self.network.codes(images, self.layer)

    def reals(self, images: "Images") -> NDArray[np.float32]:
        """How far every unit is from changing its mind, float32 (N, bits), at least 0 where the bit is 1.

        The margin of integer sums, with the sign of the bit, over the Euclidean norm of the unit's weights: the
        distance of what the unit sees from the plane where its bit changes. The norms of channels differ, so that bare
        margins could not be compared.
        """
        margins = self.network.margins(images, self.layer)
        layer = self.network.plan.layer(self.layer)
        squares = sum(
            (term.weights.astype(np.float64) ** 2).reshape(term.channels, -1).sum(axis=1) for term in layer.terms
        )
        norms = np.sqrt(np.maximum(squares, 1.0)).reshape(-1, *(1 for _ in self._units[1:]))
        found: NDArray[np.float32] = (margins / norms).reshape(len(margins), self.bits).astype(np.float32)
        return found


def as_encoder(encoder: object, layer: str | None = None) -> Encoder:
    """The encoder that a user means.

    Args:
        encoder: a compiled network, or anything with the names of :class:`Encoder`.
        layer: which layer of a network; None: the last.

    Raises:
        UsageError: it is neither, or `layer` is given for another encoder than a network.
    """
    if isinstance(encoder, Network):
        return LayerEncoder(encoder, layer)
    if not isinstance(encoder, Encoder):
        raise UsageError(
            f"encoder is of type {type(encoder).__name__}, which makes no codes.",
            "Give firebit.load(…), or an object with bits, fingerprint and codes(images).",
        )
    if layer is not None:
        raise UsageError("layer= goes with a compiled network only.", "Leave it out.")
    return encoder
