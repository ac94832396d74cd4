"""Networks to measure speed with: half of their bits are set, and they compile."""

import pytest
import torch
from torch import nn

import firebit as fb
from firebit import zoo
from firebit.errors import UsageError
from firebit.nn import Step
from firebit.zoo.untrained import noise, untrained, untrained_relu


def shares(net: nn.Module, pictures: torch.Tensor) -> list[float]:
    """Of every layer, the share of units that fire."""
    found: list[float] = []
    for module in net.modules():
        if isinstance(module, Step):
            module.register_forward_hook(lambda _m, _i, bits: found.append(bits.mean().item()))
    net(pictures)
    return found


@pytest.mark.parametrize("name", ["lenet", "cifar10_quick", "plain8"])
def test_half_of_the_units_fire_also_for_other_pictures(name: str) -> None:
    torch.manual_seed(0)
    found = shares(untrained(name, width=0.3), noise(name, batch=16))
    assert len(found) > 2
    assert all(0.4 <= share <= 0.6 for share in found), found


def test_weights_of_one_bit() -> None:
    torch.manual_seed(0)
    plan = fb.compile(untrained("plain8", weights="sign", width=0.2), zoo.example("plain8"), report=False)
    assert [term.is_sign for made in plan.sums_made for term in made.terms] == [False, *[True] * 7]
    other = fb.compile(untrained("plain8", width=0.2), zoo.example("plain8"), report=False)
    assert not any(term.is_sign for made in other.sums_made for term in made.terms)


def test_the_same_with_relus_keeps_its_values_in_bounds() -> None:
    torch.manual_seed(0)
    net = untrained_relu("plain8", width=0.3)
    assert not net.training
    logits = net(noise("plain8"))
    assert 0.01 < logits.abs().max() < 100


def test_pictures_of_ones_own() -> None:
    torch.manual_seed(0)
    dark = noise("lenet") / 100
    found = shares(untrained("lenet", width=0.3, pictures=dark), dark)
    assert all(0.45 <= share <= 0.55 for share in found)


def test_an_unknown_kind_of_weights_is_refused() -> None:
    with pytest.raises(UsageError, match="weights='ternary'"):
        untrained("lenet", weights="ternary")
    with pytest.raises(UsageError, match="no network"):
        untrained("lenett")
