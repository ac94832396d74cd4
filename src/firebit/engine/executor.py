"""What computes a plan: native code where it is built, the NumPy reference where not. The same numbers either way."""

import os
from collections.abc import Sequence
from math import prod
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from firebit.engine import native, reference
from firebit.engine.plan import INPUT, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.term import Shape, Term
from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.engine import _native

Pixels = NDArray[np.uint8]

MOST_THREADS = 1024
"""The most threads that a network runs on."""

_NO_NUMBERS = np.zeros(0, np.int32)


class Executor(Protocol):
    """Computes what a plan says of pictures, uint8 (N, *plan.input.shape) in C order.

    Attributes:
        threads: how many a call may use.
        is_bounded: whether a call takes no memory for every picture but its result.
    """

    threads: int
    is_bounded: bool

    def logits(self, pictures: Pixels) -> NDArray[np.float64]:
        """Logits float64 (N, classes)."""

    def bits(self, pictures: Pixels, name: str) -> Pixels:
        """What fires in a layer: uint8 (N, *units) of 0 and 1."""

    def codes(self, pictures: Pixels, name: str) -> Pixels:
        """The same packed: uint8 (N, ⌈units / 8⌉)."""

    def sums(self, pictures: Pixels, name: str) -> NDArray[np.int32]:
        """The sums of a layer before its step, int32 (N, *units)."""


def executor(plan: Plan, threads: int | None = None) -> Executor:
    """The best there is on this machine.

    Args:
        plan: what to compute.
        threads: how many to use, 1 … :data:`MOST_THREADS`; None: as many as there are cores for this process.

    Raises:
        UsageError: `threads` is no such number, or ``FIREBIT_ISA`` names an instruction set that cannot run here.
    """
    count = _threads(threads)
    chosen = native.instruction_set()
    if chosen == "numpy":
        return ReferenceExecutor(plan)
    return NativeExecutor(plan, chosen, count)


def _threads(wanted: int | None) -> int:
    if wanted is None:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(usable, MOST_THREADS)
    whole = isinstance(wanted, int | np.integer) and not isinstance(wanted, bool)
    if not whole or not 1 <= wanted <= MOST_THREADS:
        raise UsageError(
            f"threads={wanted!r} is not a number of threads.",
            f"Give a whole number from 1 to {MOST_THREADS}, or None for all cores.",
        )
    return int(wanted)


class ReferenceExecutor:
    """The reference, on NumPy: on one thread, but for what its matrix products use.

    Args:
        plan: what to compute.
    """

    threads = 1
    is_bounded = False

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def logits(self, pictures: Pixels) -> NDArray[np.float64]:
        """See :class:`Executor`."""
        return reference.logits(self._plan, pictures)

    def bits(self, pictures: Pixels, name: str) -> Pixels:
        """See :class:`Executor`."""
        return self._state(pictures, name).bits

    def codes(self, pictures: Pixels, name: str) -> Pixels:
        """See :class:`Executor`."""
        bits = self._state(pictures, name).bits
        return np.packbits(bits.reshape(len(pictures), prod(bits.shape[1:])), axis=1, bitorder="little")

    def sums(self, pictures: Pixels, name: str) -> NDArray[np.int32]:
        """See :class:`Executor`."""
        return self._state(pictures, name).sums

    def _state(self, pictures: Pixels, name: str) -> reference.State:
        """The layer of that name at work; later layers are not computed."""
        return next(state for state in reference.states(self._plan, pictures) if state.layer.name == name)


class NativeExecutor:
    """Native code: memory is planned here, calls allocate nothing but their results.

    Args:
        plan: what to compute.
        instruction_set: one of :func:`firebit.engine.native.instruction_sets` but "numpy".
        threads: how many a call may use.

    Attributes:
        methods: how the terms of every layer are computed, the logits' under their name: "lookup" (tables of 16 bytes),
            "lines" (the same, where taps of one column share what they see), "wide" (tables of 64 bytes), "popcount"
            (weights of ±1), "tabled" (tables of 32 bits, made on the fly), "bytes" and "product" (of bytes, of 16
            bits), "winograd" (fewer of these), "dot", "shortcut" or "scalar".
        value_bytes: what holds the activations of one picture; those that nobody reads any more are overwritten.
    """

    is_bounded = True

    def __init__(self, plan: Plan, instruction_set: str, threads: int) -> None:
        module = native.module()
        self.threads = threads
        self._classes = 0 if plan.logits is None else len(plan.logits.bias)
        self._units = {layer.name: plan.sums[layer.name] for layer in plan.layers}
        self._index = {name: index for index, name in enumerate(self._units)}
        sources = {INPUT: 0} | {name: index + 1 for name, index in self._index.items()}
        self._engine = module.Engine(
            instruction_set,
            threads,
            _three(plan.input.shape),
            np.array(plan.input.pad, np.uint8),
            [_record(module, plan, made, sources) for made in plan.sums_made],
        )
        names = [made.name for made in plan.sums_made]
        self.methods = {name: tuple(found) for name, found in zip(names, self._engine.methods(), strict=True)}
        self.value_bytes = self._engine.value_bytes

    def logits(self, pictures: Pixels) -> NDArray[np.float64]:
        """See :class:`Executor`."""
        out = np.empty((len(pictures), self._classes), np.float64)
        self._engine.logits(pictures, out)
        return out

    def bits(self, pictures: Pixels, name: str) -> Pixels:
        """See :class:`Executor`."""
        out = np.empty((len(pictures), *self._units[name]), np.uint8)
        self._engine.bits(pictures, self._index[name], out)
        return out

    def codes(self, pictures: Pixels, name: str) -> Pixels:
        """See :class:`Executor`."""
        out = np.empty((len(pictures), -(-prod(self._units[name]) // 8)), np.uint8)
        self._engine.codes(pictures, self._index[name], out)
        return out

    def sums(self, pictures: Pixels, name: str) -> NDArray[np.int32]:
        """See :class:`Executor`."""
        out = np.empty((len(pictures), *self._units[name]), np.int32)
        self._engine.sums(pictures, self._index[name], out)
        return out


def _record(module: ModuleType, plan: Plan, made: Layer | Logits, sources: dict[str, int]) -> "_native.Layer":
    terms = [_term(module, plan, term, sources[term.source]) for term in made.terms]
    if isinstance(made, Logits):
        last: _native.Layer = module.logits(terms, made.scale, np.ascontiguousarray(made.bias))
        return last
    windows = reference.window_map(plan, made)
    hidden: _native.Layer = module.layer(
        terms,
        np.ascontiguousarray(made.threshold),
        np.ascontiguousarray(made.direction),
        windows.astype(np.int32) if windows.ndim else np.zeros(0, np.int32),
        None if made.post is None else _pool(module, made.post, plan.sums[made.name]),
        plan.values[made.name].largest,
    )
    return hidden


def _term(module: ModuleType, plan: Plan, term: Term, source: int) -> "_native.Term":
    shape = plan.values[term.source].shape
    pool = None if term.pool is None else _pool(module, term.pool, term.sums(shape))
    weights = np.ascontiguousarray(term.weights)
    if term.is_shortcut:
        added: _native.Term = module.shortcut(source, weights, pool)
        return added
    if not term.is_convolution:
        # A linear layer is a convolution that sees the whole map at once.
        weights = weights.reshape(len(weights), *_three(shape))
    tables = term.tables
    weighted: _native.Term = module.weighted(
        *(source, weights, term.stride, term.padding, term.dilation, term.groups, pool),
        *((_NO_NUMBERS, 0) if tables is None else (np.ascontiguousarray(tables.multipliers), tables.chunk)),
    )
    return weighted


def _pool(module: ModuleType, pool: Pool, shape: Shape) -> "_native.Pool":
    height, width = shape[1:]
    factors = _NO_NUMBERS
    if pool.kind == "mean":
        cells = pool.cells(height, width, count_padding=pool.count_padding)
        factors = np.ascontiguousarray(pool.multiple(height, width) // cells, np.int32)
    made: _native.Pool = module.pool(
        pool.kind, (*pool.kernel, *pool.stride, *pool.padding, *pool.output(height, width)), factors
    )
    return made


def _three(shape: Sequence[int]) -> tuple[int, ...]:
    """A vector as a map of one cell."""
    return (*shape, 1, 1)[:3]
