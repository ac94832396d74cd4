"""Counting what differs between a network and a plan."""

import numpy as np
import pytest
import torch
from torch import nn

import firebit as fb
from firebit.compiler.agreement import agreement
from firebit.engine.plan import Layer, Logits, Plan
from firebit.nn import Step


def network(*, encoder: bool = False) -> nn.Sequential:
    """Two units that see a pixel each and fire from ½ on, one after the other called twice; class 1 if both fire."""
    fire = Step(torch.tensor([0.5, 0.5]), torch.tensor([1, 1]))
    first, second, last = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False), nn.Linear(2, 2)
    first.weight.data = second.weight.data = torch.eye(2)
    last.weight.data = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    last.bias.data = torch.tensor([1.5, 0.0])
    layers = [first, fire, second, fire]
    return nn.Sequential(*layers) if encoder else nn.Sequential(*layers, last)


def plan_of(model: nn.Module) -> Plan:
    return fb.compile(model, torch.zeros(1, 2), report=False)


PIXELS = np.array([[0, 255], [255, 255], [127, 128], [128, 200], [3, 4]], np.uint8)


def test_a_network_and_its_own_plan() -> None:
    found = agreement(network(), plan_of(network()), PIXELS)
    assert (found.pictures, found.bits, found.bits_differ, found.predictions_differ) == (5, 20, 0, 0)
    assert sorted(found.layers) == ["1", "1_1"]
    assert found.largest_logit_change == 0


def test_differences_are_counted_where_they_are() -> None:
    """Unit 0 of the first layer fires from 200 on in the plan: pictures 3 (128) changes, and nothing else does."""
    plan = plan_of(network())
    first, second = plan.layers
    later = np.array([[200, first.threshold[0, 1]]], np.int32)
    changed = Plan(plan.input, (Layer("1", first.terms, later, first.direction), second), plan.logits)
    found = agreement(network(), changed, PIXELS)
    # Its two bits of picture 3, in both layers; the picture is of class 1 no more.
    assert (found.layers["1"].differ, found.layers["1_1"].differ, found.bits_differ) == (1, 1, 2)
    assert found.predictions_differ == 1
    assert found.largest_logit_change == 1
    assert found.to_dict()["layers"] == {"1": {"bits": 10, "differ": 1}, "1_1": {"bits": 10, "differ": 1}}


def test_logits_that_differ() -> None:
    plan = plan_of(network())
    assert plan.logits is not None
    moved = Logits(plan.logits.name, plan.logits.terms, plan.logits.scale, plan.logits.bias + np.array([0.25, 0.0]))
    found = agreement(network(), Plan(plan.input, plan.layers, moved), PIXELS)
    assert (found.bits_differ, found.predictions_differ, found.largest_logit_change) == (0, 0, 0.25)


def test_an_encoder_predicts_nothing() -> None:
    found = agreement(network(encoder=True), plan_of(network(encoder=True)), PIXELS)
    assert (found.bits, found.bits_differ, found.predictions_differ, found.largest_logit_change) == (20, 0, None, None)


def test_more_pictures_than_fit_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firebit.compiler.agreement._MOST_AT_ONCE", 2)
    assert agreement(network(), plan_of(network()), PIXELS).bits == 20


def test_the_network_is_left_as_it_was() -> None:
    model = network().train()
    agreement(model, plan_of(network()), PIXELS)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
