"""Thresholds at the median: by hand, with ties, and through a whole network."""

import pytest
import torch
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, Step, balance, harden
from firebit.zoo import build, example


def balanced(sums: list[float], direction: int = 1) -> tuple[float, Tensor]:
    """The threshold that some sums give, and what fires then."""
    model = nn.Sequential(Step(torch.zeros(1), torch.tensor([direction])))
    x = torch.tensor([[value] for value in sums])
    found = balance(model, x)
    step = found[0]
    assert isinstance(step, Step)
    return step.threshold.item(), found(x)[:, 0]


@pytest.mark.parametrize(
    ("sums", "threshold", "fires"),
    [
        ([4, 1, 3, 2], 2.5, [1, 0, 1, 0]),
        ([3, 1, 2], 1.5, [1, 0, 1]),  # two thirds are as near as one
        ([1, 1, 1, 2], 1.5, [0, 0, 0, 1]),  # a quarter, rather than all
        ([1, 2, 2, 2], 1.5, [0, 1, 1, 1]),
        ([1, 2, 2, 2, 3, 4, 5], 2.5, [0, 0, 0, 0, 1, 1, 1]),
        ([7, 7], 7, [1, 1]),
    ],
)
def test_thresholds_by_hand(sums: list[float], threshold: float, fires: list[float]) -> None:
    found, bits = balanced(sums)
    assert (found, bits.tolist()) == (threshold, fires)


def test_downward_steps_fire_for_the_other_half() -> None:
    assert balanced([4, 1, 3, 2], -1)[1].tolist() == [0, 1, 0, 1]
    assert balanced([4, 1, 3, 2], 0)[1].tolist() == [1, 0, 1, 0]


def test_every_layer_is_measured_on_the_bits_it_will_see() -> None:
    torch.manual_seed(0)
    blank = example("cifar10_quick", batch=12)
    hard = harden(build("cifar10_quick", width=0.5), blank)
    pictures = torch.rand_like(blank)
    before = {name: value.clone() for name, value in hard.state_dict().items()}
    shares: dict[str, float] = {}
    found = balance(hard, pictures)
    for name, module in found.named_modules():
        if isinstance(module, Step):
            module.register_forward_hook(lambda _m, _i, bits, name=name: shares.update({name: bits.mean().item()}))
    found(pictures)
    assert list(shares) == ["act1", "act2", "act3", "act4"]
    assert all(0.49 < share < 0.51 for share in shares.values())
    assert all(torch.equal(value, before[name]) for name, value in hard.state_dict().items())


def test_channels_in_another_dimension() -> None:
    model = nn.Sequential(Step(torch.zeros(2), torch.ones(2), dim=2))
    x = torch.tensor([[[0.0, 10.0], [2.0, 30.0]]])
    found = balance(model, x)[0]
    assert isinstance(found, Step)
    assert found.threshold.tolist() == [1.0, 20.0]


def test_a_soft_network_is_refused() -> None:
    with pytest.raises(UsageError, match="no steps"):
        balance(nn.Sequential(nn.Linear(2, 2), BoundedRectifier(2)), torch.zeros(1, 2))


def test_sums_that_are_not_finite_are_refused() -> None:
    with pytest.raises(UsageError, match="layer '0'"):
        balance(nn.Sequential(Step(torch.zeros(1), torch.ones(1))), torch.tensor([[torch.nan]]))
