"""Native code against the reference, bit for bit, on every instruction set: drawn layers, small plans."""

from dataclasses import replace
from math import gcd

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firebit.engine import native, reference
from firebit.engine.executor import NativeExecutor
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.tables import Tables, chunk_sums, spans
from firebit.engine.term import Term
from firebit.errors import ModelFileError

BUILT = native.instruction_sets()[:-1]
FEW, MANY = 60, 10_000

needs_native = pytest.mark.skipif(not BUILT, reason="no native code is built")


def pictures(plan: Plan, count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *plan.input.shape), np.uint8)


def check(plan: Plan, count: int, threads: int = 1, seed: int = 0) -> set[str]:
    """Sums, bits, codes and logits of every layer equal those of the reference, on every instruction set.

    Returns:
        How the layers were computed.
    """
    used: set[str] = set()
    seen = pictures(plan, count, seed)
    walk = reference.Walk(plan, seen)
    expected = list(walk.states())
    logits = None if plan.logits is None else walk.logits()
    for name in BUILT:
        found = NativeExecutor(plan, name, threads)
        for state in expected:
            layer, bits = state.layer.name, state.bits
            where = (name, layer, found.methods[layer])
            assert np.array_equal(found.bits(seen, layer), bits), where
            assert np.array_equal(found.sums(seen, layer), state.sums), where
            packed = np.packbits(bits.reshape(count, -1), axis=1, bitorder="little")
            assert np.array_equal(found.codes(seen, layer), packed), where
        if logits is not None:
            assert np.array_equal(found.logits(seen), logits), name
        used.update(*found.methods.values())
    return used


def whole(random: np.random.Generator, largest: int, shape: tuple[int, ...]) -> NDArray[np.int16]:
    return random.integers(-largest, largest, shape, endpoint=True).astype(np.int16)


def signs(weights: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.where(weights > 0, np.int16(1), np.int16(-1))


def sides(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


@st.composite
def pools(draw: st.DrawFn, kinds: tuple[str, ...]) -> Pool:
    kernel = draw(sides(1, 3))
    padding = (draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2)))
    flags = draw(st.booleans()), draw(st.booleans())
    return Pool(draw(st.sampled_from(kinds)), kernel, draw(sides(1, 3)), padding, *flags)


def firing(channels: int, post: Pool | None = None) -> Layer:
    """Bits of pixels, each on its own: about half of them fire."""
    term = Term("input", np.ones((channels, 1, 1, 1), np.int16), groups=channels)
    return Layer("seen", (term,), np.full((1, channels), 128, np.int32), np.ones(channels, np.int8), post)


@st.composite
def convolutions(draw: st.DrawFn, source: str, channels: int, largest: int) -> Term:
    groups = draw(st.sampled_from([count for count in (1, 1, 2, 3, channels) if channels % count == 0]))
    outputs = groups * draw(st.integers(1, 40 if groups == 1 else 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    weights = whole(random, largest, (outputs, channels // groups, *draw(sides(1, 5))))
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    return Term(source, weights, draw(sides(1, 4)), padding, draw(sides(1, 2)), groups)


@st.composite
def rows_of_five(draw: st.DrawFn, channels: int, size: tuple[int, int]) -> Term:
    """A convolution of pixels that an instruction set may compute in Winograd's way: at some sizes it may not."""
    outputs, height = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    weights = whole(random, draw(st.sampled_from([1057, 1057, 200, 32_767])), (outputs, channels, height, 5))
    # Padded to whole fours of columns, and to rows that make whole slices of 64 places of them.
    top, left = draw(sides(0, 3))
    across = 4 * max(1, -(-(size[1] + left - 4) // 4))
    rows = 64 // gcd(64, across)
    down = rows * max(1, -(-(size[0] + top - height + 1) // rows))
    padding = (top, down + height - 1 - size[0] - top, left, across + 4 - size[1] - left)
    return Term("input", weights, padding=padding)


@st.composite
def as_wide(draw: st.DrawFn, source: str, channels: int, size: tuple[int, int]) -> Term:
    """A convolution whose map is as wide as its source, and a multiple of 64 places: mostly one that can have lines."""
    kernel, dilation = draw(sides(1, 5)), draw(sides(1, 2))
    reach = [step * (side - 1) for step, side in zip(dilation, kernel, strict=True)]
    groups = draw(st.sampled_from([count for count in (1, 1, 2, 4) if channels % count == 0]))
    outputs, largest = groups * draw(st.integers(1, 40 // groups)), draw(st.sampled_from([1, 3, 20, 60, 250]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    weights = whole(random, largest, (outputs, channels // groups, *kernel))
    top, left, rows = draw(st.integers(0, 3)), draw(st.integers(0, reach[1])), 64 // gcd(64, size[1])
    down = rows * max(1, -(-(size[0] + top - reach[0]) // rows)) * draw(st.sampled_from([1, 1, 1, 2, 4]))
    padding = (top, down + reach[0] - size[0] - top, left, reach[1] - left)
    return Term(source, weights, (1, 1), padding, dilation, groups)


@st.composite
def some_tables(draw: st.DrawFn, weights: NDArray[np.int16]) -> Tables:
    """Tables of any chunk whose entries come near their bounds."""
    chunk, share = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 64])), draw(st.floats(0.1, 0.95))
    found = spans(weights)
    room = np.minimum(255 / np.maximum(chunk_sums(found, chunk).max(1), 1), 65_535 / np.maximum(found.sum(1), 1))
    return Tables(np.clip(room * share * 2**24, 1, 2**24).astype(np.int32), chunk)


def made_terms(draw: st.DrawFn, kind: str, source: str, shape: tuple[int, ...], largest: int) -> tuple[Term, ...]:
    """The terms of the layer that is tested."""
    random, channels = np.random.default_rng(draw(st.integers(0, 2**32))), shape[0]
    if kind.endswith("dot"):
        weights = whole(random, largest, (draw(st.integers(1, 30)), int(np.prod(shape))))
        weights = signs(weights) if kind in SIGNS else weights
        return (Term(source, weights.astype(np.int8) if largest <= 127 and draw(st.booleans()) else weights),)
    if kind == "terms":
        # A block of a residual net, with or without a projection.
        plain = Term(source, whole(random, 9, (channels, channels, 3, 3)), padding=(1, 1, 1, 1))
        added = Term(source, random.integers(-99, 99, channels).astype(np.int32))
        projected = Term(source, whole(random, largest, (channels, channels, 1, 1)))
        return (plain, added, projected) if draw(st.booleans()) else (plain, added)
    if kind == "winograd":
        term = draw(rows_of_five(channels, (shape[1], shape[2])))
        return (replace(term, pool=draw(st.none() | pools(("max", "sum")))),)
    if kind == "lines":
        term = draw(as_wide(source, channels, (shape[1], shape[2])))
        tables = draw(some_tables(term.weights)) if draw(st.booleans()) else None
        return (replace(term, tables=tables, pool=draw(st.none() | pools(("max", "sum")))),)
    term = draw(convolutions(source, channels, largest))
    if kind in SIGNS:
        return (replace(term, weights=signs(term.weights)),)
    if kind == "fast":
        term = replace(term, tables=draw(some_tables(term.weights)), pool=draw(st.none() | pools(("max", "sum"))))
        return (term,)
    return (replace(term, pool=draw(pools(("max", "sum")))),) if kind == "pooled" else (term,)


def made_layer(draw: st.DrawFn, kind: str, terms: tuple[Term, ...], shape: tuple[int, ...]) -> Layer:
    """A layer of these terms whose thresholds lie among its sums, behind a source of that shape."""
    random, first = np.random.default_rng(draw(st.integers(0, 2**32))), terms[0]
    rows = 1
    if kind == "pooled" and first.pool is not None and draw(st.booleans()):
        rows = len(first.pool.windows(*first.sums(shape)[1:]))
    if first.tables is None:
        reach = int(np.abs(first.weights).sum()) // first.channels
        least = -reach
    else:
        reach, least = int(first.tables.most(first.weights.astype(np.int16)).sum(1).min()), 0
    threshold = random.integers(least, reach, (rows, first.channels), endpoint=True).astype(np.int32)
    direction = random.choice(np.array([1, 1, 1, -1, -1, 0], np.int8), first.channels)
    post = draw(pools(("max", "sum", "mean"))) if not kind.endswith("dot") and draw(st.booleans()) else None
    return Layer("made", terms, threshold, direction, post)


@st.composite
def plans(draw: st.DrawFn, kind: str) -> Plan:
    """A layer of a kind, and logits that see it whole."""
    channels, size = (
        (draw(st.integers(1, 70)), draw(sides(1, 4)))
        if kind.endswith("dot")
        else (
            draw(st.integers(1, 13)),
            draw(sides(1, 19)),
        )
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    large = kind in ("tabled", "product", "fast") or (kind != "bytes" and draw(st.booleans()))
    largest = 32_767 if large else draw(st.sampled_from([1, 3, 20, 64, 127]))
    post = draw(pools(("sum", "mean"))) if kind == "counts" else None
    if kind == "scalar":
        # Counts over a byte.
        size, post = (17, 18), Pool("sum", (16, 17), (1, 1))
    if kind == "winograd":
        channels, size = 1 + channels % 4, draw(sides(1, 36))
    if kind == "lines":
        channels, size = (
            draw(st.integers(1, 60)),
            (draw(st.integers(1, 20)), draw(st.sampled_from([2, 4, 6, 8, 16, 32, 64]))),
        )
    layers = () if kind in ("product", "winograd", "bytes") else (firing(channels, post),)
    try:
        shape = (channels, *size) if post is None else post.shape((channels, *size))
        terms = made_terms(draw, kind, layers[0].name if layers else "input", shape, largest)
        seen = Input((channels, *size), tuple(random.integers(0, 256, channels).tolist()))
        precision = "fast" if any(term.tables is not None for term in terms) else "exact"
        plan = Plan(seen, (*layers, made_layer(draw, kind, terms, shape)), precision=precision)
        weights = whole(random, 999, (3, int(np.prod(plan.values["made"].shape))))
        last = Logits("last", (Term("made", weights),), 0.37, np.array([0.1, -0.2, 1e-3]))
        return Plan(seen, plan.layers, last, precision=precision)
    except ModelFileError:
        # A window or kernel larger than its map, or sums too large.
        reject()


SIGNS = ("signs", "sign dot")
METHODS = {
    **{name: name for name in ("product", "winograd", "bytes", "lookup", "lines", "tabled", "scalar", "dot")},
    **{"signs": "popcount", "sign dot": "dot"},
}
"""What some kinds are there for: at least one instruction set must compute one of their layers that way."""

KINDS = (*METHODS, "counts", "pooled", "terms", "fast")


def drawn(kind: str, examples: int) -> None:
    used: set[str] = set()

    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=examples, database=None)
    @given(plans(kind), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
    def run(plan: Plan, count: int, threads: int, seed: int) -> None:
        used.update(check(plan, count, threads, seed))

    run()
    assert kind not in METHODS or METHODS[kind] in used, used


@needs_native
@pytest.mark.parametrize("kind", KINDS)
def test_drawn_layers(kind: str) -> None:
    drawn(kind, FEW)


@needs_native
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_drawn_layers(kind: str) -> None:
    drawn(kind, MANY)


@needs_native
@pytest.mark.parametrize("inputs", [64, 130])
@pytest.mark.parametrize("largest", [9, 21, 40])
def test_more_groups_than_are_looked_up_at_once(inputs: int, largest: int) -> None:
    """Several blocks of 128 groups, in orders of their own where `largest` asks for it, and an odd number of slices."""
    random = np.random.default_rng(largest)
    term = Term("seen", whole(random, largest, (12, inputs, 3, 3)), padding=(1, 1, 1, 1))
    limits = random.integers(-300, 300, (1, 12)).astype(np.int32)
    directions = random.choice(np.array([1, -1], np.int8), 12)
    check(Plan(Input((inputs, 13, 11)), (firing(inputs), Layer("made", (term,), limits, directions))), 3, threads=2)


@needs_native
@pytest.mark.parametrize("outputs", [1, 2, 3, 50])
@pytest.mark.parametrize("largest", [1, 20, 32_767])
def test_bits_of_absent_channels_are_not_seen_by_the_next_layer(outputs: int, largest: int) -> None:
    """Channels that are no whole nibbles, of every kind of weights, before every kind of weights."""
    random = np.random.default_rng(outputs)

    def some(most: int, *shape: int) -> NDArray[np.int16]:
        return signs(whole(random, 9, shape)) if most == 1 else whole(random, most, shape)

    def made(name: str, term: Term, units: int) -> Layer:
        return Layer(name, (term,), random.integers(-9, 9, (1, units)).astype(np.int32), np.ones(units, np.int8))

    first = made("first", Term("seen", some(largest, outputs, 5, 3, 3), padding=(1, 1, 1, 1)), outputs)
    for most in (1, 20, 32_767):
        mapped = made("mapped", Term("first", some(most, 7, outputs, 3, 3), padding=(1, 1, 1, 1)), 7)
        linear = made("linear", Term("mapped", some(most, 9, 7 * 64)), 9)
        whole_map = made("whole", Term("first", some(most, 9, outputs * 64)), 9)
        check(Plan(Input((5, 8, 8)), (firing(5), first, mapped, linear, whole_map)), 3)


@needs_native
@pytest.mark.parametrize("outputs", [1, 70, 4096, 4171])
def test_rows_of_many_outputs(outputs: int) -> None:
    """More than one page of outputs, more than one segment of bits, the last ones with absent channels."""
    random = np.random.default_rng(outputs)
    weights = whole(random, 127, (outputs, 130 * 6))
    for threads, kind in ((1, np.int16), (3, np.int8)):
        term = Term("seen", weights.astype(kind))
        layer = Layer("made", (term,), np.zeros((1, outputs), np.int32), np.ones(outputs, np.int8))
        check(Plan(Input((130, 2, 3)), (firing(130), layer)), 18, threads)


@needs_native
@pytest.mark.parametrize("post", [None, Pool("sum", (2, 2), (2, 2)), Pool("sum", (17, 16), (1, 1))])
def test_linear_layers_with_weights_of_a_byte_over_pixels_and_counts(post: Pool | None) -> None:
    random = np.random.default_rng(0)
    layers = () if post is None else (firing(3, post),)
    seen = Input((3, 18, 17))
    shape = seen.shape if post is None else post.shape(seen.shape)
    term = Term(layers[0].name if layers else "input", whole(random, 127, (7, int(np.prod(shape)))).astype(np.int8))
    check(Plan(seen, (*layers, Layer("made", (term,), np.zeros((1, 7), np.int32), np.ones(7, np.int8)))), 5)


@needs_native
def test_small_plans_of_every_field(plan: Plan) -> None:
    for threads in (1, 3):
        check(plan, 37, threads)
