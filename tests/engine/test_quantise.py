"""Fast plans: how near they come to the exact ones that they are made of."""

from dataclasses import replace

import numpy as np
import pytest

from firebit.engine import quantise as module
from firebit.engine import reference
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.quantise import quantise
from firebit.engine.tables import balanced_sums, spans
from firebit.engine.term import Term


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions of these tests count as large; FEWEST_WEIGHTS alone is tested below."""
    monkeypatch.setattr(module, "FEWEST_WEIGHTS", 100)


def convolution(source: str, outputs: int, inputs: int, seed: int, pool: Pool | None = None) -> Term:
    weights = np.random.default_rng(seed).normal(0, 6000, (outputs, inputs, 3, 3)).clip(-32_767, 32_767)
    return Term(source, weights.astype(np.int16), padding=(1, 1, 1, 1), pool=pool)


def layer(name: str, *terms: Term, rows: int = 1) -> Layer:
    channels = terms[0].channels
    threshold = np.resize(np.arange(-20_000, 20_001, 5000, dtype=np.int32), (rows, channels))
    return Layer(name, terms, threshold, np.resize(np.array([1, -1], np.int8), channels))


def network(pool: Pool | None = None) -> Plan:
    first = layer("a", convolution("input", 24, 1, 1))
    second = layer("b", convolution("a", 32, 24, 2, pool))
    return Plan(Input((1, 12, 12)), (first, second))


def flips(exact: Plan, fast: Plan, name: str) -> float:
    seen = np.random.default_rng(7).integers(0, 256, (30, *exact.input.shape), np.uint8)
    bits = [next(s.bits for s in reference.states(p, seen) if s.layer.name == name) for p in (exact, fast)]
    return float((bits[0] != bits[1]).mean())


@pytest.mark.parametrize(
    "pool",
    [None, Pool("max", (2, 2), (2, 2)), Pool("sum", (3, 3), (2, 2), ceil=True), Pool("sum", (2, 2), (2, 2), (1, 1))],
)
def test_few_bits_change(pool: Pool | None) -> None:
    exact = network(pool)
    shares = []
    for chunk in (1, 2, 4, 8):
        fast = quantise(exact, chunk)
        assert fast.precision == "fast"
        weights = fast.layers[1].terms[0].weights
        assert 240 <= balanced_sums(spans(weights), chunk).max() <= 255  # type: ignore[arg-type]
        assert fast.layers[0] is exact.layers[0], "weights on pixels stay"
        shares.append(flips(exact, fast, "b"))
    assert shares[0] <= 0.006 and shares[1] <= 0.009 and shares[2] <= 0.014 and shares[3] <= 0.03, shares
    assert shares[0] < shares[3]


def test_every_channel_has_the_finest_grid() -> None:
    weights = quantise(network(), 4).layers[1].terms[0].weights
    largest = balanced_sums(spans(weights), 4).max(1)  # type: ignore[arg-type]
    assert (largest <= 255).all()
    assert largest.min() >= 248


def test_errors_of_neighbouring_taps_cancel() -> None:
    exact = network().layers[1].terms[0].weights
    rounded = quantise(network(), 4).layers[1].terms[0].weights
    scale = np.abs(rounded).sum((1, 2, 3)) / np.abs(exact.astype(int)).sum((1, 2, 3))
    errors = rounded - exact * scale[:, None, None, None]
    # The error of a kernel is that of its last weight alone; that of nine rounded ones would be three times as large.
    assert errors.sum((2, 3)).std() <= 1.5 * errors[:, :, 0, 0].std()


def test_small_layers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST_WEIGHTS", 32 * 24 * 9 + 1)
    exact = network()
    assert all(a is b for a, b in zip(exact.layers, quantise(exact).layers, strict=True))


def test_windows_of_several_sizes_get_thresholds_of_their_own() -> None:
    fast = quantise(network(Pool("sum", (3, 3), (2, 2), ceil=True)))
    # 12 in windows of 3 by 2: five of 3 cells and one of 2, both ways.
    assert len(fast.layers[1].threshold) == 3


def test_pixels_meet_bytes_where_that_is_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_PIXEL_WORK", 24 * 9 * 144 - 1)
    exact = network()
    fast = quantise(exact)
    weights = fast.layers[0].terms[0].weights.reshape(24, 9).astype(int)
    assert 120 <= np.abs(weights).max() <= 127
    pairs = weights[:, :8].reshape(24, 4, 2)
    assert 100 <= np.maximum(pairs, 0).sum(2).max() <= 128 and np.minimum(pairs, 0).sum(2).min() >= -128
    assert flips(exact, fast, "a") <= 0.01
    monkeypatch.setattr(module, "LARGEST_PIXEL_WORK", 24 * 9 * 144)
    assert quantise(exact).layers[0] is exact.layers[0]


def test_rows_of_five_on_pixels_fit_16_bits_at_all_points() -> None:
    weights = np.random.default_rng(5).normal(0, 6000, (24, 1, 5, 5)).clip(-32_767, 32_767).astype(np.int16)
    first = Layer("a", (Term("input", weights),), np.zeros((1, 24), np.int32), np.ones(24, np.int8))
    exact = Plan(Input((1, 12, 12)), (first,))
    fast = quantise(exact)
    rows = fast.layers[0].terms[0].weights.reshape(24, 5, 5).astype(int)
    powers = [(5, 1), (5, -1), (1, 2), (1, -2)]
    values = [times * sum(point**x * rows[..., x] for x in range(5)) for times, point in powers]
    # Of ±1/2, times 16: those of ±2, turned round.
    values += [sum(point**x * rows[..., 4 - x] for x in range(5)) for point in (2, -2)]
    assert 32_000 <= np.abs(values).max() <= 32_767
    assert np.abs(values).max((0, 2)).min() >= 32_000
    assert flips(exact, fast, "a") <= 0.0005


def test_other_kernels_on_pixels_stay() -> None:
    weights = np.full((24, 1, 5, 5), 32_767, np.int16)
    for term in (Term("input", weights, stride=(2, 2)), Term("input", weights[..., :3])):
        first = Layer("a", (term,), np.zeros((1, 24), np.int32), np.ones(24, np.int8))
        exact = Plan(Input((1, 12, 12)), (first,))
        assert quantise(exact).layers[0] is first


def test_a_shortcut_is_scaled_along() -> None:
    first = layer("a", convolution("input", 24, 1, 1))
    shortcut = Term("a", np.full(24, 30_000, np.int32))
    exact = Plan(Input((1, 12, 12)), (first, layer("b", convolution("a", 24, 24, 2), shortcut)))
    fast = quantise(exact)
    rounded, added = fast.layers[1].terms
    scale = np.abs(rounded.weights).sum((1, 2, 3)) / np.abs(exact.layers[1].terms[0].weights.astype(int)).sum((1, 2, 3))
    assert added.weights == pytest.approx(30_000 * scale, rel=0.02)
    assert flips(exact, fast, "b") <= 0.014


def test_what_needs_no_rounding_stays() -> None:
    first = layer("a", convolution("input", 24, 1, 1))
    signs = Term("a", np.sign(convolution("a", 8, 24, 3).weights | 1).astype(np.int16), padding=(1, 1, 1, 1))
    second = replace(layer("b", signs), threshold=np.zeros((1, 8), np.int32))
    small = layer("c", Term("b", np.ones((4, 8, 10, 10), np.int16)))
    exact = Plan(Input((1, 12, 12)), (first, second, replace(small, threshold=small.threshold // 100)))
    fast = quantise(exact)
    assert all(a is b for a, b in zip(exact.layers, fast.layers, strict=True))
    assert flips(exact, fast, "c") == 0
    assert quantise(fast) is fast


def test_large_linear_layers_take_a_byte_per_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    first = layer("a", convolution("input", 24, 1, 1))
    hidden = Term("a", random.normal(0, 6000, (40, 24 * 144)).clip(-32_767, 32_767).astype(np.int16))
    last = Term("b", random.integers(-3000, 3000, (10, 40)).astype(np.int16))
    exact = Plan(Input((1, 12, 12)), (first, layer("b", hidden)), Logits("c", (last,), 0.25, np.zeros(10)))
    assert quantise(exact).layers[1].terms[0].weights is hidden.weights
    monkeypatch.setattr(module, "FEWEST_LINEAR_WEIGHTS", 100)
    fast = quantise(exact)
    assert fast.logits is not None
    assert np.abs(fast.layers[1].terms[0].weights).max(1).tolist() == [127] * 40
    assert np.abs(fast.logits.terms[0].weights).max() == 127
    assert fast.logits.scale == pytest.approx(0.25 * np.abs(last.weights).max() / 127)
    assert flips(exact, fast, "b") <= 0.02
