"""Real values as stored integers and sums of them, by hand."""

from fractions import Fraction

import numpy as np
import pytest

from firebit.compiler.value import Joined, Part, Stored, Sum, Unsupported
from firebit.engine.pool import Pool

THIRD = Fraction(1, 3)


def reals(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def stored(**options: object) -> Stored:
    """Two channels of 2 × 3: v₀ / 3 + 1 and 2·v₁ / 3 − 1."""
    made = Stored("a", (2, 2, 3), THIRD, reals(1.0, 2.0), reals(1.0, -1.0))
    return made.padded((1, 0, 2, 0)) if options.get("padded") else made


def summed(*parts: Part, bias: object = ((1.0, 2.0),), shape: tuple[int, ...] = (2, 3, 3)) -> Sum:
    return Sum("sum", shape, parts, np.array(bias))


def conv(first: float, second: float, **options: object) -> Part:
    return Part("a", reals(first, second).reshape(2, 1, 1, 1), **options)  # type: ignore[arg-type]


def test_an_affine_map_of_stored_values() -> None:
    """3·(v₀ / 3 + 1) + ½, and −1·(2·v₁ / 3 − 1) + ½."""
    made = stored().affine(reals(3.0, -1.0), reals(0.5, 0.5))
    assert (made.factor, made.scale.tolist(), made.shift.tolist()) == (THIRD, [3.0, -2.0], [3.5, 1.5])


def test_a_whole_divisor_is_exact() -> None:
    made = stored().divided(3)
    assert (made.factor, made.scale.tolist()) == (Fraction(1, 9), [1.0, 2.0])
    assert made.shift.tolist() == [1 / 3, -1 / 3]
    both = Joined((stored(), stored())).divided(5)
    assert [member.factor for member in both.members] == [Fraction(1, 15)] * 2
    whole = summed(conv(1.0, 2.0, factor=THIRD)).divided(4)
    assert (whole.parts[0].factor, whole.bias.tolist()) == (Fraction(1, 12), [[0.25, 0.5]])


def test_flattened_values_repeat_their_channel() -> None:
    made = stored().flattened()
    assert (made.shape, made.seen) == ((12,), (12,))
    assert made.scale.tolist() == [1.0] * 6 + [2.0] * 6
    assert made.shift.tolist() == [1.0] * 6 + [-1.0] * 6


def test_padding_adds_up_and_stops_what_would_change_its_zeros() -> None:
    padded = stored(padded=True).padded((0, 1, 0, 4))
    assert (padded.padding, padded.shape, padded.seen) == ((1, 1, 2, 4), (2, 2, 3), (2, 4, 9))
    for change, problem in (
        (lambda: padded.affine(reals(1.0, 1.0), reals(0.0, 0.0)), "after zeros are put around it"),
        (padded.flattened, "flattens a map with zeros"),
        (lambda: padded.as_sum("s"), "adds up a map with zeros"),
    ):
        with pytest.raises(Unsupported, match=problem) as caught:
            change()  # type: ignore[no-untyped-call]
        assert caught.value.remedy


def test_weights_on_scaled_and_shifted_values() -> None:
    """4·(v₀ / 3 + 1) + 5·(2·v₁ / 3 − 1) = (4·v₀ + 10·v₁) / 3 − 1."""
    factor, weights, bias = stored().read(reals(4.0, 5.0).reshape(1, 2, 1, 1))
    assert (factor, weights.ravel().tolist(), bias.tolist()) == (THIRD, [4.0, 10.0], [-1.0])


def test_weights_in_groups_read_their_own_channels() -> None:
    """Output 0 sees channel 0 with 4 and 8, output 1 channel 1 with 5 and 6."""
    factor, weights, bias = stored().read(np.array([4.0, 8.0, 5.0, 6.0]).reshape(2, 1, 1, 2), groups=2)
    assert (factor, weights.ravel().tolist()) == (THIRD, [4.0, 8.0, 10.0, 12.0])
    assert bias.tolist() == [12.0, -11.0]


def test_a_scale_that_channels_share_leaves_weights_alone() -> None:
    shared = Stored("a", (2,), THIRD, reals(0.1, 0.1), reals(0.0, 0.0))
    factor, weights, _ = shared.read(np.array([[4.0, 5.0]]))
    assert (factor, weights.tolist()) == (THIRD * Fraction(0.1), [[4.0, 5.0]])
    # Not a negative one: factors are positive.
    factor, weights, _ = shared.affine(reals(-10.0), reals(0.0)).read(np.array([[4.0, 5.0]]))
    assert (factor, weights.tolist()) == (THIRD, [[-4.0, -5.0]])


def test_values_as_a_sum_of_themselves() -> None:
    made = stored().as_sum("s")
    (part,) = made.parts
    assert (part.weights.tolist(), part.factor, part.scale.tolist()) == ([1.0, 1.0], THIRD, [1.0, 2.0])
    assert (made.bias.tolist(), made.shape) == ([[1.0, -1.0]], (2, 2, 3))


def test_an_affine_map_of_a_sum() -> None:
    made = summed(conv(1.0, 2.0), conv(3.0, 4.0, scale=reals(2.0, 2.0))).affine(reals(-1.0, 0.5), reals(1.0, 0.0))
    assert [part.scale.tolist() for part in made.parts] == [[-1.0, 0.5], [-2.0, 1.0]]
    assert made.bias.tolist() == [[0.0, 1.0]]


def test_sums_add_up_where_their_shapes_agree() -> None:
    one = summed(conv(1.0, 2.0))
    made = one.plus(one, "both")
    assert (made.name, len(made.parts), made.bias.tolist()) == ("both", 2, [[2.0, 4.0]])
    with pytest.raises(Unsupported, match=r"adds values of shape \(2, 3, 3\) and \(2, 1, 1\)"):
        one.plus(summed(conv(1.0, 2.0), shape=(2, 1, 1)), "both")


def test_the_largest_of_a_sum_keeps_the_size_of_its_scale_outside() -> None:
    """max of −2·w is 2·max of −w; of 0·w it is 0."""
    pool = Pool("max", (2, 2), (1, 1))
    made = summed(conv(1.0, 3.0, scale=reals(-2.0, 0.0))).max_pooled(pool)
    (part,) = made.parts
    assert (part.weights.ravel().tolist(), part.scale.tolist()) == ([-1.0, 0.0], [2.0, 0.0])
    assert (made.shape, part.pool, made.bias.tolist()) == ((2, 2, 2), pool, [[1.0, 2.0]])


def test_averages_of_windows_that_are_alike_share_a_divisor() -> None:
    made = summed(conv(1.0, 3.0)).averaged(Pool("sum", (3, 3), (3, 3)), lambda inside, cells: 9)
    assert (made.divide, made.bias.tolist(), made.shape) == ((9,), [[1.0, 2.0]], (2, 1, 1))
    # An average and a shortcut: the divisor goes into the factor.
    other = summed(conv(1.0, 3.0), shape=(2, 1, 1))
    assert [part.factor for part in made.plus(other, "both").parts] == [Fraction(1, 9), Fraction(1)]


def test_averages_at_the_border_have_a_row_of_biases_each() -> None:
    """Windows of 2 × 2 in ceil mode on 3 × 3 cover 1, 2 and 4 cells."""
    pool = Pool("sum", (2, 2), (2, 2), ceil=True)
    by_cells = summed(conv(1.0, 3.0)).averaged(pool, lambda inside, cells: inside)
    # Every average of a constant is the constant, but the divisors differ.
    assert (by_cells.divide, by_cells.bias.tolist()) == ((1, 2, 4), [[1.0, 2.0]] * 3)
    by_four = summed(conv(1.0, 3.0)).averaged(pool, lambda inside, cells: 4)
    assert (by_four.divide, by_four.bias.tolist()) == ((4, 4, 4), [[0.25, 0.5], [0.5, 1.0], [1.0, 2.0]])
    without_bias = summed(conv(1.0, 3.0), bias=[[0.0, 0.0]]).averaged(pool, lambda inside, cells: 4)
    assert (without_bias.divide, without_bias.bias.tolist()) == ((4,), [[0.0, 0.0]])
    with pytest.raises(Unsupported, match="adds an average of windows"):
        by_cells.plus(by_cells, "both")
    with pytest.raises(Unsupported, match="averages sums of several layers"):
        summed(conv(1.0, 3.0), conv(1.0, 3.0)).averaged(pool, lambda inside, cells: inside)


def test_sums_pool_once() -> None:
    pool = Pool("max", (2, 2), (1, 1))
    once = summed(conv(1.0, 3.0)).max_pooled(pool)
    for again in (lambda: once.max_pooled(pool), lambda: once.averaged(pool, lambda inside, cells: 4)):
        with pytest.raises(Unsupported, match="second pooling"):
            again()  # type: ignore[no-untyped-call]
    with pytest.raises(Unsupported, match="largest of sums of several layers"):
        summed(conv(1.0, 3.0), conv(1.0, 3.0)).max_pooled(pool)


def test_only_one_cell_flattens() -> None:
    assert summed(conv(1.0, 3.0), shape=(2, 1, 1)).flattened().shape == (2,)
    with pytest.raises(Unsupported, match="flattens a map of real values"):
        summed(conv(1.0, 3.0)).flattened()


def test_a_linear_map_of_a_linear_map() -> None:
    """(1, 1)·(2·(v·(1, 2)) / 3 + (1, 2)) + 5."""
    part = Part("a", np.array([[1.0], [2.0]]), factor=THIRD, scale=reals(2.0, 2.0))
    made = summed(part, shape=(2,)).linear(np.array([[1.0, 1.0]]), reals(5.0), "next")
    (found,) = made.parts
    assert (found.weights.tolist(), found.factor, made.bias.tolist()) == ([[6.0]], THIRD, [[8.0]])
    assert (made.name, made.shape) == ("next", (1,))
    with pytest.raises(Unsupported, match="reads real values"):
        summed(conv(1.0, 2.0), shape=(2,)).linear(np.array([[1.0, 1.0]]), reals(5.0), "next")


def test_joined_maps_change_member_by_member() -> None:
    both = Joined((stored(padded=True), Stored.of("b", (1, 3, 5))))
    assert both.seen == (3, 3, 5)
    seen: list[slice] = []
    both.each(lambda member, channels: seen.append(channels) or member)  # type: ignore[func-returns-value]
    assert seen == [slice(0, 2), slice(2, 3)]


@pytest.mark.parametrize(
    ("value", "finite"),
    [
        (stored(), True),
        (stored().affine(reals(np.inf), reals(0.0)), False),
        (stored().affine(reals(1.0), reals(np.nan)), False),
        (Joined((stored(), stored().affine(reals(1.0), reals(np.inf)))), False),
        (summed(conv(1.0, 2.0)), True),
        # An infinite bias makes a unit constant.
        (summed(conv(1.0, 2.0), bias=[[np.inf, 0.0]]), True),
        (summed(conv(1.0, 2.0), bias=[[np.nan, 0.0]]), False),
        (summed(conv(1.0, 2.0, scale=reals(np.inf, 1.0))), False),
    ],
)
def test_numbers_that_are_none(value: Stored | Joined | Sum, finite: bool) -> None:
    assert value.is_finite is finite
