"""How often every unit of a layer fires for every class: the paper's firing matrix (§4.3, figure 5), as counts.

Counts, not rates: k of n can be added up over parts of a data set, and says how much it can prove.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.engine.pixels import pictures
from firebit.errors import DataError, FirebitError, ModelFileError, UsageError
from firebit.explain.counter import Counter, hashes
from firebit.explain.layer import BY, Reader
from firebit.files import load_tensors, save_tensors

if TYPE_CHECKING:
    from firebit.engine.network import Network
    from firebit.engine.pixels import Images

_KIND = "firing matrix"


@dataclass(frozen=True, eq=False)
class Firing:
    """The firing matrix of a layer over labelled pictures. Matrices of parts of a data set add up: ``a + b``.

    Attributes:
        counts: int64 (C, U): pictures of class c for which unit u fires.
        sizes: int64 (C,): pictures of class c; 0 is allowed.
        signatures: uint64 (U,): sum over the pictures for which the unit fires of a hash of the picture, modulo 2⁶⁴.
            Units that fire for the same pictures have the same one, whatever the order of the pictures.
        signature: uint64 (1,): the same of a unit that always fires.
        classes: C names.
        layer: name of the layer.
        shape: of the units of the layer in one picture: (channels,), (channels, height, width) by unit, and
            (channels,) by channel.
        by: "unit" or "channel"; see :func:`firing`.
        fingerprint: of the network.
        together: int64 (U, U): pictures for which both units fire; None where it was not counted.

    Raises:
        UsageError: the parts do not fit each other.
    """

    counts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    signatures: NDArray[np.uint64]
    signature: NDArray[np.uint64]
    classes: tuple[str, ...]
    layer: str
    shape: tuple[int, ...]
    by: str
    fingerprint: str
    together: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for wrong in (self._wrong_shapes, self._wrong_counts):
            if text := wrong():
                raise UsageError(f"This is no firing matrix: {text}.", "Make one with firebit.explain.firing.")

    def _wrong_shapes(self) -> str:
        classes, units = len(self.classes), prod(self.shape)
        arrays = {"counts": (classes, units), "sizes": (classes,), "signatures": (units,), "signature": (1,)}
        if self.together is not None:
            arrays["together"] = (units, units)
        for name, shape in arrays.items():
            kind = "uint64" if name.startswith("signature") else "int64"
            found = getattr(self, name)
            if found.dtype != kind or found.shape != shape:
                return f"{name} are {found.dtype} {found.shape}, not {kind} {shape}"
        return "" if self.by in BY else f"its units are by {self.by!r}"

    def _wrong_counts(self) -> str:
        if (self.sizes < 0).any() or (self.counts < 0).any() or (self.counts > self.sizes[:, None]).any():
            return "a count is below 0 or above the pictures of its class"
        if self.together is not None and not (np.diagonal(self.together) == self.totals).all():
            return "pairs of a unit with itself are not its count"
        return ""

    @property
    def pictures(self) -> int:
        """Pictures in all, N."""
        return int(self.sizes.sum())

    @property
    def units(self) -> int:
        """Units, U."""
        return prod(self.shape)

    @cached_property
    def rates(self) -> NDArray[np.float64]:
        """Share of a class's pictures for which a unit fires, float64 (C, U), 0 … 1; NaN for classes without any."""
        rates: NDArray[np.float64] = self.counts / np.where(self.sizes > 0, self.sizes, np.nan)[:, None]
        return rates

    @cached_property
    def totals(self) -> NDArray[np.int64]:
        """Pictures for which a unit fires, int64 (U,)."""
        total: NDArray[np.int64] = self.counts.sum(0)
        return total

    @property
    def base(self) -> NDArray[np.float64]:
        """Share of all pictures for which a unit fires, float64 (U,), 0 … 1."""
        return self.totals / max(1, self.pictures)

    def __add__(self, other: "Firing") -> "Firing":
        """The matrix of both parts of a data set.

        Raises:
            UsageError: they are of different networks, layers or classes.
        """
        check_alike(self, other)
        together = None if self.together is None or other.together is None else self.together + other.together
        return replace(
            self,
            counts=self.counts + other.counts,
            sizes=self.sizes + other.sizes,
            signatures=self.signatures + other.signatures,
            signature=self.signature + other.signature,
            together=together,
        )

    def unit_name(self, unit: int) -> str:
        """How a unit is written: "17", or "3@5,12" for channel 3 at row 5, column 12."""
        channel, *place = np.unravel_index(unit, self.shape)
        return f"{channel}@{','.join(map(str, place))}" if place else str(channel)

    def channel_rates(self) -> NDArray[np.float64]:
        """Share of a class's pictures and positions at which a channel fires, float64 (C, channels), 0 … 1.

        Positions of a picture are not independent, so that these rates prove less than their number suggests.
        """
        rates: NDArray[np.float64] = self.rates.reshape(len(self.classes), self.shape[0], -1).mean(2)
        return rates

    def correlation(self) -> NDArray[np.float64]:
        """Correlation of all pairs of units over the pictures, float64 (U, U), −1 … 1; 0 for constant units.

        Of bits this is the phi coefficient: (N·n₁₁ − n₁·n₂) / √(n₁ (N − n₁) n₂ (N − n₂)).

        Raises:
            UsageError: pairs were not counted.
        """
        if self.together is None:
            raise UsageError("Pairs of units were not counted.", "Count them: firing(…, together=True).")
        total, count = self.totals.astype(float), float(self.pictures)
        spread = np.sqrt(total * (count - total))
        covariance = count * self.together - np.outer(total, total)
        scale = np.outer(spread, spread)
        found: NDArray[np.float64] = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
        return found

    def save(self, path: str | Path) -> None:
        """Write the matrix as one file under a checksum, atomically.

        Raises:
            FirebitError: it cannot be written.
        """
        tensors: dict[str, NDArray[Any]] = {
            name: getattr(self, name) for name in ("counts", "sizes", "signatures", "signature")
        }
        if self.together is not None:
            tensors["together"] = self.together
        named = {name: getattr(self, name) for name in ("layer", "by", "fingerprint")}
        lists = {"classes": list(self.classes), "shape": list(self.shape)}
        save_tensors(Path(path), tensors, {"kind": _KIND, **named, **lists})


def check_alike(one: Firing, other: Firing) -> None:
    """See that two matrices are of the same units and classes.

    Raises:
        UsageError: they are not.
    """
    for name in ("fingerprint", "layer", "by", "classes"):
        if getattr(one, name) != getattr(other, name):
            raise UsageError(
                f"Firing matrices of different {'networks' if name == 'fingerprint' else name} do not go together.",
                "Count both with the same network, layer and classes.",
            )


def load_firing(path: str | Path) -> Firing:
    """Read what :meth:`Firing.save` wrote.

    Raises:
        ModelFileError: the file is missing, damaged or of another kind.
    """
    tensors, record = load_tensors(Path(path))
    try:
        if record["kind"] != _KIND:
            raise ValueError(f"it is a {record['kind']}")
        texts = [record[name] for name in ("layer", "by", "fingerprint")]
        classes, shape = tuple(record["classes"]), tuple(record["shape"])
        if not all(type(text) is str for text in (*texts, *classes)) or not all(type(side) is int for side in shape):
            raise ValueError("its names are no text")
        layer, by, fingerprint = texts
        return Firing(
            counts=tensors["counts"],
            sizes=tensors["sizes"],
            signatures=tensors["signatures"],
            signature=tensors["signature"],
            classes=classes,
            layer=layer,
            shape=shape,
            by=by,
            fingerprint=fingerprint,
            together=tensors.get("together"),
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = error.problem if isinstance(error, FirebitError) else str(error)
        raise ModelFileError(f"{path} holds no firing matrix: {reason}", "Give a file of Firing.save.") from error


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
        batch: pictures at once, ≥ 1; None: as many as keep memory bounded.

    Raises:
        UsageError: labels do not fit pictures or classes, there is no such layer, or its units are too many for memory.
        DataError: there are no pictures, or one cannot be read.

    Example:
        >>> import firebit as fb
        >>> digits = fb.data.load("digits", "test")
        >>> found = firing(fb.load("mnist-lenet"), digits.images, digits.labels)
        >>> found.counts.shape, found.pictures
        ((10, 500), 2000)
    """
    reader = Reader(network, layer, by)
    given = pictures(images, network.input_shape)
    names = class_names(network, labels, classes)
    indices = checked_labels(labels, len(given), names)
    counter = Counter(len(names), reader.units, together)
    size = network.batch if batch is None else batch
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise UsageError(f"batch={batch!r} is not a number of pictures.", "Give a whole number from 1, or None.")
    for start in range(0, len(given), size):
        part = slice(start, start + size)
        pixels = given.pixels(part)
        counter.add(reader.bits(pixels), indices[part], hashes(pixels))
    return Firing(
        counts=counter.counts,
        sizes=np.bincount(indices, minlength=len(names)).astype(np.int64),
        signatures=counter.signatures,
        signature=counter.signature,
        classes=names,
        layer=reader.layer,
        shape=reader.shape,
        by=by,
        fingerprint=network.fingerprint,
        together=counter.together,
    )


def class_names(network: "Network", labels: ArrayLike, classes: Sequence[str]) -> tuple[str, ...]:
    """The names given; else the network's; else numbers, as many as it has logits, or as the labels need."""
    if classes or network.classes:
        return tuple(classes) or network.classes
    logits = network.plan.logits
    array = np.asarray(labels)
    needed = int(array.max()) + 1 if array.size and array.dtype.kind in "iu" else 0
    return tuple(map(str, range(needed if logits is None else len(logits.bias))))


def checked_labels(labels: ArrayLike, count: int, classes: Sequence[str]) -> NDArray[np.int64]:
    """Labels as int64 (count,).

    Raises:
        UsageError: they do not fit so many pictures, or these classes.
        DataError: there are no pictures.
    """
    found = np.asarray(labels)
    if not count:
        raise DataError("There are no pictures.", "Give some of every class.")
    if found.dtype.kind not in "iu" or found.shape != (count,):
        raise UsageError(
            f"Labels {found.dtype} {found.shape} do not fit {count} pictures.",
            "Give the class of every picture as a whole number; without labels there is nothing to explain by.",
        )
    if found.min() < 0 or found.max() >= len(classes):
        raise UsageError(
            f"Labels go from {found.min()} to {found.max()}; there are {len(classes)} classes.",
            "Name all classes, in the order of their labels.",
        )
    return found.astype(np.int64)
