"""The units of one layer as they are explained: by unit, or by channel."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.engine.network import Network

BY = ("unit", "channel")
"""What is explained of a convolution layer: a channel at a position, or a channel at any position."""


class Reader:
    """Reads the bits and margins of one layer.

    Args:
        network: a compiled network.
        layer: a name of ``network.layers``; None: the last.
        by: "unit": a channel at a position. "channel": a channel, which fires where it fires at any position, and whose
            margin is the largest over positions.

    Attributes:
        layer: its name.
        shape: of its units: (channels,), or (channels, height, width) by unit.
        by: as given.

    Raises:
        UsageError: there is no such layer, or `by` is something else.
    """

    def __init__(self, network: "Network", layer: str | None, by: str) -> None:
        if by not in BY:
            raise UsageError(f"by={by!r} is not known.", f"Give {' or '.join(map(repr, BY))}.")
        logits = network.plan.logits
        if logits is not None and layer == logits.name and layer not in network.layers:
            raise UsageError(
                f"The layer {layer!r} is not binary: it gives the logits.",
                f"Choose one of: {', '.join(network.layers)}.",
            )
        full = network.units(layer)
        self.layer = network.layers[-1] if layer is None else layer
        self.by = by
        self.shape = full[:1] if by == "channel" else full
        self._network = network
        self._positions = prod(full) // self.units

    @property
    def units(self) -> int:
        """How many there are."""
        return prod(self.shape)

    def bits(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What fires, uint8 (N, U) of 0 and 1."""
        bits = self._network.bits(pixels, self.layer).reshape(len(pixels), self.units, self._positions)
        found: NDArray[np.uint8] = bits[:, :, 0] if self._positions == 1 else bits.max(2)
        return found

    def margins(self, pixels: NDArray[np.uint8], units: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Margins int64 (N, M) of M units, at least 0 if and only if the unit fires; see :meth:`Network.margins`."""
        chosen = np.asarray(units, np.int64)
        wanted = (chosen[:, None] * self._positions + np.arange(self._positions)).reshape(-1)
        margins = self._network.margins(pixels, self.layer, wanted)
        largest: NDArray[np.int64] = margins.reshape(len(pixels), len(chosen), self._positions).max(2)
        return largest

    def checked(self, units: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices of units as int64 (M,).

        Raises:
            UsageError: one is none of the layer's.
        """
        found = np.asarray(units)
        if not found.size:
            return np.zeros(0, np.int64)
        if found.ndim != 1 or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= self.units:
            raise UsageError(
                f"units {found.tolist()} are not all among the {self.units} of layer {self.layer!r}.",
                f"Give whole numbers from 0 to {self.units - 1}.",
            )
        return found.astype(np.int64)
