"""What a census finds: exact counts of saturation per unit, and the figures drawn from them (figure 2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import ceil
from typing import Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from rich.table import Table

from firebit.errors import UsageError

Counts = NDArray[np.int64]

SHARES = (0.9, 0.99, 0.999)
"""The three thresholds of figure 2."""


@dataclass(frozen=True, eq=False)
class LayerCensus:
    """How often each unit of one layer was saturated. A unit is a channel at a position.

    Attributes:
        zeros: times the activation was exactly 0, int64 (C, *positions), read-only.
        ones: times it was exactly 1, likewise.
        count: samples seen, ≥ 1; a layer that runs twice in one forward pass sees each picture twice.

    Raises:
        UsageError: counters that are no integers, differ in shape, are empty, or do not fit `count`.
    """

    zeros: Counts
    ones: Counts
    count: int

    def __post_init__(self) -> None:
        for name in ("zeros", "ones"):
            object.__setattr__(self, name, _counters(getattr(self, name)))
        if self.zeros.shape != self.ones.shape or not self.zeros.size or self.count < 1:
            raise _bad_counters(f"shapes {self.zeros.shape} and {self.ones.shape} for {self.count} samples")
        if min(self.zeros.min(), self.ones.min()) < 0 or max(self.zeros.max(), self.ones.max()) > self.count:
            raise _bad_counters(f"a counter outside 0 … {self.count}")
        if self.saturated.max() > self.count:
            raise _bad_counters(f"a unit saturated more than {self.count} times")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LayerCensus):
            return NotImplemented
        same = np.array_equal(self.zeros, other.zeros) and np.array_equal(self.ones, other.ones)
        return same and self.count == other.count

    __hash__ = None  # type: ignore[assignment]

    @property
    def units(self) -> int:
        """Number of units: channels × positions."""
        return self.zeros.size

    @property
    def saturated(self) -> Counts:
        """Times each unit was at 0 or at 1, (C, *positions)."""
        return self.zeros + self.ones

    @property
    def between(self) -> Counts:
        """Times each unit lay strictly between 0 and 1, (C, *positions)."""
        return self.count - self.saturated

    @property
    def level(self) -> float:
        """The level of binarisation, 0 … 1, which is the share of (unit, sample) pairs that are at 0 or at 1."""
        return int(self.saturated.sum()) / (self.count * self.units)

    @property
    def ones_share(self) -> float:
        """Share of (unit, sample) pairs that are at 1; `level - ones_share` is the share at 0."""
        return int(self.ones.sum()) / (self.count * self.units)

    def binary_units(self, at_least: float = 0.9) -> int:
        """Number of units that are at 0 or at 1 in at least the share `at_least` (0 … 1) of the samples."""
        if not 0 <= at_least <= 1:
            raise UsageError(f"at_least={at_least} is not a share.", "Give a number from 0 to 1, such as 0.99.")
        needed = ceil(Fraction(str(float(at_least))) * self.count)
        return int(np.count_nonzero(self.saturated >= needed))

    def binary_share(self, at_least: float = 0.9) -> float:
        """Figure 2: the share of units that are binary at least the share `at_least` of the time."""
        return self.binary_units(at_least) / self.units

    @property
    def always_zero(self) -> int:
        """Number of units that were 0 for every sample."""
        return int(np.count_nonzero(self.zeros == self.count))

    @property
    def always_one(self) -> int:
        """Number of units that were 1 for every sample."""
        return int(np.count_nonzero(self.ones == self.count))

    @property
    def constant_units(self) -> int:
        """Number of units that never change from 0, or never from 1: they carry no information."""
        return self.always_zero + self.always_one

    def __add__(self, other: "LayerCensus") -> "LayerCensus":
        return LayerCensus(self.zeros + other.zeros, self.ones + other.ones, self.count + other.count)


def _counters(values: Any) -> Counts:
    try:
        array = np.asarray(values)
    except ValueError:
        raise _bad_counters("rows of different lengths") from None
    if array.dtype.kind not in "iu":
        raise _bad_counters(f"values of type {array.dtype}")
    counters = array.astype(np.int64)
    counters.flags.writeable = False
    return counters


def _bad_counters(found: str) -> UsageError:
    return UsageError(f"These are no counters of a census: {found}.", "Make a census with firebit.nn.census.")


@dataclass(frozen=True)
class Census:
    """The census of a network: one :class:`LayerCensus` per rectifier or step, in execution order.

    Attributes:
        layers: censuses by the module path of the rectifier.
    """

    layers: Mapping[str, LayerCensus]

    def __post_init__(self) -> None:
        if not self.layers:
            raise UsageError("A census needs at least one layer.", "Make a census with firebit.nn.census.")

    @property
    def units(self) -> int:
        """Number of units of all layers."""
        return sum(layer.units for layer in self.layers.values())

    @property
    def level(self) -> float:
        """Mean over all units of the share of samples at 0 or at 1."""
        return sum(layer.level * layer.units for layer in self.layers.values()) / self.units

    @property
    def ones_share(self) -> float:
        """Mean over all units of the share of samples at 1."""
        return sum(layer.ones_share * layer.units for layer in self.layers.values()) / self.units

    @property
    def constant_units(self) -> int:
        """Number of units of all layers that are always 0 or always 1."""
        return sum(layer.constant_units for layer in self.layers.values())

    def binary_share(self, at_least: float = 0.9) -> float:
        """Share of the units of all layers that are binary at least the share `at_least` of the time."""
        return sum(layer.binary_units(at_least) for layer in self.layers.values()) / self.units

    def __add__(self, other: "Census") -> "Census":
        _check_mergeable(_signature(self), _signature(other))
        return Census({name: layer + other.layers[name] for name, layer in self.layers.items()})

    def merge(self, other: "Census") -> "Census":
        """The census of both data sets together, exactly; the same as `self + other`.

        Raises:
            UsageError: the two differ in their layers or shapes.
        """
        return self + other

    def all_reduce(self) -> "Census":
        """The exact sum over all ranks of torch.distributed, on every rank; else itself.

        Every rank must call it, with a census of the same network.

        Raises:
            UsageError: the ranks differ in their layers or shapes.
        """
        distributed = torch.distributed
        if not (distributed.is_available() and distributed.is_initialized()):
            return self
        signatures: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(signatures, _signature(self))
        for signature in signatures:
            _check_mergeable(_signature(self), signature)
        layers = [self.layers[name] for name in sorted(self.layers)]
        parts = [(layer.zeros.ravel(), layer.ones.ravel(), [layer.count]) for layer in layers]
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        total = torch.from_numpy(np.concatenate(list(chain.from_iterable(parts)), dtype=np.int64)).to(device)
        distributed.all_reduce(total)
        return self._filled(total.cpu().numpy())

    def _filled(self, flat: Counts) -> "Census":
        layers = {}
        for name in sorted(self.layers):
            shape, units = self.layers[name].zeros.shape, self.layers[name].units
            zeros, ones, count, flat = np.split(flat, [units, 2 * units, 2 * units + 1])
            layers[name] = LayerCensus(zeros.reshape(shape), ones.reshape(shape), int(count[0]))
        return Census({name: layers[name] for name in self.layers})

    def to_dict(self, counters: bool = False) -> dict[str, Any]:
        """JSON-able figures per layer and over all units; `counters` adds every counter, as nested lists."""
        layers = {name: {**_figures(layer), "count": layer.count} for name, layer in self.layers.items()}
        if counters:
            for name, layer in self.layers.items():
                layers[name] |= {"zeros": layer.zeros.tolist(), "ones": layer.ones.tolist()}
        return {**_figures(self), "layers": layers}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Census":
        """The census that `to_dict(counters=True)` described.

        Raises:
            UsageError: the counters are missing or inconsistent.
        """
        try:
            found = {name: (layer["zeros"], layer["ones"], layer["count"]) for name, layer in values["layers"].items()}
        except (KeyError, TypeError, AttributeError):
            raise UsageError(
                "This record of a census has no counters.", "Write it with to_dict(counters=True)."
            ) from None
        if not all(type(count) is int for _, _, count in found.values()):
            raise _bad_counters("a count that is no integer")
        return cls({name: LayerCensus(*parts) for name, parts in found.items()})

    def table(self) -> Table:
        """A rich table: a row per layer and one for all units. Shares in per cent."""
        table = Table("layer", title="level of binarisation")
        for heading in ("units", "binary %", *(f"≥ {share:.1%}" for share in SHARES), "ones %", "constant"):
            table.add_column(heading, justify="right")
        for name, layer in self.layers.items():
            table.add_row(name, *_cells(layer))
        table.add_section()
        table.add_row("all", *_cells(self))
        return table


def _figures(part: LayerCensus | Census) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "units": part.units,
        "level": part.level,
        "binary_share": {str(share): part.binary_share(share) for share in SHARES},
        "ones_share": part.ones_share,
        "constant_units": part.constant_units,
    }
    if isinstance(part, LayerCensus):
        figures |= {
            "shape": list(part.zeros.shape),
            "always_zero": part.always_zero,
            "always_one": part.always_one,
        }
    return figures


def _cells(part: LayerCensus | Census) -> list[str]:
    shares = [part.level, *(part.binary_share(share) for share in SHARES), part.ones_share]
    return [f"{part.units:,}", *(f"{100 * share:.1f}" for share in shares), f"{part.constant_units:,}"]


def _signature(census: Census) -> dict[str, tuple[int, ...]]:
    return {name: layer.zeros.shape for name, layer in census.layers.items()}


def _check_mergeable(mine: dict[str, tuple[int, ...]], other: dict[str, tuple[int, ...]]) -> None:
    for name in (*mine, *other):
        if mine.get(name) != other.get(name):
            raise UsageError(
                f"Two censuses differ at layer {name!r}: {mine.get(name)} and {other.get(name)}.",
                "Merge only censuses of the same network on pictures of the same size.",
            )
