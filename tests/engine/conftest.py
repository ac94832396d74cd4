"""Small plans that together use every field, for every test of the engine."""

from collections.abc import Callable

import numpy as np
import pytest

from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.term import Term


def whole(low: int, high: int, shape: tuple[int, ...], seed: int, kind: type = np.int16) -> np.ndarray:
    """Integers low … high of that shape and dtype, the same for the same seed."""
    return np.random.default_rng(seed).integers(low, high, shape, endpoint=True).astype(kind)


def layer(name: str, *terms: Term, rows: int = 1, post: Pool | None = None, threshold: int = 1) -> Layer:
    """A layer whose channels fire upwards, downwards and always, in turn."""
    channels = terms[0].channels
    direction = np.resize(np.array([1, -1, 0], np.int8), channels)
    return Layer(name, terms, np.full((rows, channels), threshold, np.int32), direction, post)


def linear() -> Plan:
    """Five pixels, four units, three classes with names."""
    hidden = layer("fc1", Term("input", whole(-9, 9, (4, 5), 1)))
    votes = Logits("fc2", (Term("fc1", whole(-5, 5, (3, 4), 2)),), 0.125, np.array([0.5, -1.0, 0.0]))
    return Plan(Input((5,)), (hidden,), votes, ("cat", "dog", "Ente"))


def conv() -> Plan:
    """Groups, strides, uneven padding with values of its own, dilation, and thresholds for three classes of window."""
    term = Term(
        "input",
        whole(-3, 3, (4, 1, 2, 3), 3),
        stride=(1, 2),
        padding=(1, 0, 2, 1),
        dilation=(2, 1),
        groups=2,
        pool=Pool("sum", (2, 2), (2, 2), ceil=True),
    )
    # 2 × 8 × 8, padded 9 × 11, gives sums 4 × 7 × 5, in windows of 4, 2 and 1 cells.
    first = layer("conv1", term, rows=3)
    second = layer("conv2", Term("conv1", whole(-2, 2, (3, 4, 2, 2), 4)), threshold=-1)
    votes = Logits("fc", (Term("conv2", whole(-5, 5, (2, 18), 5)),), 3.5, np.array([0.25, -0.25]))
    return Plan(Input((2, 8, 8), (7, 255)), (first, second), votes)


def residual() -> Plan:
    """A block that adds a shortcut to a convolution."""
    first = layer("stem", Term("input", whole(-3, 3, (3, 1, 3, 3), 6), padding=(1, 1, 1, 1)))
    added = Term("stem", np.array([5, -7, 1000], np.int32))
    second = layer("block", Term("stem", whole(-3, 3, (3, 3, 3, 3), 7), padding=(1, 1, 1, 1)), added)
    votes = Logits("head", (Term("block", whole(-5, 5, (2, 48), 8)),), 1.0, np.zeros(2))
    return Plan(Input((1, 4, 4)), (first, second), votes, ("even", "odd"))


def post_max() -> Plan:
    """Sums pooled by max, bits pooled by max."""
    pooled = Term("input", whole(-3, 3, (2, 1, 2, 2), 9), pool=Pool("max", (2, 2), (1, 1), (1, 1)))
    first = layer("conv", pooled, post=Pool("max", (3, 3), (2, 2)))
    votes = Logits("fc", (Term("conv", whole(-5, 5, (2, 8), 10)),), 0.5, np.zeros(2))
    return Plan(Input((1, 5, 5), (3,)), (first,), votes)


def post_mean() -> Plan:
    """Bits averaged over windows of 4, 6 and 9 cells, counts of up to 36; then bits summed, up to 4."""
    first = layer("conv", Term("input", whole(-3, 3, (3, 1, 1, 1), 11)), post=Pool("mean", (3, 3), (2, 2), (1, 1)))
    second = layer("sum", Term("conv", whole(-3, 3, (3, 3, 1, 1), 12)), post=Pool("sum", (2, 2), (1, 1)))
    votes = Logits("fc", (Term("sum", whole(-5, 5, (2, 12), 13)),), 0.5, np.zeros(2))
    return Plan(Input((1, 5, 5)), (first, second), votes)


def signs() -> Plan:
    """Weights of ±1, in numbers that fill no whole bytes."""
    first = layer("conv", Term("input", 2 * whole(0, 1, (3, 1, 3, 3), 14) - 1))
    second = layer("fc1", Term("conv", 2 * whole(0, 1, (7, 12), 15) - 1))
    votes = Logits("fc2", (Term("fc1", 2 * whole(0, 1, (3, 7), 16) - 1),), 0.1, np.array([0.1, 0.2, 0.3]))
    return Plan(Input((1, 4, 4)), (first, second), votes)


def encoder() -> Plan:
    """Codes without logits; the second layer sees the first pooled."""
    first = layer("conv", Term("input", whole(-3, 3, (3, 1, 2, 2), 17)), post=Pool("max", (2, 2), (2, 2)))
    return Plan(Input((1, 5, 5)), (first, layer("code", Term("conv", whole(-3, 3, (11, 12), 18)))))


BUILDERS: dict[str, Callable[[], Plan]] = {
    builder.__name__: builder for builder in (linear, conv, residual, post_max, post_mean, signs, encoder)
}


@pytest.fixture(scope="session")
def plans() -> dict[str, Plan]:
    """Every small plan by its name; not to be changed."""
    return {name: build() for name, build in BUILDERS.items()}


@pytest.fixture(params=BUILDERS)
def plan(request: pytest.FixtureRequest, plans: dict[str, Plan]) -> Plan:
    """Every small plan in turn."""
    found: Plan = plans[request.param]
    return found
