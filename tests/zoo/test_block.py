"""Options of the networks, and the layers that all of them share."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from firebit.errors import UsageError
from firebit.nn.centre import CentredConv2d, CentredDropout, CentredLinear
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.straight import StraightThroughStep
from firebit.zoo import build
from firebit.zoo.block import (
    ImageNetOptions,
    NetOptions,
    NormedImageNetOptions,
    NormedOptions,
    activation,
    batch_norm,
    conv,
    dropout,
    hidden,
    hidden_linear,
    linear,
    plain,
    stack,
)


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
        ({"shift_init": math.nan, "batch_norm": True}, "shift_init=nan"),
        ({"shift_init": -1.0}, r"shift_init=-1\.0 is the shift of a batch norm"),
        ({"dropout": 1.0}, r"dropout=1\.0"),
        ({"dropout": -0.1}, r"dropout=-0\.1"),
        ({"dropout": math.nan}, "dropout=nan"),
        ({"code": 11}, "code=11"),
        ({"code": 4097}, "code=4097"),
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


def test_a_batch_norm_before_a_straight_through_step_learns_its_scale() -> None:
    norm = batch_norm(3, NetOptions(batch_norm=True, activation="straight-through"), spatial=True)
    assert norm is not None and norm.weight.requires_grad


@pytest.mark.parametrize(("kind", "start"), [("rectifier", -0.5), ("straight-through", -0.5), ("relu", 0.0)])
def test_where_shifts_before_bits_start(kind: str, start: float) -> None:
    norm = batch_norm(3, NetOptions(batch_norm=True, activation=kind, shift_init=-0.5), spatial=True)
    assert norm is not None and norm.bias.tolist() == [start] * 3


def test_a_rectifier_whose_lower_corner_is_where_relu_has_its() -> None:
    options = NetOptions(batch_norm=True, slope_init=0.5, shift_init=-1.0)
    norm = batch_norm(1, options, spatial=False)
    assert norm is not None
    values = torch.tensor([[-1.0], [0.0], [0.5], [1.0], [2.0], [3.0]])
    rectified = activation(1, options)(norm.eval()(values))
    torch.testing.assert_close(rectified, torch.tensor([[0.0], [0.0], [0.25], [0.5], [1.0], [1.0]]), atol=1e-4, rtol=0)


def test_no_batch_norm_unless_asked_for() -> None:
    assert batch_norm(3, NetOptions(), spatial=True) is None


def test_activations() -> None:
    rectifier = activation(3, NetOptions(slope_init=0.5))
    assert isinstance(rectifier, BoundedRectifier)
    assert rectifier.slope.tolist() == [0.5, 0.5, 0.5]
    assert type(activation(3, NetOptions(activation="relu"))) is nn.ReLU
    assert type(activation(3, NetOptions(activation="straight-through"))) is StraightThroughStep
    assert activation(3, NetOptions(activation="straight-through")).channels == 3


def test_layers_that_read_codes_are_centred_and_the_one_that_reads_pixels_is_not() -> None:
    options = NetOptions(centred=True)
    assert type(conv(3, 4, 5, 2, options, first=True)) is nn.Conv2d
    assert type(conv(3, 4, 5, 2, options, first=False)) is CentredConv2d
    assert type(linear(3, 4, options)) is CentredLinear
    assert type(linear(3, 4, NetOptions())) is nn.Linear
    assert type(conv(3, 4, 5, 2, NetOptions(), first=False)) is nn.Conv2d


@pytest.mark.parametrize("activation", ["rectifier", "relu", "straight-through"])
def test_pixels_are_centred_before_any_activation(activation: str) -> None:
    options = NetOptions(centred_pixels=True, activation=activation)
    assert type(conv(3, 4, 5, 2, options, first=True)) is CentredConv2d
    assert type(conv(3, 4, 5, 2, options, first=False)) is nn.Conv2d
    layer = conv(3, 4, 5, 0, options, first=True).double()
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(x - 0.5, layer.weight, layer.bias))


def test_a_relu_network_has_no_codes_to_centre() -> None:
    options = NetOptions(centred=True, activation="relu")
    assert type(conv(3, 4, 5, 2, options, first=False)) is nn.Conv2d
    assert type(linear(3, 4, options)) is nn.Linear


def test_straight_through_steps_give_codes_to_centre() -> None:
    options = NetOptions(centred=True, activation="straight-through")
    assert type(conv(3, 4, 5, 2, options, first=False)) is CentredConv2d
    assert type(linear(3, 4, options)) is CentredLinear
    assert type(linear(3, 4, options.inner())) is CentredLinear
    assert NetOptions(activation="straight-through", rectified="last").inner().activation == "relu"


def test_dropout() -> None:
    layer = dropout(NetOptions(dropout=0.25))
    assert isinstance(layer, nn.Dropout) and layer.p == 0.25
    assert dropout(NetOptions()) is None
    assert isinstance(dropout(NetOptions(dropout=0.25, centred=True)), CentredDropout)
    assert type(dropout(NetOptions(dropout=0.25, centred=True, activation="relu"))) is nn.Dropout


def test_a_hidden_layer_in_both_orders() -> None:
    def names(order: str, pool: bool) -> list[str]:
        options = NetOptions(order=order, batch_norm=True)
        window = nn.MaxPool2d(2, 2) if pool else None
        return [name for name, layer in hidden(4, nn.Conv2d(1, 2, 3), 2, options, pool=window) if layer is not None]

    assert names("pool-first", True) == ["conv4", "pool4", "norm4", "act4"]
    assert names("act-first", True) == ["conv4", "norm4", "act4", "pool4"]
    assert names("pool-first", False) == names("act-first", False) == ["conv4", "norm4", "act4"]


@pytest.mark.parametrize(("normed", "names"), [(True, ["fc6", "norm6", "act6"]), (False, ["fc6", "act6"])])
def test_a_hidden_linear_layer(normed: bool, names: list[str]) -> None:
    options, weights = NetOptions(batch_norm=normed), nn.Linear(3, 5)
    found = {name: layer for name, layer in hidden_linear(6, weights, 5, options) if layer is not None}
    assert list(found) == names
    assert found["fc6"] is weights
    assert isinstance(found["act6"], BoundedRectifier) and found["act6"].channels == 5


def test_normed_options_are_the_same_with_batch_norm() -> None:
    assert NormedOptions().batch_norm and not NormedOptions(batch_norm=False).batch_norm
    assert NormedOptions(batch_norm=False) != NetOptions()
    assert {**vars(NormedOptions()), "batch_norm": False} == vars(NetOptions())


def test_options_for_imagenet_have_its_classes() -> None:
    assert (ImageNetOptions().classes, ImageNetOptions().batch_norm) == (1000, False)
    assert (NormedImageNetOptions().classes, NormedImageNetOptions().batch_norm) == (1000, True)
    assert ImageNetOptions(classes=3).classes == 3


@pytest.mark.parametrize(("width", "groups", "units"), [(0.5, 1, 32), (0.5, 2, 32), (0.05, 1, 3), (0.05, 2, 4)])
def test_grouped_layers_have_as_many_channels_in_every_group(width: float, groups: int, units: int) -> None:
    assert NetOptions(width=width).scaled(64, groups) == units
    assert NetOptions(width=1e-6).scaled(64, groups) == groups


def test_strides_and_groups_of_convolutions() -> None:
    layer = conv(4, 6, 3, 1, NetOptions(centred=True), first=False, stride=2, groups=2)
    assert type(layer) is CentredConv2d
    assert (layer.stride, layer.padding, layer.groups, layer.weight.shape) == ((2, 2), (1, 1), 2, (6, 2, 3, 3))


def test_a_plain_chain_counted_by_hand() -> None:
    net = plain((2, 4), (2,), NormedOptions(channels=3, classes=5, dropout=0.5))
    shapes = {name: tuple(parameter.shape) for name, parameter in net.named_parameters() if parameter.dim() > 1}
    # One pooling leaves 16 × 16 of 4 channels.
    assert shapes == {"conv1.weight": (2, 3, 3, 3), "conv2.weight": (4, 2, 3, 3), "fc3.weight": (5, 1024)}
    assert [name for name, _ in net.named_children()] == [
        *("conv1", "norm1", "act1", "conv2", "pool2", "norm2", "act2", "flatten", "drop3", "fc3"),
    ]
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 5)


def test_a_convolution_has_a_bias_unless_batch_norm_follows() -> None:
    assert [name for name, _ in plain((2,), (), NormedOptions()).named_parameters()][:2] == [
        *("conv1.weight", "norm1.weight"),
    ]
    assert "conv1.bias" in dict(plain((2,), (), NetOptions()).named_parameters())


def test_only_the_last_activation_of_a_chain() -> None:
    net = plain((2, 2, 2), (), NormedOptions(rectified="last", centred=True))
    kinds = {name: type(layer) for name, layer in net.named_children() if name.startswith(("act", "conv", "fc"))}
    assert kinds == {
        **{"conv1": nn.Conv2d, "act1": nn.ReLU, "conv2": nn.Conv2d, "act2": nn.ReLU},
        **{"conv3": nn.Conv2d, "act3": BoundedRectifier, "fc4": CentredLinear},
    }


def test_a_stack_leaves_out_what_is_absent() -> None:
    net = stack(("one", nn.Linear(2, 3)), ("two", None), ("three", nn.ReLU()))
    assert [name for name, _ in net.named_children()] == ["one", "three"]
    assert net(torch.zeros(1, 2)).shape == (1, 3)


NETWORKS = ("alexnet", "cifar10_quick", "lenet", "plain8", "resnet18", "resnet20", "vgg16", "vgg_small")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("code", [12, 48])
def test_a_layer_of_codes_comes_before_the_classifier_of_any_network(name: str, code: int) -> None:
    net = build(name, code=code, rectified="last", batch_norm=True, width=0.1)
    *_, linear_before, norm, act, classifier = [module for module in net.modules() if not list(module.children())]
    assert isinstance(linear_before, nn.Linear)
    assert isinstance(norm, nn.BatchNorm1d)
    assert net.get_submodule("code") is act
    assert isinstance(act, BoundedRectifier)
    assert isinstance(classifier, nn.Linear)
    assert (linear_before.out_features, act.channels, classifier.in_features) == (code, code, code)
    # The code alone is binary: what is before it is as real as without it.
    assert sum(isinstance(module, BoundedRectifier) for module in net.modules()) == 1


def test_a_code_takes_the_place_of_the_narrow_layer_of_cifar10_quick() -> None:
    names = [name for name, _ in build("cifar10_quick", code=48, batch_norm=True).named_children()]
    assert "fc4" not in names
    assert names[-4:] == ["fc_code", "norm_code", "code", "fc5"]


def test_dropout_comes_before_the_layer_of_codes() -> None:
    names = [name for name, _ in build("plain8", code=48, dropout=0.1).named_children()]
    assert names[-5:] == ["drop8", "fc_code", "norm_code", "code", "fc8"]
