"""A compiled network at work: from pictures to classes, codes and margins."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from firebit.engine import record, reference
from firebit.engine.batch import batch_size, many
from firebit.engine.executor import executor
from firebit.engine.pixels import Pixels, pictures
from firebit.engine.plan import Layer, Plan
from firebit.errors import UsageError
from firebit.pretrained import find

if TYPE_CHECKING:
    from firebit.engine.pixels import Images

CONSTANT_MARGIN = 2**31 - 1
"""The margin of a unit that always fires, whatever the picture."""

Number = TypeVar("Number", bound=np.generic)


def load(path: str | Path, threads: int | None = None) -> "Network":
    """Load a compiled network. Needs no torch.

    Args:
        path: a `.firebit` file, or the name of a network that comes with the package
            (:func:`firebit.pretrained.names`). Where something of that path exists, it is what is meant.
        threads: how many a call may use, ≥ 1; None: as many as there are cores for this process. Results do not depend
            on it.

    Raises:
        ModelFileError: the file is missing, damaged, no compiled network, of a newer schema, or not valid; or there is
            no network of that name.
        UsageError: `threads` is no such number, or ``FIREBIT_ISA`` names an instruction set that cannot run here.

    Example:
        >>> network = fb.load("model.firebit")
        >>> network.predict("digit.png")
        array([7])
    """
    return Network(record.load(find(path)), threads)


class Network:
    """A compiled network that runs.

    Every method takes pictures in one of these ways:

    - pixels, a uint8 array (N, *input_shape) of the network's own size. Where that has one channel, (N, H, W) will do.
      One picture may come without N: (C, H, W), and for one channel (H, W);
    - one picture of any size: a path (str or Path) of a PNG or JPEG file, or a PIL image;
    - a list of pictures, each of any size: paths, PIL images, uint8 arrays (H, W), (H, W, 3) or (H, W, 4).

    Pictures of any size become pixels as they do in training on a folder: turned as EXIF says, laid over white where
    transparent, 16 bits (Pillow's modes I and I;16) scaled to 8, made grey or RGB as the network wants, resized
    (bicubic) until they cover the network's size and cut out in the middle. Arrays of pixels are taken as they are.
    One picture gives results of N = 1; none gives empty ones.

    `batch` is how many pictures are computed at once, None for as many as keep memory bounded. Results do not depend
    on it.

    Every method that takes pictures raises UsageError where they have another type or shape, `batch` is below 1 or
    there is no such layer, and DataError where a picture cannot be read. Calls from several threads at once, and after
    a fork, are safe.

    Args:
        plan: what the network computes.
        threads: see :func:`load`.

    Attributes:
        plan: what the network computes.

    Raises:
        UsageError: see :func:`load`.
    """

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self.plan = plan
        self._executor = executor(plan, threads)
        self._batch = batch_size(plan)
        # Asked for in every call, of a small network's time.
        self._shape = plan.input.shape
        self._logits_shape = (0 if plan.logits is None else len(plan.logits.bias),)

    def __reduce__(self) -> tuple[type["Network"], tuple[Plan, int]]:
        return type(self), (self.plan, self.threads)

    def __repr__(self) -> str:
        *shape, bits = (*self.input_shape, sum(prod(self.units(name)) for name in self.layers))
        end = "encoder" if self.is_encoder else f"{self._class_count} classes"
        layers = f"{len(self.layers)} layer{'s' if len(self.layers) > 1 else ''}"
        seen = "×".join(map(str, shape))
        return f"<Network {seen} → {layers} of {bits:,} bits → {end}, {self.fingerprint[:12]}>"

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the hidden layers, in the order they are computed."""
        return tuple(layer.name for layer in self.plan.layers)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the logits; empty where the plan has none."""
        return self.plan.classes

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape (C, H, W) or (F,) of the pixels of one picture."""
        return self.plan.input.shape

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides bits, as 64 hexadecimal digits. Codes of one fingerprint can be compared."""
        return self.plan.fingerprint

    @property
    def is_encoder(self) -> bool:
        """Whether it gives codes only, no classes."""
        return self.plan.logits is None

    @property
    def threads(self) -> int:
        """How many threads a call may use; without native code NumPy's own."""
        return self._executor.threads

    @property
    def batch(self) -> int:
        """Pictures that may be computed at once whatever is kept of them, ≥ 1; by default more where little is."""
        return self._batch

    def units(self, layer: str | None = None) -> tuple[int, ...]:
        """Shape of the bits of a hidden layer for one picture, before any pooling of them: (C, H, W) or (C,).

        Args:
            layer: a name of `layers`; None: the last.
        """
        return self.plan.sums[self._layer(layer)]

    def pixels(self, images: "Images") -> Pixels:
        """What the network sees of pictures: uint8 (N, *input_shape). An array is not copied."""
        given = pictures(images, self.input_shape)
        return given.pixels(slice(0, len(given)))

    def logits(self, images: "Images", batch: int | None = None) -> NDArray[np.float64]:
        """Logits float64 (N, classes).

        Raises:
            UsageError: the network is an encoder, without logits.
        """
        if self.plan.logits is None:
            raise UsageError(
                "The network is an encoder: it has no classes to predict.",
                "Ask it for codes(images), or compile the network with its last layer.",
            )
        return self._collect(images, self._logits_shape, np.float64, batch, self._executor.logits)

    def probabilities(self, images: "Images", batch: int | None = None) -> NDArray[np.float64]:
        """Softmax of the logits: float64 (N, classes) in 0 … 1, each row of sum 1.

        Raises:
            UsageError: the network is an encoder, without logits.
        """
        logits = self.logits(images, batch)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def predict(self, images: "Images", batch: int | None = None) -> NDArray[np.int64]:
        """Indices of the classes of the largest logits, int64 (N,); of equal ones the smaller index.

        Raises:
            UsageError: the network is an encoder, without logits.
        """
        found: NDArray[np.int64] = self.logits(images, batch).argmax(axis=1).astype(np.int64)
        return found

    def bits(self, images: "Images", layer: str | None = None, batch: int | None = None) -> NDArray[np.uint8]:
        """What fires: uint8 (N, *units) of 0 and 1, before any pooling of the bits.

        Args:
            images: pictures.
            layer: a name of `layers`; None: the last.
            batch: pictures at once.
        """
        name = self._layer(layer)
        return self._collect(images, self.units(name), np.uint8, batch, lambda seen: self._executor.bits(seen, name))

    def codes(self, images: "Images", layer: str | None = None, batch: int | None = None) -> NDArray[np.uint8]:
        """Packed bits of a layer: uint8 (N, ⌈units / 8⌉).

        Bit i is unit i, little-endian inside a byte: bit i % 8 of byte i // 8, followed by zeros. Units are counted
        channel by channel, row by row (C·H·W), before any pooling of the bits.

        Args:
            images: pictures.
            layer: a name of `layers`; None: the last.
            batch: pictures at once.
        """
        name = self._layer(layer)
        length = -(-prod(self.units(name)) // 8)
        return self._collect(images, (length,), np.uint8, batch, lambda seen: self._executor.codes(seen, name))

    def margins(
        self,
        images: "Images",
        layer: str | None = None,
        units: Sequence[int] | NDArray[np.integer[Any]] | None = None,
        batch: int | None = None,
    ) -> NDArray[np.int64]:
        """How far every unit is from changing its mind: at least 0 if and only if it fires.

        With the sum s and the threshold t, a unit that fires from t upwards has s − t, one that fires up to t has
        t − s, one that always fires has :data:`CONSTANT_MARGIN`, 2³¹ − 1, the largest int32.

        Args:
            images: pictures.
            layer: a name of `layers`; None: the last.
            units: indices (M,) of units, counted as in :meth:`codes`; None: all.
            batch: pictures at once.

        Returns:
            int64 (N, *units), or (N, M) where `units` are given; in units of the integer sums.

        Raises:
            UsageError: `units` are no whole numbers, or out of range.
        """
        name = self._layer(layer)
        made = self.plan.layer(name)
        windows = reference.window_map(self.plan, made)

        def all_units(seen: Pixels) -> NDArray[np.int64]:
            return margin(self._executor.sums(seen, name), made, windows)

        if units is None:
            return self._collect(images, self.units(name), np.int64, batch, all_units, is_bounded=False)
        chosen = self._chosen(name, units)

        def some(seen: Pixels) -> NDArray[np.int64]:
            return all_units(seen).reshape(len(seen), prod(self.units(name)))[:, chosen]

        return self._collect(images, chosen.shape, np.int64, batch, some, is_bounded=False)

    @property
    def _class_count(self) -> int:
        return self._logits_shape[0]

    def _layer(self, name: str | None) -> str:
        if name is None:
            return self.layers[-1]
        if name in self.layers:
            return name
        near = get_close_matches(str(name), self.layers, 1)
        raise UsageError(
            f"The network has no hidden layer {name!r}.",
            (f"Did you mean {near[0]!r}? " if near else "") + f"Choose one of: {', '.join(self.layers)}.",
        )

    def _chosen(self, name: str, units: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        chosen, count = np.asarray(units), prod(self.units(name))
        if chosen.ndim == 1 and not chosen.size:
            return chosen.astype(np.int64)
        whole = chosen.ndim == 1 and chosen.dtype.kind in "iu"
        if not whole or chosen.min() < 0 or chosen.max() >= count:
            raise UsageError(
                f"units {chosen.dtype} {chosen.shape} do not choose among the {count} of layer {name!r}.",
                f"Give a list of whole numbers from 0 to {count - 1}.",
            )
        return chosen.astype(np.int64)

    def _collect(
        self,
        images: "Images",
        shape: tuple[int, ...],
        kind: type[Number],
        batch: int | None,
        compute: Callable[[Pixels], NDArray[Number]],
        is_bounded: bool | None = None,
    ) -> NDArray[Number]:
        """What `compute` gives of the pixels, batch by batch: (N, *shape).

        Args:
            is_bounded: whether computing takes memory for results only; None: as the executor has it.
        """
        size = self._batch if batch is None else _checked(batch)
        if _is_ready(images, self._shape) and len(images) <= size:
            return compute(images)
        if batch is None and (self._executor.is_bounded if is_bounded is None else is_bounded):
            size = max(size, many(prod(self._shape), prod(shape) * np.dtype(kind).itemsize))
        given = pictures(images, self._shape)
        if len(given) <= size:
            return compute(np.ascontiguousarray(given.pixels(slice(0, len(given)))))
        result = np.empty((len(given), *shape), kind)
        for start in range(0, len(given), size):
            part = slice(start, start + size)
            result[part] = compute(np.ascontiguousarray(given.pixels(part)))
        return result


def _checked(batch: object) -> int:
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1:
        raise UsageError(f"batch={batch!r} is not a number of pictures.", "Give a whole number from 1, or None.")
    return int(batch)


def _is_ready(images: "Images", shape: tuple[int, ...]) -> TypeGuard[Pixels]:
    """Whether images can be computed with as they are. A closer look takes a small network's time."""
    return (
        type(images) is np.ndarray
        and images.dtype == np.uint8
        and images.shape[1:] == shape
        and images.flags.c_contiguous
    )


def margin(sums: NDArray[np.int32], layer: Layer, windows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Margins int64 (N, *units) of the sums of a layer; see :meth:`Network.margins`.

    Args:
        sums: int32 (N, *units).
        layer: whose they are.
        windows: which row of its thresholds holds at each place; see :func:`firebit.engine.reference.window_map`.
    """
    dimensions = sums.ndim
    threshold = reference.thresholds(layer, windows, dimensions)
    direction = reference.per_channel(layer.direction, dimensions)
    # In place: this is the largest array of all.
    distance = sums.astype(np.int64)
    distance -= threshold
    distance *= direction
    np.copyto(distance, CONSTANT_MARGIN, where=direction == 0)
    return distance
