"""AlexNet against Caffe's definition, counted by hand, and compiled without loss."""

import pytest
import torch
from torch import nn

import firebit as fb
from firebit import zoo
from firebit.compiler.agreement import agreement
from firebit.nn import harden, snap, summary
from firebit.nn.growth import rectifiers

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
def test_plans_compute_what_torch_computes(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    net = zoo.build("alexnet", width=0.03, classes=7, **options).double()
    pictures = torch.randint(0, 256, (3, 3, 227, 227), dtype=torch.uint8)
    example = pictures.double() / 255
    net(example)
    hard = harden(snap(net.eval(), example), example)
    found = agreement(hard, fb.compile(hard, example, report=False), pictures.numpy())
    assert found.bits > 10_000
    assert (found.bits_differ, found.predictions_differ) == (0, 0)
    assert found.largest_logit_change is not None and found.largest_logit_change < 1e-9
