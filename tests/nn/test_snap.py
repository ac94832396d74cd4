"""Weights on 16-bit grids: by hand, as properties, and as what compiling no longer changes."""

from fractions import Fraction
from itertools import pairwise
from math import ceil, log2

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from firebit.compiler import compile_with_report
from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, CentredConv2d, CentredLinear, Step, harden, snap
from firebit.nn.snap import LARGEST_OF_PIXELS, on_grid
from firebit.zoo import build, example

# Far from the ends of both types; those have tests of their own.
WEIGHTS = st.one_of(
    st.floats(-3, 3, width=32),
    st.floats(-(2.0**-100), 2.0**-100, width=32),
    st.floats(-(2.0**100), 2.0**100, width=32),
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 32767.0, 32767.5, 32768.0, -65535.0, 1 - 2.0**-15, 1 - 2.0**-16]),
)
MATRICES = arrays(np.float64, array_shapes(min_dims=2, max_dims=4, max_side=5), elements=WEIGHTS)
DTYPES = st.sampled_from([torch.float32, torch.float64])


def grid(row: list[float]) -> tuple[list[int], int]:
    """Exact: the smallest whole numbers that a row is a power of two times, and the exponent of that power."""
    whole = [Fraction(weight) for weight in row]
    if not any(whole):
        return [0] * len(row), 0
    power = max(fraction.denominator for fraction in whole).bit_length() - 1
    integers = [int(fraction * 2**power) for fraction in whole]
    while all(n % 2 == 0 for n in integers):
        integers, power = [n // 2 for n in integers], power - 1
    return integers, -power


def expected(row: list[float], largest: float) -> list[float]:
    """Exact: the row at the nearest multiples, ties to even, of the smallest step that 16 bits allow."""
    if largest == 0:
        return row
    step = Fraction(2) ** (ceil(log2(largest)) - 20)
    while round(Fraction(largest) / step) > 32767:
        step *= 2
    return [float(round(Fraction(weight) / step) * step) for weight in row]


# by hand


@pytest.mark.parametrize(
    ("row", "snapped"),
    [
        ([1.0, 1 / 3], [1.0, 5461 / 2**14]),  # 5461⅓
        ([0.75, -0.1], [0.75, -3277 / 2**15]),  # −3276.8
        ([-3.0, 0.3], [-3.0, 2458 / 2**13]),  # 2457.6
        ([1 - 2**-15, 2**-16], [1 - 2**-15, 0.0]),  # 32767 and a half, which goes to the even 0
        ([1 - 2**-15, 3 * 2**-16], [1 - 2**-15, 2**-14]),  # a half more than 1: to the even 2
        ([1 - 2**-17, 2**-15], [1.0, 0.0]),  # 32767¾ does not fit 15 bits: 14
        ([0.0, 0.0], [0.0, 0.0]),
        ([-0.5, 0.5], [-0.5, 0.5]),
    ],
)
def test_rows_by_hand(row: list[float], snapped: list[float]) -> None:
    assert on_grid(torch.tensor([row]), shared=False).tolist() == [snapped]
    assert on_grid(torch.tensor([row]), shared=True).tolist() == [snapped]


def test_a_channel_has_its_own_grid_and_logits_share_one() -> None:
    weights = torch.tensor([[64.0, 1 / 3], [1.0, 1 / 3], [0.0, 0.0]])
    # 64 is 2¹⁴ steps of 2⁻⁸, 1 is 2¹⁴ steps of 2⁻¹⁴.
    assert on_grid(weights, shared=False).tolist() == [[64.0, 85 / 256], [1.0, 5461 / 2**14], [0.0, 0.0]]
    assert on_grid(weights, shared=True).tolist() == [[64.0, 85 / 256], [1.0, 85 / 256], [0.0, 0.0]]


def test_a_grid_that_others_share_reaches_their_sizes_too() -> None:
    weights = torch.tensor([[1 / 3], [1.0]])
    # 64 asks for steps of 2⁻⁸, ¼ for none that is wider.
    others = torch.tensor([64.0, 0.25], dtype=torch.float64)
    assert on_grid(weights, shared=False, others=others).tolist() == [[85 / 256], [1.0]]
    assert on_grid(weights, shared=True, others=others).tolist() == [[85 / 256], [1.0]]


@pytest.mark.parametrize("nested", [False, True])
def test_layers_that_are_added_up_share_a_grid_and_compile_without_loss(nested: bool) -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act1, self.act2 = BoundedRectifier(2), BoundedRectifier(2)
            self.first, self.head = nn.Conv2d(1, 2, 1), nn.Linear(2 * 16, 3)
            self.a, self.b, self.c = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.act1(self.first(x))
            y = self.a(x) - (self.b(x) + self.c(x)) if nested else self.a(x) + self.c(x)
            y: Tensor = self.head(self.act2(y + x).flatten(1))
            return y

    torch.manual_seed(7)
    net, blank = Beside(), torch.zeros(1, 1, 4, 4)
    net.c.weight.data *= 100
    snapped = snap(net, blank)
    assert step_sizes(snapped.a) != step_sizes(snap(nn.Sequential(net.a), torch.zeros(1, 2, 4, 4))[0])
    _, report = compile_with_report(harden(snapped, blank), blank)
    assert [change.largest for change in report.changes] == [0, 0, 0]


def test_the_sum_of_a_channel_is_kept_low_by_wider_steps() -> None:
    weights = torch.tensor([[1.0] * 4 + [1 / 3] * 4, [1.0] + [0.0] * 7])
    # 2¹⁴ steps per 1 add up to 87,380, 2¹³ to 43,692 (1/3 is 2730⅔), 2¹² to 21,844 (1365⅓).
    row, alone = on_grid(weights, shared=False, most=43_692).tolist()
    assert (row[-1], alone) == (2731 / 2**13, weights[1].tolist())
    assert on_grid(weights, shared=False, most=43_691)[0, -1] == 1365 / 2**12
    # What is shared is as wide as the widest.
    assert on_grid(torch.tensor([[1.0, 1.0], [1 / 3, 0.0]]), shared=True, most=20_000).tolist() == [
        [1.0, 1.0],
        [2731 / 2**13, 0.0],
    ]


# properties


@given(MATRICES, DTYPES, st.booleans())
def test_every_weight_is_the_nearest_of_its_grid(
    weights: NDArray[np.float64], dtype: torch.dtype, shared: bool
) -> None:
    given_ = torch.from_numpy(weights).to(dtype)
    before = given_.double().flatten(1).tolist()
    found = on_grid(given_, shared=shared)
    assert (found.dtype, found.shape) == (dtype, given_.shape)
    everywhere = max(abs(weight) for row in before for weight in row)
    for row, snapped in zip(before, found.double().flatten(1).tolist(), strict=True):
        assert snapped == expected(row, everywhere if shared else max(map(abs, row)))
        assert max(map(abs, grid(snapped)[0])) <= 32767


@given(MATRICES, DTYPES, st.booleans(), st.sampled_from([None, 40_000, 1_000_000]))
def test_snapping_twice_is_snapping_once(
    weights: NDArray[np.float64], dtype: torch.dtype, shared: bool, most: int | None
) -> None:
    once = on_grid(torch.from_numpy(weights).to(dtype), shared=shared, most=most)
    assert torch.equal(on_grid(once, shared=shared, most=most), once)


@given(MATRICES, st.booleans(), st.integers(10, 200_000))
def test_no_sum_is_over_the_most(weights: NDArray[np.float64], shared: bool, most: int) -> None:
    found = on_grid(torch.from_numpy(weights), shared=shared, most=most).flatten(1).tolist()
    assert all(sum(map(abs, grid(row)[0])) <= most for row in found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_of_the_type(dtype: torch.dtype) -> None:
    ends = torch.finfo(dtype)
    weights = torch.tensor([[ends.max, -ends.max, ends.max / 3], [ends.tiny, ends.tiny / 3, 0.0]], dtype=dtype)
    found = on_grid(weights, shared=False)
    torch.testing.assert_close(found[0], weights[0], rtol=2**-13, atol=0)
    torch.testing.assert_close(found[1], weights[1], rtol=0, atol=ends.tiny / 4)
    for row in found.double().tolist():
        assert max(map(abs, grid(row)[0])) <= 32767


def test_a_channel_that_is_not_finite_stays() -> None:
    weights = torch.tensor([[torch.inf, 1 / 3], [1.0, 1 / 3], [torch.nan, 1 / 3]])
    found = on_grid(weights, shared=False, most=10_000)
    assert torch.equal(found[0], weights[0])
    assert found[2, 1] == weights[2, 1]
    assert found[1, 1] == 1365 / 2**12  # 5461 + 16384 and 2731 + 8192 are over 10,000


# networks


def step_sizes(layer: nn.Module) -> list[float]:
    weights = layer.weight
    assert isinstance(weights, Tensor)
    return [2.0 ** grid(row)[1] for row in weights.detach().double().flatten(1).tolist()]


class Residual(nn.Module):
    """A branch added to a shortcut, and two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.act1 = BoundedRectifier(4)
        self.branch = nn.Conv2d(4, 4, 3, padding=1)
        self.act2 = BoundedRectifier(4)
        self.head = nn.Linear(64, 3)
        self.other = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        bits = self.act1(self.first(x))
        bits = self.act2(self.branch(bits) + bits).flatten(1)
        return self.head(bits), self.other(bits)


def spread(net: nn.Module) -> nn.Module:
    """Make channels of different sizes."""
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            sizes = 4.0 ** torch.arange(len(module.weight))
            module.weight.data *= sizes.view(-1, *(1,) * (module.weight.dim() - 1))
    return net


def test_hidden_layers_have_a_grid_per_channel_and_every_head_one() -> None:
    net = snap(spread(Residual()), torch.zeros(1, 1, 4, 4))
    for name in ("first", "branch"):
        sizes = step_sizes(net.get_submodule(name))
        assert all(b > a for a, b in pairwise(sizes)), name
    for name in ("head", "other"):
        head = net.get_submodule(name)
        largest = head.weight.abs().max().item()
        # All are multiples of the step that the largest weight of all asks for.
        step = 2.0 ** (ceil(log2(largest)) - 15)
        assert (head.weight / step).frac().abs().max() == 0
    assert step_sizes(net.head)[0] >= step_sizes(net.branch)[0]


def test_what_is_left_alone() -> None:
    torch.manual_seed(2)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), BoundedRectifier(4, 0.3), nn.Flatten(), nn.Linear(16, 3)
    ).train()
    net(torch.rand(5, 1, 4, 4))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    snapped = snap(net, torch.zeros(1, 1, 4, 4))
    assert net.training and snapped.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
        assert torch.equal(value, snapped.state_dict()[name]) is (name not in ("0.weight", "4.weight")), name


class Sign(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return torch.sign(weight) / 3


def test_parametrised_weights_stay_and_those_beside_a_parametrised_bias_do_not() -> None:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 3), BoundedRectifier(3), nn.Linear(3, 2))
    parametrize.register_parametrization(net[0], "weight", Sign())
    parametrize.register_parametrization(net[2], "bias", Sign())
    snapped = snap(net, torch.zeros(1, 4))
    assert torch.equal(snapped[0].weight, net[0].weight)
    assert torch.equal(snapped[0].parametrizations.weight.original, net[0].parametrizations.weight.original)
    assert not torch.equal(snapped[2].weight, net[2].weight)
    assert torch.equal(snapped[2].bias, net[2].bias)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["lenet", "cifar10_quick"])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_norm": True},
        {"centred": True},
        {"centred": True, "centred_pixels": True},
        {"order": "act-first", "batch_norm": True},
        {"channels": 3},
    ],
)
def test_compiling_changes_nothing_any_more(name: str, options: dict[str, object], dtype: torch.dtype) -> None:
    torch.manual_seed(4)
    net = build(name, width=0.25, **options).to(dtype)
    blank = example(name, int(str(options.get("channels", 0))) or None).to(dtype)
    pictures = torch.randint(0, 256, (6, *blank.shape[1:])).to(dtype) / 255
    net(pictures)
    net.eval()
    snapped = snap(net, blank)
    both = [harden(snapped, blank), snap(harden(net, blank), blank)]
    for hardened in both:
        _, report = compile_with_report(hardened, pictures)
        assert all(change.largest == 0 for change in report.changes)
        assert report.agreement is not None
        assert (report.agreement.bits_differ, report.agreement.predictions_differ) == (0, 0)
    assert any(change.largest for change in compile_with_report(harden(net, blank), blank)[1].changes)
    again = snap(snapped, blank).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in snapped.state_dict().items())


def test_a_first_layer_over_many_pixels_keeps_its_sums_within_31_bits() -> None:
    torch.manual_seed(5)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), BoundedRectifier(20), nn.Linear(20, 10))
    # 784 times half of 2¹⁵ is over 2³¹ / 255; half of that is not.
    nn.init.uniform_(net[1].weight, -1, 1)
    assert sum(map(abs, grid(on_grid(net[1].weight[:1], shared=False).tolist()[0])[0])) > LARGEST_OF_PIXELS
    pictures = torch.randint(0, 256, (4, 1, 28, 28)) / 255
    snapped = snap(net, pictures)
    for row in snapped[1].weight.double().tolist():
        assert sum(map(abs, grid(row)[0])) <= LARGEST_OF_PIXELS
    assert (snapped[1].weight - net[1].weight).abs().max() <= 2**-15
    _, report = compile_with_report(harden(snapped, pictures), pictures)
    assert all(change.largest == 0 for change in report.changes)


def test_residual_sums_of_bits_as_they_are_compile_without_loss() -> None:
    class OneHead(Residual):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x)[0]

    blank = torch.zeros(1, 1, 4, 4)
    net = snap(spread(OneHead()), blank)
    _, report = compile_with_report(harden(net, blank), blank)
    assert [change.largest for change in report.changes] == [0, 0, 0]


def test_centred_layers_are_snapped_before_they_become_plain() -> None:
    torch.manual_seed(6)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), BoundedRectifier(3), CentredConv2d(3, 3, 2), BoundedRectifier(3), nn.Flatten(),
        CentredLinear(3, 2),
    )  # fmt: skip
    snapped = snap(net, torch.zeros(1, 1, 4, 4))
    assert isinstance(snapped[2], CentredConv2d)
    assert step_sizes(snapped[2]) != step_sizes(net[2])
    hardened = harden(snapped, torch.zeros(1, 1, 4, 4))
    assert torch.equal(hardened[2].weight, snapped[2].weight)
    assert isinstance(hardened[3], Step)


def test_a_model_that_cannot_be_traced_is_refused() -> None:
    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.layer(x)
            return y if y.sum() > 0 else -y

    with pytest.raises(UsageError, match="cannot be traced"):
        snap(Asks(), torch.zeros(1, 2))
