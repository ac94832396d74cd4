"""Absorbing slopes leaves the function as it was (§3.1)."""

import pytest
import torch
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, CentredConv2d, absorb_slopes
from firebit.zoo import build, example

DOUBLE = torch.float64


def same(model: nn.Module, x: Tensor) -> nn.Module:
    absorbed = absorb_slopes(model, x[:1])
    assert all((m.slope == 1).all() for m in absorbed.modules() if isinstance(m, BoundedRectifier))
    torch.testing.assert_close(absorbed(x), model(x), atol=1e-12, rtol=0)
    return absorbed


def test_weights_and_bias_take_the_slope_by_hand() -> None:
    net = nn.Sequential(nn.Linear(2, 2), BoundedRectifier(2, [3.0, -2.0])).to(DOUBLE)
    absorbed = same(net, torch.randn(9, 2, dtype=DOUBLE))
    factor = torch.tensor([3.0, -2.0], dtype=DOUBLE)
    assert torch.equal(absorbed.get_submodule("0").weight, net[0].weight * factor[:, None])
    assert torch.equal(absorbed.get_submodule("0").bias, net[0].bias * factor)


@pytest.mark.parametrize(
    "before",
    [
        nn.Conv2d(1, 3, 3, bias=False),
        nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(1, 3, 3), nn.AvgPool2d(2)),
        nn.ConvTranspose2d(1, 3, 3),
        CentredConv2d(1, 3, 3),
    ],
    ids=lambda module: type(module).__name__,
)
def test_any_slope_through_linear_layers(before: nn.Module) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(before, BoundedRectifier(3, [2.0, -1.5, 0.0])).to(DOUBLE).eval()
    same(net, torch.randn(4, 1, 8, 8, dtype=DOUBLE))


def test_positive_slopes_through_max_pooling() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), BoundedRectifier(2, [2.0, 0.3])).to(DOUBLE)
    same(net, torch.randn(4, 1, 8, 8, dtype=DOUBLE))


@pytest.mark.parametrize("name", ["lenet", "cifar10_quick"])
def test_the_zoo(name: str) -> None:
    net = build(name, batch_norm=True, width=0.2, slope_init=0.7).to(DOUBLE).eval()
    same(net, torch.rand_like(example(name, batch=2), dtype=DOUBLE))


def test_negative_slopes_do_not_pass_max_pooling() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), BoundedRectifier(2, [2.0, -0.3]))
    with pytest.raises(UsageError, match="rectifier 2"):
        absorb_slopes(net, torch.zeros(1, 1, 8, 8))


def test_a_layer_that_others_read_is_left_alone() -> None:
    class Shortcut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act = nn.Linear(2, 2), BoundedRectifier(2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.fc(x)
            return self.act(y) + y

    with pytest.raises(UsageError, match="act"):
        absorb_slopes(Shortcut(), torch.zeros(1, 2))
