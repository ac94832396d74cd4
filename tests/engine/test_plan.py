"""A plan is refused where it could not run, the layer named; its bounds and its fingerprint."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.engine import reference
from firebit.engine.check import (
    LARGEST_SUM,
    LONGEST_NAME,
    LONGEST_SIDE,
    MOST_CELLS,
    MOST_GROUPS,
    MOST_LAYERS,
    MOST_TERMS,
)
from firebit.engine.plan import Input, Layer, Logits, Plan, Value, pooled_term
from firebit.engine.pool import Pool
from firebit.engine.term import Term
from firebit.errors import ModelFileError


def step(terms: tuple[Term, ...] | Term, name: str = "step", rows: int = 1, **fields: Any) -> Layer:
    """A layer that fires from 0 on."""
    terms = terms if isinstance(terms, tuple) else (terms,)
    channels = terms[0].channels
    return Layer(name, terms, np.zeros((rows, channels), np.int32), np.ones(channels, np.int8), **fields)


def full(shape: tuple[int, ...], value: int = 1) -> np.ndarray:
    return np.full(shape, value, np.int32 if len(shape) == 1 else np.int16)


def kernel(*shape: int, source: str = "input", value: int = 1, **geometry: Any) -> Term:
    return Term(source, full(shape, value), **geometry)


def one(layer: Layer, *shape: int) -> Plan:
    """An encoder of one layer."""
    return Plan(Input(shape), (layer,))


def votes(**changes: Any) -> Logits:
    return replace(Logits("out", (kernel(2, 3, source="step"),), 0.5, np.array([0.25, -0.5])), **changes)


def classifier(logits: Logits | None = None, **changes: Any) -> Plan:
    given = {"logits": logits or votes(), "classes": ("a", "b"), **changes}
    return Plan(Input((4,)), (step(kernel(3, 4)),), **given)


@pytest.fixture
def refused() -> Callable[[Callable[[], object], str], None]:
    """That an action ends in a ModelFileError of two lines whose problem matches."""

    def check(action: Callable[[], object], problem: str) -> None:
        with pytest.raises(ModelFileError, match=problem) as caught:
            action()
        assert len(str(caught.value).splitlines()) == 2
        assert caught.value.problem.startswith("The plan is not valid: ")

    return check


Refused = Callable[[Callable[[], object], str], None]

# terms


@pytest.mark.parametrize(
    ("weights", "geometry", "problem"),
    [
        (full((1, 1, 1)), {}, r"shape \(1, 1, 1\)"),
        (np.array(1, np.int16), {}, r"shape \(\)"),
        (full((0, 3)), {}, r"shape \(0, 3\)"),
        (full((2, 3)).astype(np.int32), {}, "are int32"),
        (full((2, 3)).astype(np.float32), {}, "are float32"),
        (full((2, 3)).astype(">i2"), {}, "are >i2"),
        (full((2, 3)).astype(bool), {}, "are bool"),
        (full((2,)).astype(np.int16), {}, "are int16"),
        (full((2, 3), -(2**15)), {}, "no negative"),
        (full((2,), -(2**31)), {}, "no negative"),
        (full((1, 1, 1, 1)), {"stride": (0, 1)}, "sizes"),
        (full((1, 1, 1, 1)), {"stride": (1,)}, "sizes"),
        (full((1, 1, 1, 1)), {"stride": [1, 1]}, "sizes"),
        (full((1, 1, 1, 1)), {"padding": (1, 1)}, "sizes"),
        (full((1, 1, 1, 1)), {"padding": (0, 0, 0, -1)}, "sizes"),
        (full((1, 1, 1, 1)), {"dilation": (1, 0)}, "sizes"),
        (full((1, 1, 1, 1)), {"dilation": (1, True)}, "sizes"),
        (full((1, 1, 1, 1)), {"groups": 0}, "sizes"),
        (full((1, 1, 1, 1)), {"groups": 1.0}, "sizes"),
        (full((1, 1, 1, 1)), {"groups": MOST_GROUPS + 1}, "16385 groups, too many"),
        (full((2, 3)), {"stride": (2, 1)}, "only a convolution"),
        (full((2,)), {"padding": (0, 0, 0, 1)}, "only a convolution"),
        (full((2, 3)), {"dilation": (1, 2)}, "only a convolution"),
        (full((2, 3)), {"groups": 2}, "only a convolution"),
        (full((1, 1, 1, 1)), {"pool": Pool("mean", (1, 1), (1, 1))}, "max or sum"),
    ],
)
def test_a_term_that_is_none(refused: Refused, weights: np.ndarray, geometry: dict[str, Any], problem: str) -> None:
    refused(lambda: Term("input", weights, **geometry), problem)


@pytest.mark.parametrize(
    ("term", "shape", "problem"),
    [
        (kernel(2, 3), (4,), r"\(2, 3\) meet 4 values"),
        (kernel(2, 3), (1, 2, 2), "meet 4 values"),
        (kernel(3), (4,), "3 coefficients meet a source of 4 channels"),
        (kernel(1, 1, 2, 2), (16,), "a convolution meets a source of shape"),
        (kernel(1, 1, 2, 2), (2, 4, 4), "a convolution of 1 channels meets 2"),
        (kernel(2, 1, 2, 2, groups=2), (1, 4, 4), "a convolution of 2 channels meets 1"),
        (kernel(3, 1, 2, 2, groups=2), (2, 4, 4), "3 channels are no 2 groups"),
        (kernel(1, 1, 5, 2), (1, 4, 4), "a kernel"),
        (kernel(1, 1, 2, 2, dilation=(1, 4)), (1, 4, 4), "a kernel"),
        (kernel(1, 1, 2, 2, padding=(0, 0, 0, LONGEST_SIDE)), (1, 4, 4), "too large"),
        (kernel(1, 1, 2, 2, padding=(4096, 0, 4096, 0)), (1, 4, 4), "too large"),
        (kernel(2, 3, pool=Pool("sum", (1, 1), (1, 1))), (3,), "no height and width to pool"),
        (kernel(1, 1, 1, 1, pool=Pool("sum", (5, 5), (1, 1))), (1, 4, 4), "smaller than the window"),
        (kernel(1, 1, 1, 1, value=32767, pool=Pool("sum", (256, 256), (1, 1))), (1, 256, 256), "over 31 bits"),
        (kernel(512, 1, 1, 1), (1, 200, 200), "sums are too many"),
        (kernel(1, 64, 64, 64), (64, 100, 100), "placements of 64 kernels"),
    ],
)
def test_a_term_and_a_source_that_do_not_fit(
    refused: Refused, term: Term, shape: tuple[int, ...], problem: str
) -> None:
    refused(lambda: one(step(term), *shape), f"layer 'step': .*{problem}")


@pytest.mark.parametrize(
    ("shape", "term", "sums", "output"),
    [
        ((4,), kernel(3, 4), (3,), (3,)),
        ((1, 2, 2), kernel(3, 4), (3,), (3,)),
        ((3, 4, 5), kernel(3), (3, 4, 5), (3, 4, 5)),
        (
            (2, 8, 9),
            kernel(4, 1, 3, 2, groups=2, stride=(2, 3), padding=(1, 0, 2, 3), dilation=(2, 1)),
            (4, 3, 5),
            None,
        ),
        ((1, 7, 7), kernel(2, 1, 2, 2, pool=Pool("max", (3, 2), (2, 2))), (2, 6, 6), (2, 2, 3)),
    ],
)
def test_shapes(shape: tuple[int, ...], term: Term, sums: tuple[int, ...], output: tuple[int, ...] | None) -> None:
    """The fourth by hand: rows (8 + 1 − 2·2 − 1) // 2 + 1 = 3, columns (9 + 5 − 1 − 1) // 3 + 1 = 5."""
    plan = one(step(term), *shape)
    assert term.sums(shape) == sums
    assert plan.sums["step"] == plan.values["step"].shape == (output or sums)


def test_the_largest_convolution_passes() -> None:
    """64 channels of 224×224 in 3×3 windows, as in VGG."""
    term = kernel(64, 64, 3, 3, padding=(1, 1, 1, 1))
    assert one(step(term), 64, 224, 224).sums["step"] == (64, 224, 224)


# layers


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"terms": ()}, "adds up 0 terms"),
        ({"terms": (kernel(2, 3),) * (MOST_TERMS + 1)}, "adds up 1001 terms"),
        ({"threshold": np.zeros(2, np.int32)}, "no matrix"),
        ({"threshold": np.zeros((0, 2), np.int32)}, "no matrix"),
        ({"threshold": np.zeros((1, 2), np.int64)}, "thresholds are int64"),
        ({"threshold": np.zeros((1, 2), np.float32)}, "thresholds are float32"),
        ({"threshold": np.zeros((1, 3), np.int32)}, "2 channels have"),
        ({"threshold": np.zeros((1, 2, 1), np.int32)}, "no matrix"),
        ({"direction": np.ones(3, np.int8)}, "2 channels have"),
        ({"direction": np.ones((2, 1), np.int8)}, "2 channels have"),
        ({"direction": np.ones(2, np.int16)}, "directions are int16"),
        ({"direction": np.ones(2, np.uint8)}, "directions are uint8"),
        ({"direction": np.array([1, 2], np.int8)}, "none of -1, 0"),
        ({"direction": np.array([-128, 1], np.int8)}, "none of -1, 0"),
    ],
)
def test_a_layer_that_is_none(refused: Refused, fields: dict[str, Any], problem: str) -> None:
    good = {"terms": (kernel(2, 3),), "threshold": np.zeros((1, 2), np.int32), "direction": np.ones(2, np.int8)}
    Layer("step", **good)
    refused(lambda: Layer("step", **{**good, **fields}), f"layer 'step': .*{problem}")


@pytest.mark.parametrize("source", ["step", "out", "nowhere", "later", ""])
def test_a_source_is_an_earlier_layer(refused: Refused, source: str) -> None:
    """Itself, the logits, nothing, a later one: no network has a circle."""
    layers = (step(kernel(3, 4, source=source)), step(kernel(4, 3, source="step"), "later"))
    refused(lambda: Plan(Input((4,)), layers), f"layer 'step': its source '{source}' is no earlier layer")


@pytest.mark.parametrize("source", ["out", "nowhere"])
def test_logits_read_earlier_layers_only(refused: Refused, source: str) -> None:
    refused(lambda: classifier(votes(terms=(kernel(2, 3, source=source),))), f"layer 'out': its source '{source}'")


@pytest.mark.parametrize("name", ["input", "step"])
def test_a_name_is_given_once(refused: Refused, name: str) -> None:
    layers = (step(kernel(4, 4)), step(kernel(4, 4, source="step"), name))
    refused(lambda: Plan(Input((4,)), layers), f"layer '{name}': two layers have this name")
    refused(lambda: classifier(votes(name=name)), f"layer '{name}': two layers have this name")


@pytest.mark.parametrize("name", ["", "x" * (LONGEST_NAME + 1), "a\ud800", None, 5])
def test_names_are_texts(refused: Refused, name: Any) -> None:
    refused(lambda: one(step(kernel(1, 4), name), 4), "proper name")
    refused(lambda: classifier(votes(name=name)), "proper name")
    refused(lambda: classifier(classes=(name, "b")), "a class has no proper name")


def test_terms_of_a_layer_give_one_shape(refused: Refused) -> None:
    terms = (kernel(2, 1, 3, 3), kernel(2, 1, 3, 3, padding=(1, 1, 1, 1)))
    refused(lambda: one(step(terms), 1, 6, 6), r"layer 'step': .*\(2, 4, 4\) and \(2, 6, 6\)")
    # As many, but in another shape, is another shape.
    refused(lambda: one(step((kernel(4, 4), kernel(1, 1, 1, 1))), 1, 2, 2), r"\(4,\) and \(1, 2, 2\)")


@pytest.mark.parametrize(
    ("threshold", "fits"),
    [(766, True), (-766, True), (767, False), (-767, False), (2**31 - 1, False), (-(2**31), False)],
)
def test_thresholds_stay_within_one_of_the_sums(refused: Refused, threshold: int, fits: bool) -> None:
    """Weights 1 and −2 on pixels: sums up to 765."""
    term = Term("input", np.array([[1, -2]], np.int16))
    layer = Layer("step", (term,), np.array([[threshold]], np.int32), np.array([1], np.int8))
    if fits:
        assert one(layer, 2).bounds["step"] == [765]
    else:
        refused(lambda: one(layer, 2), "layer 'step': a threshold is out of the range")


@pytest.mark.parametrize(
    ("copies", "rows", "kinds"), [(1, 1, 3), (1, 3, 3), (1, 2, 3), (1, 4, 3), (2, 1, 1), (2, 3, 1)]
)
def test_rows_of_thresholds(refused: Refused, copies: int, rows: int, kinds: int) -> None:
    """5×5 in 2×2 windows, rounded up: windows of 4, 2 and 1 cells; where two pooled terms meet, one row is for all."""
    pooled = kernel(2, 1, 1, 1, pool=Pool("sum", (2, 2), (2, 2), ceil=True))
    layer = step((pooled,) * copies, rows=rows)
    if rows in (1, kinds):
        assert one(layer, 1, 5, 5).sums["step"] == (2, 3, 3)
    else:
        refused(lambda: one(layer, 1, 5, 5), f"layer 'step': {rows} rows of thresholds for {kinds}")


def test_sums_that_are_not_pooled_have_one_row(refused: Refused) -> None:
    refused(lambda: one(step(kernel(2, 1, 1, 1), rows=3), 1, 5, 5), "layer 'step': 3 rows of thresholds for 1")


def test_bits_are_pooled_on_maps_only(refused: Refused) -> None:
    layer = step(kernel(2, 4), post=Pool("max", (1, 1), (1, 1)))
    refused(lambda: one(layer, 4), "layer 'step': .*no height and width to pool")


def test_a_plan_has_layers(refused: Refused) -> None:
    refused(lambda: Plan(Input((4,)), ()), "no layer with bits")
    refused(lambda: Plan(Input((1,)), (step(kernel(1, 1)),) * (MOST_LAYERS + 1)), "4097 layers are too many")


@pytest.mark.parametrize("precision", ["float32", "", None, ["exact"]])
def test_precision(refused: Refused, precision: Any) -> None:
    refused(lambda: classifier(precision=precision), "the precision is")


# input


@pytest.mark.parametrize(
    ("shape", "pad", "problem"),
    [
        ((), (), "shape"),
        ((2, 3), (), "shape"),
        ([4], (), "shape"),
        ((0,), (), "shape"),
        ((1, -1, 1), (), "shape"),
        ((1.0,), (), "shape"),
        ((True,), (), "shape"),
        ((MOST_CELLS + 1,), (), "shape"),
        ((17, 1024, 1024), (), "too large"),
        ((1, LONGEST_SIDE + 1, 1), (), "too large"),
        ((2, 1, 1), (0,), "not 2 numbers"),
        ((1, 1, 1), (256,), "not 1 numbers"),
        ((1, 1, 1), (-1,), "not 1 numbers"),
        ((1, 1, 1), (0.5,), "not 1 numbers"),
        ((1, 1, 1), [0], "not 1 numbers"),
        ((1, 1, 1), (True,), "not 1 numbers"),
    ],
)
def test_an_input_that_is_none(refused: Refused, shape: Any, pad: Any, problem: str) -> None:
    refused(lambda: Input(shape, pad), problem)


def test_pad_values_are_0_where_none_are_given() -> None:
    assert Input((3, 1, 1)).pad == (0, 0, 0)
    assert Input((3, 1, 1), (1, 2, 255)).pad == (1, 2, 255)


# logits and classes


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"terms": ()}, "adds up 0 terms"),
        ({"scale": 1}, "the scale is 1"),
        ({"scale": 0.0}, "the scale is 0.0"),
        ({"scale": -1.0}, "the scale is -1.0"),
        ({"scale": float("nan")}, "the scale is nan"),
        ({"scale": float("inf")}, "the scale is inf"),
        ({"scale": None}, "the scale is None"),
        ({"bias": np.zeros(2, np.float32)}, "no vector of float64"),
        ({"bias": np.zeros((2, 1))}, "no vector of float64"),
        ({"bias": np.zeros(3)}, "2 sums have 3 biases"),
        ({"bias": np.array([0, np.nan])}, "not finite"),
        ({"bias": np.array([0, -np.inf])}, "not finite"),
    ],
)
def test_logits_that_are_none(refused: Refused, fields: dict[str, Any], problem: str) -> None:
    refused(lambda: votes(**fields), f"layer 'out': .*{problem}")


@pytest.mark.parametrize("fields", [{"scale": 1.7e308}, {"bias": np.array([0, 1.7e308])}, {"scale": 4e307}])
def test_logits_stay_finite(refused: Refused, fields: dict[str, Any]) -> None:
    """Sums reach 3: 3 · 4e307 is finite, but the difference of two such logits is not."""
    refused(lambda: classifier(votes(**fields)), "layer 'out': its logits reach")
    classifier(votes(scale=2e307))


def test_logits_are_one_number_each(refused: Refused) -> None:
    first = step(kernel(1, 1, 1, 1))
    last = Logits("out", (kernel(2, 1, 1, 1, source="step"),), 1.0, np.zeros(2))
    assert Plan(Input((1, 1, 1)), (first,), last).sums["out"] == (2, 1, 1)
    refused(lambda: Plan(Input((1, 2, 1)), (first,), last), r"layer 'out': logits have the shape \(2, 2, 1\)")


def test_classes_are_as_many_as_logits(refused: Refused) -> None:
    assert classifier(classes=()).classes == ()
    refused(lambda: classifier(classes=("a",)), "1 classes have 2 logits")
    refused(lambda: classifier(classes=("a", "b", "c")), "3 classes have 2 logits")
    refused(lambda: classifier(classes=("a", "a")), "two classes have one name")
    refused(lambda: replace(one(step(kernel(2, 4)), 4), classes=("a", "b")), "2 classes have 0 logits")


# bounds


def test_bounds_by_hand() -> None:
    """Pixels reach 255, bits 1, an average over windows of 4, 6 and 9 cells 36, a sum of four bits 4."""
    first = step(kernel(2, 1, 2, 2, value=-3), "first", post=Pool("mean", (3, 3), (2, 2), ceil=True))
    second = step(Term("first", np.array([[[[1]], [[-2]]]], np.int16), padding=(1, 1, 1, 1)), "second")
    third = step(
        (kernel(1, 1, 1, 1, source="second", value=5, pool=Pool("sum", (2, 2), (2, 2))),),
        "third",
        post=Pool("sum", (2, 2), (1, 1)),
    )
    fourth = step((kernel(1, source="third", value=-100), kernel(1, 1, 1, 1, source="third", value=7)), "fourth")
    plan = Plan(Input((1, 9, 9)), (first, second, third, fourth))
    assert {name: bound.tolist() for name, bound in plan.bounds.items()} == {
        "first": [255 * 4 * 3] * 2,
        "second": [36 * 3],
        "third": [4 * 5],
        "fourth": [4 * 107],
    }
    assert plan.values == {
        "input": Value((1, 9, 9), 255),
        "first": Value((2, 4, 4), 36),
        "second": Value((1, 6, 6), 1),
        "third": Value((1, 2, 2), 4),
        "fourth": Value((1, 2, 2), 1),
    }


def test_sums_pooled_by_max_reach_no_further() -> None:
    assert one(step(kernel(1, 1, 1, 1, value=2, pool=Pool("max", (3, 3), (1, 1)))), 1, 4, 4).bounds["step"] == [510]


def test_only_cells_inside_count_for_pooled_sums() -> None:
    """A window of 4×4 on a map of 2×3 covers at most its 6 cells."""
    pool = Pool("sum", (4, 4), (1, 1), (2, 2))
    assert one(step(kernel(1, 1, 1, 1, pool=pool)), 1, 2, 3).bounds["step"] == [6 * 255]


def test_sums_may_reach_31_bits_and_no_more(refused: Refused) -> None:
    """255 · 32767 = 8,355,585 a pixel: 257 of them make 2,147,385,345 of 2,147,483,646."""
    assert LARGEST_SUM == 2_147_483_646
    assert one(step(kernel(1, 257, value=32767)), 257).bounds["step"] == [2_147_385_345]
    refused(lambda: one(step(kernel(1, 258, value=-32767)), 258), "layer 'step': its sums reach .* over 31 bits")
    # Terms count together: 255 · 8,421,504 = 2,147,483,520.
    terms = (kernel(1, value=8_421_503), kernel(1), kernel(1))
    assert one(step(terms[:2]), 1).bounds["step"] == [2_147_483_520]
    refused(lambda: one(step(terms), 1), "layer 'step': its sums reach .* over 31 bits")


def test_sums_of_logits_may_reach_31_bits_and_no_more(refused: Refused) -> None:
    """65 · 32,767,000 = 2,129,855,000 fits; 66 of them do not."""
    terms = (kernel(2, source="pooled", value=32767 * 1000),) * 65
    first = step(kernel(2, 1), "pooled")
    assert Plan(Input((1,)), (first,), Logits("out", terms, 1.0, np.zeros(2))).bounds["out"].max() == 2_129_855_000
    more = (*terms, terms[0])
    refused(lambda: Plan(Input((1,)), (first,), Logits("out", more, 1.0, np.zeros(2))), "layer 'out': its sums reach")


@given(st.integers(0, 2**32 - 1))
def test_no_sum_leaves_its_bounds(plans: dict[str, Plan], seed: int) -> None:
    noise = np.random.default_rng(seed)
    for plan in plans.values():
        pictures = noise.choice(np.array([0, 1, 254, 255], np.uint8), (2, *plan.input.shape))
        for state in reference.states(plan, pictures):
            reached = np.abs(state.sums.astype(np.int64)).max(axis=(0, *range(2, state.sums.ndim)))
            assert (reached <= plan.bounds[state.layer.name]).all()


# sizes of the whole


def test_layers_together_hold_so_many_values(refused: Refused) -> None:
    """2²⁶ are five layers of 4096·3072 bits, but not 21 of them beside 4096 pixels."""
    layers = [step(kernel(1, 1, 1, 1, padding=(0, 0, 1024, 1024 * 2 - 1)), "0")]
    layers += [step(kernel(1, 1, 1, 1, source=str(i)), str(i + 1)) for i in range(20)]
    Plan(Input((1, 4096, 1)), tuple(layers[:5]))
    refused(lambda: Plan(Input((1, 4096, 1)), tuple(layers)), "264,245,248 values together")


def test_terms_of_a_layer_together_have_so_many_sums(refused: Refused) -> None:
    terms = (kernel(1, 1, 1, 1),) * 5
    one(step(terms[:4]), 1, 2048, 2048)
    refused(lambda: one(step(terms), 1, 2048, 2048), "layer 'step': its 5 terms have too many sums")


def test_a_picture_takes_so_much_work(refused: Refused) -> None:
    """Windows of 2¹⁶ cells at 2²² places are 2³⁸ already, without the convolution before them."""
    layer = step(kernel(1, 1, 1, 1), post=Pool("max", (256, 256), (1, 1)))
    one(layer, 1, 1024, 1024)
    refused(lambda: one(layer, 1, 2048 + 255, 2048 + 255), r"a picture takes 2.749e\+11 multiply-accumulates")


EXTREME = Path(__file__).parent / "plans" / "extreme.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["padding", "columns", "dilation", "terms", "layers", "windows", "classes", "groups"])
def test_what_the_limits_allow_runs_in_bounded_memory(name: str) -> None:
    result = subprocess.run([sys.executable, str(EXTREME), name], capture_output=True, text=True, check=True)
    found = json.loads(result.stdout)
    assert found["growth"] < 1.5e9
    assert found["seconds"] < 120


# the rest


def test_what_a_plan_tells(plans: dict[str, Plan]) -> None:
    plan = plans["conv"]
    assert plan.logits is not None
    assert plan.sums_made == (*plan.layers, plan.logits)
    assert plan.layer("conv2") is plan.layers[1]
    with pytest.raises(KeyError):
        plan.layer("fc")
    assert pooled_term(plan.layers[0]) is plan.layers[0].terms[0]
    assert pooled_term(plan.layers[1]) is None
    assert plans["encoder"].sums_made == plans["encoder"].layers
    kinds = [(term.is_convolution, term.is_shortcut, term.channels) for term in plans["residual"].layers[1].terms]
    assert kinds == [(True, False, 3), (False, True, 3)]


def test_a_fingerprint_is_that_of_what_decides_bits(plans: dict[str, Plan]) -> None:
    plan = plans["conv"]
    first = plan.layers[0]
    term = first.terms[0]
    assert plan.logits is not None
    changed: list[Plan] = []

    def bumped(array: np.ndarray) -> np.ndarray:
        found = array.copy()
        found.flat[-1] += 1
        return found

    def with_first(**fields: Any) -> None:
        changed.append(replace(plan, layers=(replace(first, **fields), *plan.layers[1:])))

    def with_term(**fields: Any) -> None:
        with_first(terms=(replace(term, **fields),))

    with_term(weights=bumped(term.weights))
    with_term(padding=(0, 1, 2, 1))
    with_first(threshold=bumped(first.threshold))
    with_first(direction=-first.direction)
    with_first(post=Pool("max", (1, 1), (1, 1)))
    assert first.terms[0].pool is not None
    with_term(pool=replace(first.terms[0].pool, count_padding=True))
    for fields in ({"scale": 3.25}, {"bias": plan.logits.bias + 1}, {"terms": (replace(plan.logits.terms[0]),) * 2}):
        changed.append(replace(plan, logits=replace(plan.logits, **fields)))
    changed.append(replace(plan, logits=None))
    changed.append(replace(plan, input=replace(plan.input, pad=(8, 255))))
    assert len({plan.fingerprint, *(other.fingerprint for other in changed)}) == 1 + len(changed)


def test_a_fingerprint_has_no_part_in_names_of_classes(plans: dict[str, Plan]) -> None:
    plan = plans["linear"]
    assert replace(plan, classes=()).fingerprint == plan.fingerprint
    assert replace(plan, classes=("x", "y", "z")).fingerprint == plan.fingerprint
    assert len(plan.fingerprint) == 64
