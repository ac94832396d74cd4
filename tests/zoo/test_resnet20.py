"""ResNet-20 against its paper's table, counted by hand, and compiled without loss."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import pytest

from firebit import zoo
from firebit.nn import summary
from firebit.nn.growth import rectifiers

# Per stage: channels in, channels out, cells a side.
STAGES = ((16, 16, 32), (16, 32, 16), (32, 64, 8))


def weights(before: int, after: int) -> int:
    projection = before * after if before != after else 0
    return 9 * before * after + 5 * 9 * after * after + projection


WEIGHTS = 27 * 16 + sum(weights(before, after) for before, after, _ in STAGES) + 64 * 10 + 10
MACS = 27 * 16 * 32**2 + sum(weights(b, a) * side**2 for b, a, side in STAGES) + 64 * 10
CHANNELS = 16 + sum(6 * after for _, after, _ in STAGES)


def test_parameters_and_work_are_those_of_the_paper() -> None:
    # The paper's 0.27 million, with two numbers per channel of each batch norm and no projections.
    assert WEIGHTS - 16 * 32 - 32 * 64 + 2 * CHANNELS == 269_722
    assert MACS == 40_813_184
    net = zoo.build("resnet20")
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == WEIGHTS + 2 * CHANNELS
    relu = zoo.build("resnet20", activation="relu")
    # Of ReLUs, projections have batch norms of their own.
    assert sum(p.numel() for p in relu.parameters()) == WEIGHTS + 2 * (CHANNELS + 32 + 64)
    costs = summary(net, zoo.example("resnet20"))
    assert sum(costs.macs.values()) == MACS
    assert [layer.output for layer in costs.hidden][:7] == [(16, 32, 32)] * 7


def test_activations_in_order() -> None:
    net = zoo.build("resnet20", width=0.3)
    expected = ["act1", *(f"stage{s}.{b}.act{a}" for s in range(1, 4) for b in range(3) for a in (1, 2))]
    assert list(rectifiers(net)) == expected
    assert list(rectifiers(zoo.build("resnet20", width=0.3, rectified="last"))) == ["stage3.2.act2"]


@pytest.mark.parametrize(
    "options", [{"width": 0.5}, pytest.param({}, marks=pytest.mark.slow), {"batch_norm": False, "centred": True}]
)
def test_one_step_and_a_plan_that_computes_what_torch_computes(
    whole_way: Callable[..., Any], options: dict[str, Any]
) -> None:
    done = whole_way("resnet20", **options)
    assert isfinite(done.loss)
    assert (done.found.bits_differ, done.found.predictions_differ) == (0, 0)
    *hidden, last = (done.plan.values[layer.name] for layer in done.plan.layers)
    assert len(hidden) == 18 and all(value.largest == 1 for value in hidden)
    # Means over 8 × 8 bits, as counts.
    assert last.largest == 64
