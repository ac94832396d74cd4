"""From real sums to integer layers: what is kept, what is refused."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from firebit.compiler.assemble import assemble
from firebit.compiler.outline import Outline, Step
from firebit.compiler.value import Part, Sum
from firebit.engine.plan import Input, Layer, Logits
from firebit.engine.pool import Pool
from firebit.errors import UsageError

MAP = (1, 4, 4)
POOL = Pool("max", (2, 2), (2, 2))


def step(*parts: Part, shape: tuple[int, ...] = (1, 4, 4), bias: float = 0.0, wanted: float = 1.0) -> Step:
    total = Sum("sum", shape, parts, np.array([[bias]]))
    return Step("fire", total, np.array([wanted]), np.array([1], np.int8))


def conv(weight: float, **options: Any) -> Part:
    return Part("input", np.full((1, 1, 1, 1), weight), **{"scale": np.ones(1), **options})


def shortcut(weight: float, **options: Any) -> Part:
    return Part("input", np.full(1, weight), **{"scale": np.ones(1), **options})


def layer(*parts: Part, **options: Any) -> Layer:
    return assemble(Outline(Input(MAP), (step(*parts, **options),), None), ())[0].layers[0]


def test_a_factor_and_a_scale_go_into_the_threshold() -> None:
    """¼ · (−2) · 3s ≥ 1 − ½ up to s = −⅓: in whole numbers, −1."""
    made = layer(conv(3.0, factor=Fraction(1, 4), scale=np.array([-2.0])), bias=0.5)
    assert made.terms[0].weights.tolist() == [[[[1]]]]
    assert (made.threshold.tolist(), made.direction.tolist()) == ([[-1]], [-1])


def test_parts_share_a_grid() -> None:
    """½s + 3s' ≥ 1 is s + 6s' ≥ 2."""
    made = layer(conv(0.5), shortcut(3.0))
    assert [term.weights.ravel().tolist() for term in made.terms] == [[1], [6]]
    assert made.threshold.tolist() == [[2]]


def test_factors_without_a_common_size() -> None:
    """s / 6 + s' / 4 ≥ 1 is 2s + 3s' ≥ 12."""
    made = layer(conv(1.0, factor=Fraction(1, 6)), shortcut(1.0, factor=Fraction(1, 4)))
    assert [term.weights.ravel().tolist() for term in made.terms] == [[2], [3]]
    assert made.threshold.tolist() == [[12]]


def test_a_scale_that_all_parts_share_leaves_weights_alone() -> None:
    third = np.array([1 / 3])
    made, changes = assemble(Outline(Input(MAP), (step(conv(0.5, scale=third), shortcut(3.0, scale=third)),), None), ())
    assert [term.weights.ravel().tolist() for term in made.layers[0].terms] == [[1], [6]]
    # (s + 6s') / 6 ≥ 1, with a third that is a little less than one.
    assert made.layers[0].threshold.tolist() == [[7]]
    assert changes[0].largest == 0


def test_a_negative_factor_behind_a_max_pooling_turns_the_whole_channel() -> None:
    """−2·max(s) + 3·s' ≥ 1 is 2·max(s) − 3·s' ≤ −1."""
    largest = Part("input", np.full((1, 1, 1, 1), 1.0), pool=POOL, scale=np.array([-2.0]))
    beside = Part("input", np.full((1, 1, 1, 1), 3.0), stride=(2, 2), scale=np.ones(1))
    made = layer(largest, beside, shape=(1, 2, 2))
    assert [term.weights.ravel().tolist() for term in made.terms] == [[2], [-3]]
    assert (made.threshold.tolist(), made.direction.tolist()) == ([[-1]], [-1])


def test_two_windows_of_opposite_signs_are_refused() -> None:
    one = Part("input", np.full((1, 1, 1, 1), 1.0), pool=POOL, scale=np.array([-2.0]))
    two = Part("input", np.full((1, 1, 1, 1), 1.0), pool=POOL, scale=np.array([2.0]))
    with pytest.raises(UsageError, match="'sum' adds up the largest of two windows"):
        layer(one, two, shape=(1, 2, 2))


def test_weights_that_are_infinite() -> None:
    with pytest.raises(UsageError, match="'fire' has a weight that is not a finite number"):
        layer(conv(np.inf))


def test_sums_that_no_grid_keeps_within_31_bits() -> None:
    """A window of 65,536 cells over a sum of 256 pixels of 255: 2³² at the smallest weights."""
    part = Part("input", np.ones((1, 1, 16, 16)), pool=Pool("sum", (256, 256), (1, 1)), scale=np.ones(1))
    outline = Outline(Input((1, 271, 271)), (step(part, shape=(1, 1, 1)),), None)
    with pytest.raises(UsageError, match="'fire' adds up so many values"):
        assemble(outline, ())


def logits(part: Part, divide: tuple[int, ...] = (1,)) -> Logits:
    first = step(conv(1.0))
    last = Sum("last", (1, 1, 1), (part,), np.array([[0.5]] * len(divide)), divide)
    made = assemble(Outline(Input(MAP), (first,), last), ())[0].logits
    assert made is not None
    return made


def test_logits_have_one_scale() -> None:
    part = Part("fire", np.full((1, 1, 4, 4), 0.75), factor=Fraction(1, 8), scale=np.array([2.0]))
    made = logits(part, divide=(4,))
    # ¾ · 2 is what all weights are; 1.5 / 8 / 4.
    assert np.unique(made.terms[0].weights).tolist() == [1]
    assert (made.scale, made.bias.tolist()) == (1.5 / 32, [0.5])


def test_logits_cannot_be_negative_multiples_of_a_largest() -> None:
    part = Part("fire", np.ones((1, 1, 1, 1)), pool=Pool("max", (4, 4), (4, 4)), scale=np.array([-1.0]))
    with pytest.raises(UsageError, match="'last' multiplies the largest of a window with a negative number"):
        logits(part)


def test_logits_of_windows_of_several_sizes() -> None:
    part = Part("fire", np.ones((1, 1, 4, 4)), scale=np.ones(1))
    with pytest.raises(UsageError, match="'last' gives logits that are averages over windows of several sizes"):
        logits(part, divide=(1, 2))
