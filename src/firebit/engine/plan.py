"""The plan: what a compiled network computes, in integers, checked when it is made.

Every hidden value is a bit, or a count of bits. A layer adds up terms (weights times the values of an earlier layer, or
those values themselves), compares the sum with a threshold per channel, and may pool the bits:

    s = Σ pool(weights ∗ values)        in int32, proven not to overflow
    bit = s ≥ threshold (direction +1), s ≤ threshold (−1), 1 (0)
    value = post-pool(bit)

The logits are scale · s + bias of a last sum.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import isfinite, prod
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from firebit.engine.check import (
    LARGEST_SUM,
    LONGEST_NAME,
    LONGEST_SIDE,
    MOST_CELLS,
    MOST_LAYERS,
    MOST_TERMS,
    MOST_VALUES,
    MOST_WORK,
    check,
    is_count,
    is_name,
)
from firebit.engine.pool import Pool
from firebit.engine.term import Shape, Term, pooled_cells
from firebit.errors import ModelFileError

INPUT = "input"
PRECISIONS = ("exact", "fast")

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Layer:
    """A hidden layer: a sum, a step, and what is done with its bits.

    Attributes:
        name: the module path of the step, the same in census, codes and reports.
        terms: what is added up.
        threshold: int32 (K, C). K is 1, or the number of window classes (:meth:`firebit.engine.pool.Pool.windows`) of
            the one pooled term, where windows at the border cover fewer cells.
        direction: int8 (C,): +1 fires iff s ≥ threshold, −1 iff s ≤ threshold, 0 always.
        post: pooling of the bits: "max" gives bits, "sum" and "mean" give counts.
    """

    name: str
    terms: tuple[Term, ...]
    threshold: NDArray[np.int32]
    direction: NDArray[np.int8]
    post: Pool | None = None

    def __post_init__(self) -> None:
        with_name(self.name, self._check)

    def _check(self) -> None:
        _check_terms(self.terms)
        channels = self.terms[0].channels
        check(self.threshold.ndim == 2 and len(self.threshold) > 0, "thresholds are no matrix")
        check(self.threshold.dtype == np.int32, f"thresholds are {self.threshold.dtype}")
        check(self.direction.dtype == np.int8, f"directions are {self.direction.dtype}")
        fits = self.threshold.shape[1:] == self.direction.shape == (channels,)
        check(fits, f"{channels} channels have {self.threshold.shape} thresholds and {self.direction.shape} directions")
        check(bool((np.abs(self.direction.astype(int)) <= 1).all()), "a direction is none of -1, 0, +1")

    @property
    def channels(self) -> int:
        """Channels of the layer."""
        return len(self.direction)


@dataclass(frozen=True, eq=False)
class Logits:
    """The last sum, and what makes real numbers of it.

    Attributes:
        name: the module path of the last layer.
        terms: what is added up.
        scale: one positive factor for all classes.
        bias: float64 (classes,). logits = scale · s + bias, in float64.
    """

    name: str
    terms: tuple[Term, ...]
    scale: float
    bias: NDArray[np.float64]

    def __post_init__(self) -> None:
        with_name(self.name, self._check)

    def _check(self) -> None:
        _check_terms(self.terms)
        check(type(self.scale) is float and isfinite(self.scale) and self.scale > 0, f"the scale is {self.scale!r}")
        check(self.bias.dtype == np.float64 and self.bias.ndim == 1, "the bias is no vector of float64")
        check(bool(np.isfinite(self.bias).all()), "a bias is not finite")
        check(len(self.bias) == self.terms[0].channels, f"{self.terms[0].channels} sums have {len(self.bias)} biases")


@dataclass(frozen=True)
class Input:
    """What the network sees.

    Attributes:
        shape: (C, H, W) of a picture, or (F,): uint8.
        pad: the value of padding cells per channel, 0 … 255: what is 0 to the network before its pixels are scaled.
    """

    shape: Shape
    pad: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check(isinstance(self.shape, tuple) and len(self.shape) in (1, 3), f"pictures have the shape {self.shape}")
        check(all(is_count(n, 1) for n in self.shape), f"pictures have the shape {self.shape}")
        check(prod(self.shape) <= MOST_CELLS, f"pictures of {self.shape} are too large")
        check(max(self.shape[1:], default=1) <= LONGEST_SIDE, f"pictures of {self.shape} are too large")
        object.__setattr__(self, "pad", self.pad or (0,) * self.shape[0])
        good = isinstance(self.pad, tuple) and all(type(n) is int and 0 <= n <= 255 for n in self.pad)
        check(good and len(self.pad) == self.shape[0], f"pad values are not {self.shape[0]} numbers of 0 … 255")


@dataclass(frozen=True)
class Value:
    """What a source holds: integers of this shape, none of them over `largest`, and none below 0."""

    shape: Shape
    largest: int


@dataclass(frozen=True, eq=False)
class Plan:
    """A network as integers: what :func:`firebit.compile` makes and :func:`firebit.load` runs.

    Checked as a whole when it is made: every source comes before its reader, all shapes agree, and no sum can leave
    −(2³¹−2) … 2³¹−2.

    Attributes:
        input: what the network sees.
        layers: hidden layers, each after its sources.
        logits: the last sum, or None for an encoder, whose last layer is its output.
        classes: names of the classes, as many as logits; or none.
        precision: "exact": every sum is that of its weights. "fast": convolutions over bits may have quantised tables.

    Raises:
        ModelFileError: something of that does not hold; the layer is named.
    """

    input: Input
    layers: tuple[Layer, ...]
    logits: Logits | None = None
    classes: tuple[str, ...] = ()
    precision: str = "exact"
    values: dict[str, Value] = field(init=False)
    sums: dict[str, Shape] = field(init=False)
    bounds: dict[str, NDArray[np.int64]] = field(init=False)

    def __post_init__(self) -> None:
        check(self.precision in PRECISIONS, f"the precision is {self.precision!r}")
        check(len(self.layers) > 0, "there is no layer with bits")
        check(len(self.layers) <= MOST_LAYERS, f"{len(self.layers)} layers are too many")
        object.__setattr__(self, "values", {INPUT: Value(self.input.shape, 255)})
        object.__setattr__(self, "sums", {})
        object.__setattr__(self, "bounds", {})
        for layer in self.layers:
            with_name(layer.name, partial(self._add, layer))
        if self.logits is not None:
            logits = self.logits
            with_name(logits.name, partial(self._close, logits))
        self._check_classes()
        self._check_size()

    def _check_size(self) -> None:
        held = sum(prod(value.shape) for value in self.values.values())
        check(held <= MOST_VALUES, f"its layers have {held:,} values together, too many")
        done = sum(term.work(self.values[term.source].shape) for made in self.sums_made for term in made.terms)
        done += sum(pooled_cells(layer.post, self.values[layer.name].shape) for layer in self.layers)
        check(done <= MOST_WORK, f"a picture takes {done:.4g} multiply-accumulates, too many")

    def _check_classes(self) -> None:
        check(all(is_name(name) for name in self.classes), "a class has no proper name")
        check(len(set(self.classes)) == len(self.classes), "two classes have one name")
        count = 0 if self.logits is None else len(self.logits.bias)
        check(len(self.classes) in (0, count), f"{len(self.classes)} classes have {count} logits")

    def _add(self, layer: Layer) -> None:
        shape = self._sum(layer.name, layer.terms)
        kinds = self._window_classes(layer)
        check(len(layer.threshold) in (1, kinds), f"{len(layer.threshold)} rows of thresholds for {kinds} of windows")
        far = np.abs(layer.threshold.astype(np.int64)) > self.bounds[layer.name] + 1
        check(not far.any(), "a threshold is out of the range of its sums")
        value = Value(shape, 1)
        if layer.post is not None:
            value = Value(layer.post.shape(shape), layer.post.most(*shape[1:]))
        self.values[layer.name] = value

    def _window_classes(self, layer: Layer) -> int:
        term = pooled_term(layer)
        if term is None or term.pool is None:
            return 1
        return len(term.pool.windows(*term.sums(self.values[term.source].shape)[1:]))

    def _close(self, logits: Logits) -> None:
        shape = self._sum(logits.name, logits.terms)
        check(prod(shape) == len(logits.bias), f"logits have the shape {shape}")
        reach = logits.scale * float(self.bounds[logits.name].max()) + float(np.abs(logits.bias).max())
        # Twice, for the difference of two logits.
        check(isfinite(2 * reach), f"its logits reach {reach:.4g}, over 64-bit floating point")

    def _sum(self, name: str, terms: tuple[Term, ...]) -> Shape:
        """Check a sum, keep its shape and bounds, and return the shape."""
        check(is_name(name), "it has no proper name")
        check(name not in self.values and name not in self.sums, "two layers have this name")
        shapes, bound, cells = [], np.zeros(terms[0].channels), 0
        for term in terms:
            check(term.source in self.values, f"its source {str(term.source)[:LONGEST_NAME]!r} is no earlier layer")
            source = self.values[term.source]
            if term.tables is not None:
                check(self.precision == "fast", f"tables are quantised where the precision is {self.precision!r}")
                check(term.source != INPUT and source.largest == 1, f"tables read {term.source!r}, which has no bits")
            shapes.append(term.output(source.shape))
            check(shapes[-1] == shapes[0], f"what it adds up has the shapes {shapes[0]} and {shapes[-1]}")
            cells += prod(term.sums(source.shape))
            check(cells <= MOST_CELLS, f"its {len(terms)} terms have too many sums")
            bound = bound + term.bound(source.shape, source.largest)
        check(float(bound.max()) <= LARGEST_SUM, f"its sums reach {bound.max():.4g}, over 31 bits")
        self.sums[name] = shapes[0]
        self.bounds[name] = bound.astype(np.int64)
        return shapes[0]

    def layer(self, name: str) -> Layer:
        """The hidden layer of that name.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    @property
    def sums_made(self) -> tuple[Layer | Logits, ...]:
        """Everything that adds up: the hidden layers, and the logits where there are some."""
        return self.layers if self.logits is None else (*self.layers, self.logits)

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything that decides bits: weights, thresholds, structure, preprocessing. 64 hex digits.

        Names of classes have no part in it.
        """
        from firebit.engine.record import fingerprint, tensors

        return fingerprint(self, tensors(self))

    def save(self, path: str | Path) -> None:
        """Write the plan as one file, atomically.

        Raises:
            UsageError: the folder cannot be written.
            FirebitError: the disk is full; an old file is untouched.
        """
        from firebit.engine.record import save

        save(self, Path(path))


def pooled_term(layer: Layer) -> Term | None:
    """The one term of a layer whose sums are pooled; None where no term is, or several are."""
    pooled = [term for term in layer.terms if term.pool is not None]
    return pooled[0] if len(pooled) == 1 else None


def _check_terms(terms: tuple[Term, ...]) -> None:
    check(0 < len(terms) <= MOST_TERMS, f"it adds up {len(terms)} terms")


def with_name(name: object, action: Callable[[], Result]) -> Result:
    """Do something with a layer, and name the layer in what is refused."""
    try:
        return action()
    except ModelFileError as error:
        place = f"layer {str(name)[:LONGEST_NAME]!r}: "
        before, text = error.problem.split(": ", 1)
        raise ModelFileError(f"{before}: {place}{text}", error.remedy) from error
