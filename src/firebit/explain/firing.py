"""How often every unit of a layer fires for every class: the paper's firing matrix (§4.3, figure 5), as counts.

Counts, not rates: k of n can be added up over parts of a data set, and says how much it can prove.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.errors import DataError, ModelFileError, UsageError
from firebit.files import load_tensors, save_tensors

if TYPE_CHECKING:
    from firebit.engine.network import Network
    from firebit.engine.pixels import Images

BY = ("unit", "channel")
"""What a neuron of a convolution layer is; see :func:`firing`."""


@dataclass(frozen=True, eq=False)
class Firing:
    """The firing matrix of a layer over labelled pictures. Matrices of parts of a data set add up: ``a + b``.

    Attributes:
        counts: int64 (C, U): pictures of class c for which unit u fires.
        sizes: int64 (C,): pictures of class c; 0 is allowed.
        signatures: uint64 (U,): sum over the pictures for which the unit fires of a hash of the picture, modulo 2⁶⁴.
            Units that fire for the same pictures have the same one, whatever the order of the pictures.
        signature: the same of a unit that always fires.
        classes: C names.
        layer: name of the layer.
        shape: of the units of the layer in one picture: (channels,), (channels, height, width) by unit, and
            (channels,) by channel.
        by: "unit" or "channel".
        fingerprint: of the network.
        together: int64 (U, U): pictures for which both units fire; None where it was not counted.

    Raises:
        UsageError: the parts do not fit each other.
    """

    counts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    signatures: NDArray[np.uint64]
    signature: int
    classes: tuple[str, ...]
    layer: str
    shape: tuple[int, ...]
    by: str
    fingerprint: str
    together: NDArray[np.int64] | None = None

    @property
    def pictures(self) -> int:
        """Pictures in all, N."""
        raise NotImplementedError

    @property
    def units(self) -> int:
        """Units, U."""
        raise NotImplementedError

    @property
    def rates(self) -> NDArray[np.float64]:
        """Share of a class's pictures for which a unit fires, float64 (C, U), 0 … 1; NaN for classes without any."""
        raise NotImplementedError

    @property
    def totals(self) -> NDArray[np.int64]:
        """Pictures for which a unit fires, int64 (U,)."""
        raise NotImplementedError

    @property
    def base(self) -> NDArray[np.float64]:
        """Share of all pictures for which a unit fires, float64 (U,), 0 … 1."""
        raise NotImplementedError

    def __add__(self, other: "Firing") -> "Firing":
        """The matrix of both parts of a data set.

        Raises:
            UsageError: they are of different networks, layers or classes.
        """
        raise NotImplementedError

    def unit_name(self, unit: int) -> str:
        """How a unit is written: "17", or "3@5,12" for channel 3 at row 5, column 12."""
        raise NotImplementedError

    def correlation(self) -> NDArray[np.float64]:
        """Correlation (phi coefficient) of all pairs of units over the pictures, float64 (U, U), −1 … 1; 0 for constant units.

        Raises:
            UsageError: pairs were not counted.
        """
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write the matrix as one file under a checksum, atomically."""
        raise NotImplementedError


def load_firing(path: str | Path) -> Firing:
    """Read what :meth:`Firing.save` wrote.

    Raises:
        ModelFileError: the file is missing, damaged or of another kind.
    """
    raise NotImplementedError


def firing(
    network: "Network",
    images: "Images",
    labels: ArrayLike,
    classes: Sequence[str] = (),
    *,
    layer: str | None = None,
    by: str = "unit",
    together: bool = False,
    batch: int | None = None,
) -> Firing:
    """Count how often every unit of a layer fires for every class.

    Pictures are computed batch by batch and nothing of them is kept, so that memory does not grow with their number;
    for those that do not fit into memory add up the matrices of parts.

    Args:
        network: a compiled network.
        images: pictures, as everywhere (:class:`firebit.engine.network.Network`).
        labels: int (N,): the class of each.
        classes: names of the classes; none: the network's; and where it has none either, numbers.
        layer: a name of ``network.layers``; None: the last.
        by: what a unit of a convolution layer is: "unit" is a channel at a position, as everywhere where units are
            counted; "channel" is a channel, which fires where it fires at any position. Linear layers: the same.
        together: count for every two units how often both fire, too, for :meth:`Firing.correlation`.
        batch: pictures at once.

    Raises:
        UsageError: labels do not fit pictures or classes, there is no such layer, or its units are too many for memory.
        DataError: there are no pictures, only one class of them, or one cannot be read.
    """
    raise NotImplementedError
