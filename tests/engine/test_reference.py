"""What a plan means: against torch in float64 on plans of every kind, against arithmetic by hand, and at its bounds."""

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from firebit.engine import reference
from firebit.engine.plan import INPUT, Input, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.term import Term

LARGEST = 2**31 - 2

# An independent meaning of plans: torch in float64, nothing shared with the package but the records.


def torch_states(plan: Plan, pictures: NDArray[np.uint8]) -> tuple[list[tuple[Tensor, Tensor]], Tensor | None]:
    """Sums and bits of every hidden layer, and the logits, all float64."""
    values = {INPUT: torch.from_numpy(pictures.astype(np.float64))}
    found = []
    for layer in plan.layers:
        s = torch_sums(plan, layer.terms, values)
        bits = torch_fires(plan, layer, s, values)
        found.append((s, bits))
        values[layer.name] = bits if layer.post is None else torch_pooled(bits, layer.post)
    if plan.logits is None:
        return found, None
    last = torch_sums(plan, plan.logits.terms, values).flatten(1)
    return found, last * plan.logits.scale + torch.from_numpy(plan.logits.bias)


def torch_sums(plan: Plan, terms: tuple[Term, ...], values: dict[str, Tensor]) -> Tensor:
    return sum(
        (torch_term(plan, term, values[term.source]) for term in terms), start=torch.zeros((), dtype=torch.double)
    )


def torch_term(plan: Plan, term: Term, x: Tensor) -> Tensor:
    s = unpooled(plan, term, x)
    return s if term.pool is None else torch_pooled(s, term.pool)


def unpooled(plan: Plan, term: Term, x: Tensor) -> Tensor:
    weights = torch.from_numpy(term.weights.astype(np.float64))
    if term.is_shortcut:
        return torch.einsum("nc...,c->nc...", x, weights)
    if not term.is_convolution:
        return F.linear(x.flatten(1), weights)
    # Shifted by the pad value, the padding is torch's zeros.
    pad = torch.tensor(plan.input.pad, dtype=torch.double)[:, None, None] if term.source == INPUT else 0
    top, bottom, left, right = term.padding
    whole = F.pad(x - pad, (left, right, top, bottom)) + pad
    return F.conv2d(whole, weights, stride=term.stride, dilation=term.dilation, groups=term.groups)


def torch_pooled(x: Tensor, pool: Pool) -> Tensor:
    geometry = {"stride": pool.stride, "padding": pool.padding, "ceil_mode": pool.ceil}
    if pool.kind == "max":
        return F.max_pool2d(x, pool.kernel, **geometry)
    if pool.kind == "sum":
        return F.avg_pool2d(x, pool.kernel, **geometry, divisor_override=1)
    _, divisors = window_cells(pool, *x.shape[2:], count_padding=pool.count_padding)
    mean = F.avg_pool2d(x, pool.kernel, **geometry, count_include_pad=pool.count_padding)
    return torch.round(mean * math.lcm(*divisors.flatten().tolist()))


def window_cells(pool: Pool, height: int, width: int, count_padding: bool) -> tuple[Tensor, Tensor]:
    """Cells of the map under every window (H', W'), and what torch divides by in an average."""
    ones = torch.ones(1, 1, height, width, dtype=torch.double)
    geometry = {"stride": pool.stride, "padding": pool.padding, "ceil_mode": pool.ceil}
    covered = F.avg_pool2d(ones, pool.kernel, **geometry, divisor_override=1)
    mean = F.avg_pool2d(ones, pool.kernel, **geometry, count_include_pad=count_padding)
    return covered[0, 0].round().long(), (covered / mean)[0, 0].round().long()


def window_classes(pool: Pool, height: int, width: int) -> tuple[list[tuple[int, int]], Tensor]:
    """The classes of window in ascending order, and the class of each window (H', W')."""
    covered, with_padding = window_cells(pool, height, width, count_padding=True)
    pairs = list(zip(covered.flatten().tolist(), with_padding.flatten().tolist(), strict=True))
    classes = sorted(set(pairs))
    return classes, torch.tensor([classes.index(pair) for pair in pairs]).view(covered.shape)


def torch_fires(plan: Plan, layer: Layer, s: Tensor, values: dict[str, Tensor]) -> Tensor:
    rows = torch.from_numpy(layer.threshold).double()
    each = (-1, *(1,) * (s.dim() - 2))
    threshold, direction = rows[0].view(each), torch.from_numpy(layer.direction).view(each)
    if len(rows) > 1:
        (term,) = [term for term in layer.terms if term.pool is not None]
        assert term.pool is not None
        _, row = window_classes(term.pool, *unpooled(plan, term, values[term.source]).shape[2:])
        threshold = torch.stack([channel[row] for channel in rows.T])
    fires = torch.where(direction > 0, s >= threshold, s <= threshold) | (direction == 0)
    return fires.double()


# Plans of every kind. Weights, thresholds and pixels are small, so that sums often meet thresholds exactly.


def steps(rng: np.random.Generator, channels: int, rows: int, bound: NDArray[np.float64]) -> dict[str, NDArray]:
    wide = rng.integers(-9, 10, (rows, channels))
    threshold = np.clip(wide, -bound - 1, bound + 1).astype(np.int32)
    return {"threshold": threshold, "direction": rng.integers(-1, 2, channels).astype(np.int8)}


@st.composite
def pools(draw: st.DrawFn, kinds: tuple[str, ...], height: int, width: int) -> Pool:
    kernel, padding = [], []
    ceil = draw(st.booleans())
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    for side, step in zip((height, width), stride, strict=True):
        k = draw(st.integers(1, 4))
        pad = draw(st.integers(0, k // 2))
        # A window may be larger than its map where it still begins inside.
        fits = k <= side + 2 * pad + (step - 1 if ceil else 0)
        kernel.append(k if fits else 1)
        padding.append(pad if fits else 0)
    sizes = (kernel[0], kernel[1]), stride, (padding[0], padding[1])
    return Pool(draw(st.sampled_from(kinds)), *sizes, ceil, draw(st.booleans()))


Shapes = dict[str, tuple[int, ...]]


@st.composite
def convolutions(draw: st.DrawFn, rng: np.random.Generator, shapes: Shapes, pool: bool = True) -> Term:
    source = draw(st.sampled_from([name for name, shape in shapes.items() if len(shape) == 3]))
    channels, *sides = shapes[source]
    groups = draw(st.sampled_from([n for n in (1, 2, 3, 4) if channels % n == 0]))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    whole = (sides[0] + padding[0] + padding[1], sides[1] + padding[2] + padding[3])
    kernel = [draw(st.integers(1, min(3, side))) for side in whole]
    dilation = [
        draw(st.integers(1, (side - 1) // (k - 1) if k > 1 else 2)) for k, side in zip(kernel, whole, strict=True)
    ]
    weights = rng.integers(-3, 4, (groups * draw(st.integers(1, 2)), channels // groups, *kernel)).astype(np.int16)
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    term = Term(source, weights, stride, padding, (dilation[0], dilation[1]), groups)  # type: ignore[arg-type]
    return draw(with_pool(term, shapes)) if pool and draw(st.booleans()) else term


@st.composite
def with_pool(draw: st.DrawFn, term: Term, shapes: Shapes) -> Term:
    pool = draw(pools(("max", "sum"), *term.sums(shapes[term.source])[1:]))
    return Term(term.source, term.weights, term.stride, term.padding, term.dilation, term.groups, pool)


def linear(rng: np.random.Generator, source: str, shapes: Shapes, outputs: int) -> Term:
    return Term(source, rng.integers(-3, 4, (outputs, math.prod(shapes[source]))).astype(np.int16))


def shortcut(rng: np.random.Generator, source: str, shapes: Shapes, pool: Pool | None = None) -> Term:
    return Term(source, rng.integers(-4, 5, shapes[source][0]).astype(np.int32), pool=pool)


@st.composite
def sums(draw: st.DrawFn, rng: np.random.Generator, shapes: Shapes) -> tuple[Term, ...]:
    maps = [name for name, shape in shapes.items() if len(shape) == 3]
    kind = draw(
        st.sampled_from(["conv", "conv", "conv", "shortcut", "residual", "linear"] if maps else ["linear", "gate"])
    )
    if kind == "conv":
        return (draw(convolutions(rng, shapes)),)
    if kind == "gate":
        source = draw(st.sampled_from(list(shapes)))
        return shortcut(rng, source, shapes), linear(rng, source, shapes, shapes[source][0])
    if kind == "shortcut":
        term = shortcut(rng, draw(st.sampled_from(maps)), shapes)
        return (draw(with_pool(term, shapes)) if draw(st.booleans()) else term,)
    if kind == "residual":
        source = draw(st.sampled_from(maps))
        channels = shapes[source][0]
        weights = rng.integers(-3, 4, (channels, channels, 3, 3)).astype(np.int16)
        main, way = Term(source, weights, padding=(1, 1, 1, 1)), shortcut(rng, source, shapes)
        if draw(st.booleans()):
            pool = draw(pools(("max", "sum"), *shapes[source][1:]))
            return Term(source, weights, padding=(1, 1, 1, 1), pool=pool), shortcut(rng, source, shapes, pool)
        return main, way
    outputs = draw(st.integers(1, 4))
    sources = draw(st.lists(st.sampled_from(list(shapes)), min_size=1, max_size=2))
    return tuple(linear(rng, source, shapes, outputs) for source in sources)


@st.composite
def layers(draw: st.DrawFn, rng: np.random.Generator, name: str, shapes: Shapes, largest: dict[str, int]) -> Layer:
    terms = draw(sums(rng, shapes))
    bound = sum(term.bound(shapes[term.source], largest[term.source]) for term in terms)
    pooled = [term for term in terms if term.pool is not None]
    rows = 1
    if len(pooled) == 1 and pooled[0].pool and draw(st.booleans()):
        rows = len(window_classes(pooled[0].pool, *pooled[0].sums(shapes[pooled[0].source])[1:])[0])
    shape = terms[0].output(shapes[terms[0].source])
    post = draw(st.none() | pools(("max", "sum", "mean"), *shape[1:])) if len(shape) == 3 else None
    shapes[name] = shape if post is None else (shape[0], *post.output(*shape[1:]))
    largest[name] = 1 if post is None else post.most(*shape[1:])
    return Layer(name, terms, **steps(rng, terms[0].channels, rows, np.asarray(bound)), post=post)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Plan, NDArray[np.uint8]]:
    """A small plan and 1 … 3 pictures for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sides = (st.integers(1, 4), st.integers(1, 8), st.integers(1, 8))
    shape = draw(st.one_of(st.tuples(*sides), st.tuples(*sides), st.tuples(st.integers(1, 9))))
    pad = tuple(draw(st.integers(0, 5)) for _ in range(shape[0]))
    shapes: Shapes = {INPUT: shape}
    largest = {INPUT: 255}
    hidden = tuple(draw(layers(rng, f"layer{i}", shapes, largest)) for i in range(draw(st.integers(1, 4))))
    logits = None
    if draw(st.booleans()):
        terms = [linear(rng, source, shapes, 3) for source in (hidden[-1].name, draw(st.sampled_from(list(shapes))))]
        logits = Logits("out", tuple(terms), 0.3, rng.normal(size=3))
    return Plan(Input(shape, pad), hidden, logits), rng.integers(0, 6, (draw(st.integers(1, 3)), *shape)).astype(
        np.uint8
    )


def agrees_with_torch(plan: Plan, pictures: NDArray[np.uint8]) -> None:
    expected, logits = torch_states(plan, pictures)
    found = list(reference.states(plan, pictures))
    assert [state.layer.name for state in found] == [layer.name for layer in plan.layers]
    for state, (s, bits) in zip(found, expected, strict=True):
        assert (state.sums.dtype, state.bits.dtype) == (np.int32, np.uint8)
        np.testing.assert_array_equal(state.sums, s.numpy())
        np.testing.assert_array_equal(state.bits, bits.numpy())
    if logits is not None:
        np.testing.assert_array_equal(reference.logits(plan, pictures), logits.numpy())


@given(cases())
@settings(max_examples=400)
def test_plans_of_every_kind_against_torch(case: tuple[Plan, NDArray[np.uint8]]) -> None:
    agrees_with_torch(*case)


@given(cases())
@settings(max_examples=50)
def test_convolutions_in_parts_of_one_picture(case: tuple[Plan, NDArray[np.uint8]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "_COLUMN_BYTES", 1)
        agrees_with_torch(*case)


@given(cases())
@settings(max_examples=50)
def test_no_pictures(case: tuple[Plan, NDArray[np.uint8]]) -> None:
    plan, pictures = case
    for state in reference.states(plan, pictures[:0]):
        assert state.sums.shape == state.bits.shape == (0, *plan.sums[state.layer.name])
        assert (state.sums.dtype, state.bits.dtype) == (np.int32, np.uint8)
    if plan.logits is not None:
        assert reference.logits(plan, pictures[:0]).shape == (0, 3)


@given(cases())
@settings(max_examples=50)
def test_a_picture_does_not_see_its_neighbours(case: tuple[Plan, NDArray[np.uint8]]) -> None:
    plan, pictures = case
    together = list(reference.states(plan, pictures))
    for index in range(len(pictures)):
        for one, all_of_them in zip(reference.states(plan, pictures[index : index + 1]), together, strict=True):
            np.testing.assert_array_equal(one.sums[0], all_of_them.sums[index])


# By hand.


def one_layer(
    shape: tuple[int, ...],
    *terms: Term,
    threshold: list[list[int]] | None = None,
    direction: list[int] | None = None,
    post: Pool | None = None,
    pad: tuple[int, ...] = (),
) -> Plan:
    """One hidden layer "a", which fires from 0 on where nothing else is said."""
    channels = terms[0].channels
    rows = np.array(threshold or [[0] * channels], np.int32)
    return Plan(Input(shape, pad), (Layer("a", terms, rows, np.array(direction or [1] * channels, np.int8), post),))


def only(plan: Plan, picture: object) -> reference.State:
    (state,) = reference.states(plan, np.array([picture], np.uint8))
    return state


def int16(values: object) -> NDArray[np.int16]:
    return np.array(values, np.int16)


def test_a_step_in_every_direction() -> None:
    """Sums 5·1 − 3 = 2 for all units; from 2 on, from 3 on, up to 2, up to 1, and always."""
    plan = one_layer((2,), Term(INPUT, int16([[1, -3]] * 5)), threshold=[[2, 3, 2, 1, 9]], direction=[1, 1, -1, -1, 0])
    state = only(plan, [5, 1])
    assert state.sums.tolist() == [[2] * 5]
    assert state.bits.tolist() == [[1, 0, 1, 0, 1]]


def test_a_convolution_with_everything() -> None:
    """Two groups of a channel, kernel 1×2 spread to 1×3, one row of 10s (20s) above, steps of 2 down."""
    weights = int16([[[[1, -1]]], [[[2, 3]]]])
    term = Term(INPUT, weights, stride=(2, 1), padding=(1, 0, 0, 0), dilation=(1, 2), groups=2)
    plan = one_layer((2, 3, 4), term, pad=(10, 20))
    first, second = [[0, 1, 2, 3], [4, 5, 8, 9], [6, 6, 6, 6]], [[1, 1, 1, 1], [0, 2, 4, 6], [9, 9, 9, 9]]
    # Rows −1 (padding) and 1. Above: 10 − 10, 20·2 + 20·3. Row 1: 4 − 8, 5 − 9; 0·2 + 4·3, 2·2 + 6·3.
    assert only(plan, [first, second]).sums.tolist() == [[[[0, 0], [-4, -4]], [[100, 100], [12, 22]]]]


def test_padding_of_bits_is_zero_whatever_that_of_the_input() -> None:
    keep = Layer("bits", (Term(INPUT, np.array([1], np.int32)),), np.array([[1]], np.int32), np.array([1], np.int8))
    wide = Term("bits", int16([[[[1, 1, 1]]]]), padding=(0, 0, 1, 1))
    count = Layer("count", (wide,), np.array([[2]], np.int32), np.array([1], np.int8))
    plan = Plan(Input((1, 1, 3), (7,)), (keep, count))
    assert [s.sums.tolist() for s in reference.states(plan, np.array([[[[5, 0, 1]]]], np.uint8))] == [
        [[[[5, 0, 1]]]],
        [[[[1, 2, 1]]]],
    ]


def test_the_largest_of_negative_sums_is_no_padding() -> None:
    pool = Pool("max", (2, 2), (2, 2), (1, 1))
    plan = one_layer((1, 2, 2), Term(INPUT, int16([[[[-1]]]]), pool=pool))
    # Each of the four windows sees one cell.
    assert only(plan, [[[1, 2], [3, 4]]]).sums.tolist() == [[[[-1, -2], [-3, -4]]]]


def test_thresholds_by_the_cells_of_a_window() -> None:
    """Sums over 2×2 windows of a 3×3 map of ones: 4, 2 / 2, 1 cells; the rows stand for 1, 2 and 4 cells."""
    pool = Pool("sum", (2, 2), (2, 2), ceil=True)
    term = Term(INPUT, int16([[[[1]]]] * 2), pool=pool)
    plan = one_layer((1, 3, 3), term, threshold=[[1, 2], [3, 2], [4, 5]])
    state = only(plan, [[[1] * 3] * 3])
    assert state.sums.tolist() == [[[[4, 2], [2, 1]]] * 2]
    assert state.windows.tolist() == [[2, 1], [1, 0]]
    assert state.bits.tolist() == [[[[1, 0], [0, 1]], [[0, 1], [1, 0]]]]


@pytest.mark.parametrize(
    ("pool", "counts"),
    [
        (Pool("max", (2, 2), (2, 2), ceil=True), [[1, 0], [1, 1]]),
        (Pool("sum", (2, 2), (2, 2), ceil=True), [[3, 0], [1, 1]]),
        # Windows of 4, 2, 2 and 1 cells: 3/4, 0, 1/2 and 1, times 4.
        (Pool("mean", (2, 2), (2, 2), ceil=True), [[3, 0], [2, 4]]),
        # Padding all around, windows of 4 cells each, 1, 2, 2 and 4 of them in the map: 1/1, 1/2, 1/2 and 2/4, times 4.
        (Pool("mean", (2, 2), (2, 2), (1, 1)), [[4, 2], [2, 2]]),
        # The same over all 4 cells: 1, 1, 1 and 2.
        (Pool("mean", (2, 2), (2, 2), (1, 1), count_padding=True), [[1, 1], [1, 2]]),
    ],
)
def test_pooled_bits(pool: Pool, counts: list[list[int]]) -> None:
    """What the second layer reads of the bits 110 / 010 / 101; its sums are those values."""
    same = Term(INPUT, np.array([1], np.int32))
    first = Layer("bits", (same,), np.array([[1]], np.int32), np.array([1], np.int8), post=pool)
    second = Layer("read", (Term("bits", np.array([1], np.int32)),), np.array([[1]], np.int32), np.array([1], np.int8))
    picture = np.array([[[[9, 9, 0], [0, 9, 0], [9, 0, 9]]]], np.uint8)
    *_, last = reference.states(Plan(Input((1, 3, 3)), (first, second)), picture)
    assert last.sums.tolist() == [[counts]]


def test_a_shortcut_beside_a_linear_layer_and_logits() -> None:
    weights = int16([[1, 2], [3, -4]])
    layer = Layer(
        "a",
        (Term(INPUT, weights), Term(INPUT, np.array([100, -100], np.int32))),
        np.array([[105, -801]], np.int32),
        np.array([1, -1], np.int8),
    )
    logits = Logits("out", (Term("a", int16([[2, 1], [-1, 0]])),), 0.25, np.array([0.5, 8.0]))
    plan, pictures = Plan(Input((2,)), (layer,), logits), np.array([[1, 2], [2, 8]], np.uint8)
    (state,) = reference.states(plan, pictures)
    # 1 + 4 + 100, 3 − 8 − 200; 2 + 16 + 200, 6 − 32 − 800.
    assert state.sums.tolist() == [[105, -205], [218, -826]]
    assert state.bits.tolist() == [[1, 0], [1, 1]]
    # 2/4 + 0.5, −1/4 + 8; 3/4 + 0.5, −1/4 + 8.
    assert reference.logits(plan, pictures).tolist() == [[1.0, 7.75], [1.25, 7.75]]


def test_an_encoder_has_no_logits() -> None:
    plan = one_layer((2,), Term(INPUT, int16([[1, 1]])))
    with pytest.raises(ValueError, match="no logits"):
        reference.logits(plan, np.zeros((1, 2), np.uint8))


# At the bounds.


def as_linear(row: list[int]) -> tuple[tuple[int, ...], Term]:
    return (len(row),), Term(INPUT, int16([row]))


def as_convolution(row: list[int]) -> tuple[tuple[int, ...], Term]:
    return (len(row), 1, 1), Term(INPUT, int16(row).reshape(1, -1, 1, 1))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", [as_linear, as_convolution])
@pytest.mark.parametrize(
    ("weights", "pixels", "total"),
    [
        # The largest that is still added up in float32: 255 · 65,793 = 2²⁴ − 1.
        ([32767, 32767, 259], [255, 255, 255], 2**24 - 1),
        # One that float32 has no number for: 255 · 65,793 + 2.
        ([32767, 32767, 259, 1], [255, 255, 255, 2], 2**24 + 1),
        # 255 · 8,421,504 = 2³¹ − 128, over 257 weights and a rest of 385; less 254.
        ([32767] * 257 + [384, 1], [255] * 258 + [1], 2**31 - 128 - 254),
    ],
)
def test_sums_near_the_bounds_of_floating_point(
    kind: Callable[[list[int]], tuple[tuple[int, ...], Term]],
    sign: int,
    weights: list[int],
    pixels: list[int],
    total: int,
) -> None:
    """The sum is exact, and the step tells it from its neighbours."""
    assert sum(w * x for w, x in zip(weights, pixels, strict=True)) == total
    shape, term = kind([sign * w for w in weights])
    for threshold, fires in ((sign * total, 1), (sign * total + 1, 0)):
        state = only(one_layer(shape, term, threshold=[[threshold]]), np.reshape(pixels, shape))
        assert state.sums.item() == sign * total
        assert state.bits.item() == fires


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums(sign: int) -> None:
    """A shortcut of 2³¹ − 2 on a bit, alone and as a sum of two; thresholds at it and one beyond."""
    steps = {"threshold": np.array([[1, 1]], np.int32), "direction": np.array([1, 1], np.int8)}
    bits = Layer("bits", (Term(INPUT, np.array([1, 1], np.int32)),), **steps)
    parts = (LARGEST - 1_000_000_007, 1_000_000_007)
    terms = [tuple(Term("bits", np.full(2, sign * c, np.int32)) for c in split) for split in ((LARGEST,), parts)]
    # At the end of the range on one side, one beyond it on the other: the first fires, the second never.
    edges = np.array([[sign * LARGEST, sign * (LARGEST + 1)]], np.int32)
    turns = np.array([sign, sign], np.int8)
    layers = (bits, *(Layer(f"sum{i}", term, edges, turns) for i, term in enumerate(terms)))
    _, *found = reference.states(Plan(Input((2,)), layers), np.array([[1, 1], [0, 1]], np.uint8))
    for state in found:
        assert state.sums.tolist() == [[sign * LARGEST] * 2, [0, sign * LARGEST]]
        assert state.bits.tolist() == [[1, 0], [0, 0]]


def test_the_largest_sums_of_a_window() -> None:
    """Four bits under a window: 4 · 536,870,911 = 2³¹ − 4."""
    pool = Pool("sum", (2, 2), (1, 1))
    bits = Layer("bits", (Term(INPUT, np.array([1], np.int32)),), np.array([[1]], np.int32), np.array([1], np.int8))
    term = Term("bits", np.array([-536_870_911], np.int32), pool=pool)
    last = Layer("sum", (term,), np.array([[-(2**31) + 4]], np.int32), np.array([-1], np.int8))
    *_, state = reference.states(Plan(Input((1, 2, 3)), (bits, last)), np.array([[[[1, 1, 1], [1, 1, 0]]]], np.uint8))
    assert state.sums.tolist() == [[[[-(2**31) + 4, -3 * 536_870_911]]]]
    assert state.bits.tolist() == [[[[1, 0]]]]


# What is kept.


def chain(depth: int, source: Callable[[int], str]) -> Plan:
    """Layers that copy the bits of `source`, 65,536 of them."""
    steps = {"threshold": np.array([[1]], np.int32), "direction": np.array([1], np.int8)}
    terms = [(Term(source(index), np.array([1], np.int32)),) for index in range(depth)]
    return Plan(Input((1, 256, 256)), tuple(Layer(f"l{i}", term, **steps) for i, term in enumerate(terms)))


@pytest.mark.parametrize(
    "source",
    [lambda i: INPUT if i == 0 else f"l{i - 1}", lambda i: INPUT],
    ids=["each reads the one before", "nothing reads them"],
)
def test_values_are_forgotten_once_nothing_reads_them(source: Callable[[int], str]) -> None:
    """Twenty layers more take no more memory than one layer's bits: 65,536 bytes."""
    pictures = np.ones((1, 1, 256, 256), np.uint8)

    def peak(depth: int) -> int:
        plan = chain(depth, source)
        tracemalloc.start()
        try:
            for _ in reference.states(plan, pictures):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(25) < peak(5) + 65_536


def test_values_live_until_their_last_reader() -> None:
    """The first layer is read again by the third and by the logits."""
    steps = {"threshold": np.array([[1, 1]], np.int32), "direction": np.array([1, 1], np.int8)}
    swap, keep = int16([[0, 1], [1, 0]]), np.array([1, 1], np.int32)
    layers = (
        Layer("a", (Term(INPUT, keep),), **steps),
        Layer("b", (Term("a", swap),), **steps),
        Layer("c", (Term("a", keep), Term("b", keep)), **steps),
    )
    logits = Logits("out", (Term("c", int16([[1, 1]])), Term("a", int16([[4, 8]]))), 1.0, np.zeros(1))
    plan, pictures = Plan(Input((2,)), layers, logits), np.array([[3, 0]], np.uint8)
    assert [state.sums.tolist() for state in reference.states(plan, pictures)] == [[[3, 0]], [[0, 1]], [[1, 1]]]
    assert reference.logits(plan, pictures).tolist() == [[6.0]]


def lenet(rng: np.random.Generator) -> Plan:
    """LeNet's shapes, with thresholds near the sums."""

    def layer(name: str, source: str, shape: tuple[int, ...], spread: int) -> Layer:
        weights = rng.integers(-127, 128, shape).astype(np.int16)
        pool = Pool("max", (2, 2), (2, 2)) if len(shape) == 4 else None
        threshold = rng.integers(-spread, spread, (1, shape[0])).astype(np.int32)
        direction = rng.choice(np.array([-1, 1], np.int8), shape[0])
        return Layer(name, (Term(source, weights, pool=pool),), threshold, direction)

    layers = (
        layer("rect1", INPUT, (20, 1, 5, 5), 50_000),
        layer("rect2", "rect1", (50, 20, 5, 5), 1_000),
        layer("rect3", "rect2", (500, 800), 1_000),
    )
    votes = Term("rect3", rng.integers(-127, 128, (10, 500)).astype(np.int16))
    return Plan(Input((1, 28, 28)), layers, Logits("fc2", (votes,), 1 / 127, rng.normal(size=10)))


def test_a_network_of_full_size() -> None:
    rng = np.random.default_rng(5)
    agrees_with_torch(lenet(rng), rng.integers(0, 256, (20, 1, 28, 28)).astype(np.uint8))
