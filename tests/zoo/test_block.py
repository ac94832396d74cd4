"""Options of the networks, and the layers that all of them share."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from firebit.errors import UsageError
from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.rectifier import BoundedRectifier
from firebit.zoo.block import NetOptions, activation, batch_norm, conv, linear, stack


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"activation": "tanh"}, "activation='tanh'"),
        ({"order": "pool-last"}, "order='pool-last'"),
        ({"classes": 1}, "classes=1"),
        ({"channels": 0}, "channels=0"),
        ({"width": 0.0}, r"width=0\.0"),
        ({"width": -1.0}, r"width=-1\.0"),
        ({"width": math.inf}, "width=inf"),
        ({"width": math.nan}, "width=nan"),
        ({"slope_init": math.nan}, "slope_init=nan"),
        ({"slope_init": "nrmal"}, "slope_init=nrmal"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        NetOptions(**options)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(("width", "units"), [(1.0, 20), (0.5, 10), (0.01, 1), (1.26, 25), (2.0, 40)])
def test_width_scales_and_leaves_at_least_one_unit(width: float, units: int) -> None:
    assert NetOptions(width=width).scaled(20) == units


def test_a_batch_norm_before_a_rectifier_has_a_fixed_scale_of_one() -> None:
    norm = batch_norm(3, NetOptions(batch_norm=True), spatial=True)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.weight.tolist() == [1.0, 1.0, 1.0]
    assert (norm.weight.requires_grad, norm.bias.requires_grad) == (False, True)


def test_a_batch_norm_before_a_relu_learns_its_scale() -> None:
    norm = batch_norm(3, NetOptions(batch_norm=True, activation="relu"), spatial=False)
    assert isinstance(norm, nn.BatchNorm1d)
    assert (norm.weight.requires_grad, norm.bias.requires_grad) == (True, True)


def test_no_batch_norm_unless_asked_for() -> None:
    assert batch_norm(3, NetOptions(), spatial=True) is None


def test_activations() -> None:
    rectifier = activation(3, NetOptions(slope_init=0.5))
    assert isinstance(rectifier, BoundedRectifier)
    assert rectifier.slope.tolist() == [0.5, 0.5, 0.5]
    assert type(activation(3, NetOptions(activation="relu"))) is nn.ReLU


def test_layers_that_read_codes_are_centred_and_the_one_that_reads_pixels_is_not() -> None:
    options = NetOptions(centred=True)
    assert type(conv(3, 4, 5, 2, options, first=True)) is nn.Conv2d
    assert type(conv(3, 4, 5, 2, options, first=False)) is CentredConv2d
    assert type(linear(3, 4, options)) is CentredLinear
    assert type(linear(3, 4, NetOptions())) is nn.Linear
    assert type(conv(3, 4, 5, 2, NetOptions(), first=False)) is nn.Conv2d


def test_a_relu_network_has_no_codes_to_centre() -> None:
    options = NetOptions(centred=True, activation="relu")
    assert type(conv(3, 4, 5, 2, options, first=False)) is nn.Conv2d
    assert type(linear(3, 4, options)) is nn.Linear


def test_a_stack_leaves_out_what_is_absent() -> None:
    net = stack(("one", nn.Linear(2, 3)), ("two", None), ("three", nn.ReLU()))
    assert [name for name, _ in net.named_children()] == ["one", "three"]
    assert net(torch.zeros(1, 2)).shape == (1, 3)
