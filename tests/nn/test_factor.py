"""What a shift and a factor pass through, and where a visible scale takes over: always the same function."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firebit.nn.rectify import rectify
from firebit.nn.scale import Scale


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Call(nn.Module):
    """A function as a module with named submodules."""

    def __init__(self, function: Callable[..., Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def check(net: nn.Module, visible: int) -> None:
    """Measured and bounded constructions agree with `net` and need `visible` scales."""
    x = torch.rand(12, 3, 9, 9).double() * 2 - 1
    net = net.double().eval()
    for exact in ([x], "bound"):
        model = rectify(net, x[:2], exact=exact, input_range=(-1.0, 1.0))
        with torch.no_grad():
            assert (model(x) - net(x)).abs().max() < 1e-9
        assert sum(isinstance(m, Scale) for m in model.modules()) == visible


@pytest.mark.parametrize(
    ("pool", "visible"),
    [
        (nn.MaxPool2d(3, 2, 1, ceil_mode=True), 0),
        (nn.AvgPool2d(3, 2, ceil_mode=True), 0),
        (nn.AvgPool2d(3, 2, 1, count_include_pad=False), 0),
        (nn.AvgPool2d(3, 2, 1), 1),
        (nn.AvgPool2d(2, 2, divisor_override=3), 0),
        (nn.AvgPool2d(2, 2, ceil_mode=True, divisor_override=4), 1),
        (nn.AdaptiveAvgPool2d(3), 0),
        (nn.AdaptiveMaxPool2d(3), 0),
        (nn.Dropout(), 1),
        (nn.Tanh(), 1),
    ],
)
def test_what_lies_between_layer_and_rectifier(pool: nn.Module, visible: int) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), pool, nn.ReLU(), nn.Conv2d(4, 2, 2))
    check(net, visible)


@pytest.mark.parametrize(
    ("behind", "visible"),
    [
        (lambda net, x: net.head(F.max_pool2d(x, 2)), 0),
        (lambda net, x: net.head(F.avg_pool2d(x, 2, padding=1)), 0),
        (lambda net, x: net.head(F.adaptive_avg_pool2d(x, 2)), 0),
        (lambda net, x: net.head(0.5 * x / 3), 1),
        (lambda net, x: net.head(x * 0.5 / 3), 0),
        (lambda net, x: net.fc(x.mean((2, 3))), 0),
        (lambda net, x: net.fc(x.mean([-1, -2], keepdim=True).flatten(1)), 0),
        (lambda net, x: net.fc(x.amax(3).amax(2)), 0),
        (lambda net, x: net.fc(x.permute(0, 2, 3, 1)), 0),
        (lambda net, x: net.head(x[:, :, 1:3]), 0),
        (lambda net, x: net.head(x.transpose(2, 3)), 0),
        (lambda net, x: net.big(x.view(x.size(0), -1)), 0),
        (lambda net, x: net.big(x.reshape(x.shape[0], -1)), 0),
        (lambda net, x: net.head(torch.cat([x, x[:, :2]], 1)[:, 2:]), 0),
        (lambda net, x: net.head(torch.cat([x, x], 2)), 1),
        (lambda net, x: net.head(x + net.head.weight.mean()), 1),
        (lambda net, x: net.head(x * x), 1),
        (lambda net, x: net.head(x * x.mean((2, 3), True).sigmoid()), 1),
        (lambda net, x: net.head(x * net.gate(x.mean((2, 3), True)).sigmoid()), 0),
        (lambda net, x: net.head(net.gate(x.mean((2, 3), True)).sigmoid() * x), 0),
        (lambda net, x: net.head(F.pad(x, (1, 2, 0, 1))), 0),
        (lambda net, x: net.head(F.pad(x, (1, 2, 0, 1), "reflect")), 0),
        (lambda net, x: net.head(F.pad(x, (1, 2, 0, 1), value=0.5)), 1),
        (lambda net, x: net.wide(F.pad(x, (0, 0, 0, 0, 1, 1))), 1),
        (lambda net, x: net.head(nn.ZeroPad2d(1)(x)), 0),
        (lambda net, x: net.head(nn.ReplicationPad2d(1)(x)), 0),
        (lambda net, x: net.head(nn.ConstantPad2d(1, 0.5)(x)), 1),
        (lambda net, x: net.head(net.lrn(x)), 1),
        (lambda net, x: x, 1),
        (lambda net, x: F.relu(x + net.same(x)), 2),
    ],
)
def test_what_lies_behind_the_rectifier(behind: Callable[..., Tensor], visible: int) -> None:
    modules = {
        "conv": nn.Conv2d(3, 4, 3),
        "head": nn.Conv2d(4, 2, 2),
        "fc": nn.Linear(4, 3),
        "big": nn.Linear(4 * 49, 3),
        "gate": nn.Conv2d(4, 4, 1),
        "wide": nn.Conv2d(6, 2, 1),
        "same": nn.Conv2d(4, 4, 3, padding=1),
        "lrn": nn.LocalResponseNorm(3),
    }
    check(Call(lambda net, x: behind(net, F.relu(net.conv(x))), **modules), visible)


def test_a_sum_of_factors_in_other_dimensions_is_refused_or_exact() -> None:
    check(
        Call(lambda net, x: net.fc(F.relu(net.conv(x)).sum(1)), conv=nn.Conv2d(3, 4, 3), fc=nn.Linear(7, 2)),
        1,
    )
