"""A network of the zoo on its whole way: a training step, steps for rectifiers, a plan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from firebit import zoo
from firebit.compiler.agreement import Agreement, agreement
from firebit.compiler.compile import compile_with_report
from firebit.engine.plan import Plan
from firebit.nn import SlopeGrowth, harden, param_groups, snap


@dataclass(frozen=True)
class Compiled:
    """What came of it: the loss of the step, the hardened network, its plan, and how the two agree."""

    loss: float
    hard: nn.Module
    plan: Plan
    found: Agreement


@pytest.fixture(scope="session")
def whole_way() -> Callable[..., Compiled]:
    def go(name: str, *, side: int | None = None, pictures: int = 3, **options: Any) -> Compiled:
        torch.manual_seed(0)
        net = zoo.build(name, **options).double()
        shape = zoo.example(name, batch=pictures).shape
        pixels = torch.randint(0, 256, (*shape[:2], side or shape[2], side or shape[3]), dtype=torch.uint8)
        example = pixels.double() / 255
        optimizer = torch.optim.SGD(param_groups(net, weight_decay=1e-4), lr=0.01)
        growth = SlopeGrowth(net, strength=1e-3)
        loss = F.cross_entropy(net(example), torch.arange(pictures))
        loss.backward()
        for label, parameter in net.named_parameters():
            assert parameter.grad is not None or not parameter.requires_grad, label
        optimizer.step()
        growth.step()
        optimizer.zero_grad()
        hard = harden(snap(net.eval(), example), example)
        plan, report = compile_with_report(hard, example)
        # The weights were on their grids already: the plan has them as they are.
        assert all(change.largest == 0 for change in report.changes)
        return Compiled(loss.item(), hard, plan, agreement(hard, plan, pixels.numpy()))

    return go
