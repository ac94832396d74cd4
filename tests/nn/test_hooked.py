"""Hooks are there inside the statement and nowhere else, also after an error."""

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from firebit.nn.hooked import Hooked


class Counted(Hooked):
    def __init__(self, *layers: nn.Module) -> None:
        self.layers = layers
        self.calls = 0

    def _attach(self) -> Iterable[RemovableHandle]:
        return (layer.register_forward_hook(self._count) for layer in self.layers)

    def _count(self, _layer: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        self.calls += 1


def test_hooks_end_with_the_statement() -> None:
    net = nn.Sequential(nn.Identity(), nn.Identity())
    counted = Counted(*net)
    net(torch.zeros(1))
    assert counted.calls == 0
    with counted as entered:
        assert entered is counted
        net(torch.zeros(1))
    net(torch.zeros(1))
    assert counted.calls == 2
    assert not any(layer._forward_hooks for layer in net)


def test_hooks_end_with_an_error() -> None:
    layer = nn.Identity()
    with pytest.raises(ZeroDivisionError), Counted(layer):
        raise ZeroDivisionError
    assert not layer._forward_hooks


def test_a_statement_may_be_entered_again() -> None:
    layer = nn.Identity()
    counted = Counted(layer)
    for _ in range(2):
        with counted:
            layer(torch.zeros(1))
    assert counted.calls == 2
