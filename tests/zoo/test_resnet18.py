"""ResNet-18 against the paper's table, counted by hand, and compiled without loss."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import pytest

from firebit import zoo
from firebit.nn import Step, summary
from firebit.nn.growth import rectifiers

# Per stage: channels in, channels out, cells a side.
STAGES = ((64, 64, 56), (64, 128, 28), (128, 256, 14), (256, 512, 7))


def weights(before: int, after: int) -> int:
    projection = before * after if before != after else 0
    return 9 * before * after + 3 * 9 * after * after + projection


WEIGHTS = 49 * 3 * 64 + sum(weights(before, after) for before, after, _ in STAGES) + 512 * 1000 + 1000
MACS = 49 * 3 * 64 * 112**2 + sum(weights(b, a) * side**2 for b, a, side in STAGES) + 512 * 1000


def test_parameters_and_work_are_those_of_the_paper() -> None:
    channels = 64 + sum(4 * after for _, after, _ in STAGES)
    projected = 128 + 256 + 512
    assert WEIGHTS + 2 * (channels + projected) == 11_689_512  # what everyone's ResNet-18 has
    assert MACS == 1_814_073_344
    relu = zoo.build("resnet18", activation="relu")
    assert sum(parameter.numel() for parameter in relu.parameters()) == 11_689_512
    net = zoo.build("resnet18")
    # A slope in place of a scale; a projection has no batch norm of its own.
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == WEIGHTS + 2 * channels
    costs = summary(net, zoo.example("resnet18"))
    assert sum(costs.macs.values()) == MACS
    # Every value that is kept, but for the means over the last map, becomes a bit.
    assert [layer.output for layer in costs.hidden][:4] == [(64, 56, 56)] * 4


def test_layers_in_order() -> None:
    net = zoo.build("resnet18", width=0.05, dropout=0.1)
    assert [name for name, _ in net.named_children()] == [
        *("conv1", "pool1", "norm1", "act1", "stage1", "stage2", "stage3", "stage4", "mean", "flatten", "drop", "fc"),
    ]
    expected = ["act1", *(f"stage{s}.{b}.act{a}" for s in range(1, 5) for b in (0, 1) for a in (1, 2))]
    assert list(rectifiers(net)) == expected
    assert list(rectifiers(zoo.build("resnet18", width=0.05, rectified="last"))) == ["stage4.1.act2"]
    assert "bias" not in dict(net.stage2[0].conv1.named_parameters())  # type: ignore[index, union-attr]


@pytest.mark.parametrize(
    "options", [{}, pytest.param({"batch_norm": False, "centred": True, "order": "act-first"}, marks=pytest.mark.slow)]
)
def test_one_step_and_a_plan_that_computes_what_torch_computes(
    whole_way: Callable[..., Any], options: dict[str, object]
) -> None:
    done = whole_way("resnet18", side=64, width=0.06, classes=7, **options)
    assert isfinite(done.loss)
    assert (done.found.bits_differ, done.found.predictions_differ) == (0, 0)
    assert sum(isinstance(module, Step) for module in done.hard.modules()) == len(done.plan.layers) == 17
    *hidden, last = (done.plan.values[layer.name] for layer in done.plan.layers)
    assert all(value.largest == 1 for value in hidden)
    # Means over 2 × 2 bits.
    assert (last.largest, last.shape) == (4, (31, 1, 1))


@pytest.mark.slow
def test_the_same_at_the_size_of_the_paper(whole_way: Callable[..., Any]) -> None:
    done = whole_way("resnet18", pictures=2)
    assert (done.found.bits_differ, done.found.predictions_differ) == (0, 0)
