"""Largest pre-activations and clipped units, counted on data."""

import pytest
import torch
from torch import nn

from firebit.errors import UsageError
from firebit.nn.measure import clipped_units
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.rectify import rectify


def test_clipped_units_needs_rectifiers() -> None:
    with pytest.raises(UsageError, match="no bounded rectifier"):
        clipped_units(nn.Linear(2, 2), [torch.zeros(1, 2)])


def test_clipped_units_are_counted_over_batches_and_positions() -> None:
    model = nn.Sequential(BoundedRectifier(2)).train()
    # 1·0.5 + ½ is exactly 1 and not clipped.
    batch = torch.tensor([[[0.5, 0.6], [0.1, 9.0]]])
    assert clipped_units(model, [batch, (batch, torch.zeros(1)), -batch]) == {"0": 4}
    assert model.training and not model[0]._forward_pre_hooks


def test_the_largest_of_all_batches_counts_and_the_margin_enlarges_it() -> None:
    net = nn.Sequential(nn.Identity(), nn.ReLU()).double()
    x = torch.tensor([[1.0, -2.0], [3.0, -1.0]]).double()
    model = rectify(net, x, exact=[(x[:1],), (x[1:], 7)], margin=0.5)
    assert model.get_submodule("1").slope.tolist() == [1 / 4.5, 1.0]


def test_batches_take_the_dtype_of_the_example() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).double()
    rectify(net, torch.zeros(1, 2).double(), exact=[torch.rand(3, 2)])
