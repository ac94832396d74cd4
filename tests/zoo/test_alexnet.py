"""AlexNet against Caffe's definition, counted by hand, and compiled without loss."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import pytest
import torch
from torch import nn

from firebit import zoo
from firebit.errors import UsageError
from firebit.nn import summary
from firebit.nn.growth import rectifiers
from firebit.zoo.block import DROPPED

# Channels that come out, those that each group reads, kernel, cells a side of what comes out.
CONVOLUTIONS = ((96, 3, 11, 55), (256, 48, 5, 27), (384, 256, 3, 13), (384, 192, 3, 13), (256, 192, 3, 13))
LINEAR = ((4096, 256 * 6 * 6), (4096, 4096), (1000, 4096))
WEIGHTS = sum(o * i * k * k + o for o, i, k, _ in CONVOLUTIONS) + sum(o * i + o for o, i in LINEAR)
MACS = sum(o * i * k * k * side * side for o, i, k, side in CONVOLUTIONS) + sum(o * i for o, i in LINEAR)


def test_parameters_and_work_are_those_of_caffe() -> None:
    assert (WEIGHTS, MACS) == (60_965_224, 724_406_816)
    with torch.device("meta"):
        relu = zoo.build("alexnet", activation="relu")
    assert sum(parameter.numel() for parameter in relu.parameters()) == WEIGHTS
    kept = [(96, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13), (256, 6, 6), (4096,), (4096,)]
    costs = summary(zoo.build("alexnet"), zoo.example("alexnet"))
    assert sum(costs.macs.values()) == MACS
    assert [layer.output for layer in costs.hidden] == kept


def test_layers_in_order() -> None:
    net = zoo.build("alexnet", width=0.01, batch_norm=True, dropout=0.5)
    assert [name for name, _ in net.named_children()] == [
        *("conv1", "pool1", "norm1", "act1", "conv2", "pool2", "norm2", "act2", "conv3", "norm3", "act3"),
        *("conv4", "norm4", "act4", "conv5", "pool5", "norm5", "act5", "flatten"),
        *("fc6", "norm6", "act6", "drop7", "fc7", "norm7", "act7", "drop8", "fc8"),
    ]
    assert [(layer.kernel_size, layer.stride) for layer in net if isinstance(layer, nn.MaxPool2d)] == [(3, 2)] * 3
    assert [layer.groups for layer in net if isinstance(layer, nn.Conv2d)] == [1, 2, 1, 2, 2]
    assert list(rectifiers(zoo.build("alexnet", width=0.01, rectified="last"))) == ["act7"]


@pytest.mark.parametrize(
    "options", [{"batch_norm": True}, pytest.param({"centred": True, "order": "act-first"}, marks=pytest.mark.slow)]
)
def test_one_step_and_a_plan_that_computes_what_torch_computes(
    whole_way: Callable[..., Any], options: dict[str, object]
) -> None:
    done = whole_way("alexnet", width=0.03, classes=7, dropout=0.5, dropped="first", **options)
    assert isfinite(done.loss)
    assert done.found.bits > 10_000
    assert (done.found.bits_differ, done.found.predictions_differ) == (0, 0)
    assert done.found.largest_logit_change < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"batch_norm": True}])
def test_the_same_at_the_size_of_the_paper(whole_way: Callable[..., Any], options: dict[str, object]) -> None:
    done = whole_way("alexnet", pictures=2, **options)
    assert (done.found.bits_differ, done.found.predictions_differ) == (0, 0)


def test_the_paper_drops_from_the_outputs_of_fc6_alone() -> None:
    full, first = (dict(zoo.build("alexnet", width=0.01, dropout=0.5, dropped=d).named_children()) for d in DROPPED)
    assert [name for name in full if name.startswith("drop")] == ["drop7", "drop8"]
    names = list(first)
    assert [name for name in names if name.startswith("drop")] == ["drop7"]
    assert names[names.index("drop7") - 3 : names.index("drop7") + 2] == ["flatten", "fc6", "act6", "drop7", "fc7"]


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"rectified": "last"}])
def test_caffe_normalises_behind_the_first_two_relus(options: dict[str, Any]) -> None:
    net = zoo.build("alexnet", width=0.01, lrn=True, order="act-first", **options)
    names = [name for name, _ in net.named_children()]
    assert names[:8] == ["conv1", "act1", "lrn1", "pool1", "conv2", "act2", "lrn2", "pool2"]
    assert sum(name.startswith("lrn") for name in names) == 2
    # bvlc_alexnet: x / (1 + 1e-4 / 5 · Σ x²)^0.75 over 5 channels.
    x = torch.tensor([1.0, 30.0, 5.0, 2.0, 7.0, 100.0]).view(1, 6, 1, 1)
    sums = torch.tensor([926.0, 930.0, 979.0, 10978.0, 10078.0, 10053.0]).view(1, 6, 1, 1)
    torch.testing.assert_close(net.get_submodule("lrn1")(x), x / (1 + 1e-4 / 5 * sums) ** 0.75)


def test_normalising_bits_is_refused() -> None:
    with pytest.raises(UsageError, match="makes real numbers of the bits") as caught:
        zoo.build("alexnet", lrn=True)
    assert 'rectified="last"' in caught.value.remedy
    with pytest.raises(UsageError, match="lenet has no option 'lrn'"):
        zoo.build("lenet", lrn=True)
