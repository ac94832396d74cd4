"""From traced networks to layers: every operation against torch, every refusal by its text.

Where networks have weights, thresholds and divisors of few binary digits, and see pixels of 0 … 255, torch rounds
nothing in float64: it is the measure for every bit, ties included.
"""

import copy
import math
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import firebit as fb
from firebit.compiler.agreement import agreement
from firebit.compiler.compile import compile_with_report
from firebit.engine.network import Network
from firebit.engine.plan import Layer, Plan
from firebit.engine.pool import Pool
from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, Scale, Step, harden, rectify, snap

GREY = torch.zeros(1, 1, 8, 8)
SMALL = torch.zeros(1, 1, 6, 6)


def steps(threshold: list[float], direction: list[int]) -> Step:
    return Step(torch.tensor(threshold), torch.tensor(direction))


def some_steps(channels: int) -> Step:
    """Thresholds −½, −¼, 0, … in both directions."""
    return steps([0.25 * i - 0.5 for i in range(channels)], [1 if i % 3 else -1 for i in range(channels)])


def pixels(count: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def compiled(model: nn.Module, example: Tensor, **options: Any) -> Plan:
    return fb.compile(model, example, report=False, **options)


def hidden(plan: Plan) -> list[str]:
    return [layer.name for layer in plan.layers]


def same(model: nn.Module, plan: Plan, shape: tuple[int, ...], count: int = 20) -> None:
    """The plan has every bit and every prediction of the network, in float64."""
    found = agreement(model.double(), plan, pixels(count, shape))
    assert found.bits_differ == 0
    assert found.bits > 0
    assert found.predictions_differ in (0, None)


def test_pooled_bits_are_kept_by_their_own_layer_or_by_one_of_their_own() -> None:
    def net(read_twice: bool) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.fire, self.pool = nn.Conv2d(1, 2, 3), BoundedRectifier(2), nn.MaxPool2d(2)
                self.last = nn.Linear(18 + 72 * read_twice, 3)

            def forward(self, x: Tensor) -> Tensor:
                bits = self.fire(self.conv(x))
                maps = self.pool(bits).flatten(1)
                return self.last(torch.cat([maps, bits.flatten(1)], 1) if read_twice else maps)

        torch.manual_seed(0)
        return harden(snap(Net(), GREY), GREY)

    once, twice = compiled(net(False), GREY), compiled(net(True), GREY)
    assert [(layer.name, layer.post is not None) for layer in once.layers] == [("fire", True)]
    assert [(layer.name, layer.post is not None) for layer in twice.layers] == [("fire", False), ("pool", True)]
    for read, plan in ((False, once), (True, twice)):
        same(net(read), plan, (1, 8, 8))


class Functional(nn.Module):
    """Everything by functions and methods: scaling, padding, pooling, views, means, constants, a shared module."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding="same")
        self.fire, self.again, self.out = BoundedRectifier(4), BoundedRectifier(4), nn.Linear(4, 3)
        self.gain = nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 4.0]))
        self.register_buffer("shift", torch.tensor([[[[0.5]], [[1.0]], [[-0.25]], [[2.0]]]]))

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 0, 2, 1))
        x = self.one(x) * self.gain.view(1, 4, 1, 1) + self.shift
        x = self.fire(-x / 2 - 0.125)
        x = F.dropout(x, training=self.training)
        x = self.again(torch.add(self.two(x), x, alpha=2))
        x = F.max_pool2d(x, 2).contiguous()
        return self.out(x.mean(dim=(2, 3)).view(x.size(0), -1))


def test_functions_and_methods() -> None:
    torch.manual_seed(1)
    model = harden(snap(Functional(), GREY), GREY)
    plan = compiled(model, GREY)
    # Bits that are pooled twice, by max and by mean, are kept in between.
    assert hidden(plan) == ["fire", "again", "mean"]
    same(model, plan, (1, 8, 8))


def test_a_rectifier_that_is_called_twice() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fire, self.out = nn.Linear(4, 5), nn.Linear(5, 5), BoundedRectifier(5), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.fire(self.b(self.fire(self.a(x.flatten(1))))))

    example = torch.zeros(1, 1, 2, 2)
    model = harden(snap(Net(), example), example)
    plan = compiled(model, example)
    assert hidden(plan) == ["fire", "fire_1"]
    same(model, plan, (1, 2, 2))


class Residual(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.side = nn.Conv2d(channels, width, 1, stride) if stride > 1 or channels != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.conv1(x)))
        return self.relu(self.norm2(self.conv2(y)) + self.side(x))


def randomise_norms(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features) * 0.2
            module.running_var = torch.rand(module.num_features) + 0.5
            module.weight.data = torch.randn(module.num_features)
            module.bias.data = torch.randn(module.num_features) * 0.2


@pytest.mark.parametrize("exact", [False, True])
def test_a_residual_network_that_was_rectified(exact: bool) -> None:
    """Shortcuts with and without weights, batch norms that cannot be folded alone, factors M of exact rectification."""
    torch.manual_seed(2)
    model = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), Residual(6, 6, 1), Residual(6, 8, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    )
    randomise_norms(model)
    pictures = torch.rand(8, 3, 12, 12)
    model.eval()
    bits = harden(rectify(model, pictures, exact=pictures if exact else None), pictures)
    plan, report = compile_with_report(bits, pictures[:1])
    assert hidden(plan) == ["1", "3.relu", "3.relu_1", "4.relu", "4.relu_1"]
    assert 0 < max(change.largest for change in report.changes) < 2**-15
    # Weights are rounded here, so single units near their thresholds may differ; none of 40 pictures shows one.
    same(bits, plan, (3, 12, 12), count=40)


def test_an_encoder_that_pools_its_bits_gives_the_pooled_ones() -> None:
    torch.manual_seed(0)
    model = harden(nn.Sequential(nn.Conv2d(1, 3, 3), BoundedRectifier(3), nn.MaxPool2d(2), nn.Flatten()), GREY)
    plan = compiled(model, GREY)
    seen = pixels(5, (1, 8, 8))
    expected = model(torch.from_numpy(seen) / 255).numpy().astype(np.uint8)
    assert np.array_equal(fb.engine.network.Network(plan).bits(seen).reshape(5, -1), expected)


def hardened_with(*middle: nn.Module, example: Tensor = GREY) -> nn.Module:
    """A hardened convolution, then whatever is given, then logits."""
    first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), steps([0.1] * 4, [1] * 4))
    before = nn.Sequential(*first, *middle, nn.Flatten())
    return nn.Sequential(*before, nn.Linear(before(example).shape[1], 2))


class Odd(nn.Module):
    """One operation as a function of the values before it; or of these and the module, whose parts are given."""

    def __init__(self, operation: Any, **parts: Any) -> None:
        super().__init__()
        self.operation, self.has_parts = operation, bool(parts)
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.operation(self, x) if self.has_parts else self.operation(x)
        return result


def fill(model: nn.Module, seed: int = 0) -> None:
    """Weights and biases are quarters from −1 to 1; batch norms divide by powers of two."""
    rng = np.random.default_rng(seed)

    def quarters(shape: Any, size: int = 4) -> Tensor:
        return torch.from_numpy(rng.integers(-size, size + 1, tuple(shape)) / 4).float()

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data = quarters(module.weight.shape)
            if module.bias is not None:
                module.bias.data = quarters(module.bias.shape)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            count, module.eps = (module.num_features,), 0.0
            module.running_mean = quarters(count, 20)
            module.running_var = torch.from_numpy(4.0 ** rng.integers(-1, 3, count)).float()
            if module.affine:
                module.weight.data, module.bias.data = quarters(count), quarters(count)


def around(operation: Any, *, channels: int = 4, batch: int = 1, **parts: Any) -> tuple[nn.Module, Tensor]:
    """A network that does something with bits (N, channels, 6, 6), then reads it by a layer with steps."""
    example = torch.zeros(batch, 1, 6, 6)
    middle = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1), some_steps(channels), Odd(operation, **parts))
    fill(middle)
    found = middle.eval()(example)
    after: list[nn.Module] = []
    if found.dim() == 4:
        after = [nn.Conv2d(found.shape[1], 5, 1), some_steps(5), nn.Flatten()]
        found = found[:, :1].flatten(1).repeat(1, 5)
    after += [nn.Linear(found.shape[1], 6), some_steps(6), nn.Linear(6, 3)]
    model = nn.Sequential(*middle, *after)
    fill(model)
    return model, example


def exactly(model: nn.Module, example: Tensor) -> Plan:
    """The plan has every bit and every logit of the network, on pixels as they are, many of them 0 or 255."""
    plan = compiled(model, example, std=1 / 255)
    shape = tuple(example.shape[1:])
    seen = np.concatenate([pixels(16, shape), 255 * (pixels(8, shape, 1) // 128)])
    found = agreement(copy.deepcopy(model).double(), plan, seen, lambda part: torch.from_numpy(seen[part]).double())
    assert len(found.layers) > 0
    assert found.bits_differ == 0
    assert found.largest_logit_change in (0, None)
    return plan


def inplace(net: Any, x: Tensor) -> Tensor:
    y = net.c(x)
    y *= 2
    y += x
    y -= 1
    y /= 4
    y = y.mul_(2).add_(1).sub_(0.5).div_(2).neg_()
    return net.t(y)  # type: ignore[no-any-return]


QUARTERS = torch.tensor([0.25, -1.0, 2.0, 0.0])
ABOUT_FOUR = QUARTERS.view(1, 4, 1, 1)
OPERATIONS: dict[str, Any] = {
    # What is nothing to a plan
    "contiguous": lambda x: x.contiguous(memory_format=torch.channels_last),
    "clone": lambda x: x.clone(memory_format=torch.contiguous_format).detach(),
    "to": lambda x: x.to(memory_format=torch.channels_last),
    "dropout that never drops": lambda x: F.dropout(x, 0.5, False),
    "dropout by keyword": lambda x: F.dropout2d(x, p=0.5, training=False),
    "dropout of nothing": lambda x: F.dropout(x, 0.0),
    "dropout of torch": lambda x: torch.dropout(x, 0.5, train=False),
    # Shapes
    "flatten": lambda x: torch.flatten(input=x, start_dim=1),
    "flatten from behind": lambda x: x.flatten(-3, -1),
    "view": lambda x: x.view(x.size(0), -1),
    "view of the same shape": lambda x: x.view(-1, 4, 6, 6),
    "squeeze": lambda x: torch.squeeze(F.max_pool2d(x, 6), (2, 3)),
    "flatten twice": lambda x: x.flatten(1).flatten(1),
    "pad": lambda x: F.pad(F.pad(x, (1, 0)), [0, 1, 2, 0], "constant", 0.0),
    "pad nothing": lambda x: F.pad(x, ()),
    # Affine maps
    "neg": lambda x: torch.neg(-x.neg()),
    "number - x": lambda x: 1 - x,
    "x + number by keyword": lambda x: x.add(other=0.5, alpha=2),
    "add a vector": (lambda net, x: x + net.b.view(4, 1, 1), {"b": QUARTERS}),
    "sub with alpha": (lambda net, x: torch.sub(net.b, x, alpha=2), {"b": ABOUT_FOUR}),
    "mul by a parameter": (lambda net, x: net.b * x, {"b": nn.Parameter(ABOUT_FOUR)}),
    "div by a vector": (lambda net, x: x / net.b, {"b": torch.tensor([[[2.0]], [[-0.5]], [[1.0]], [[4.0]]])}),
    "div by a negative number": lambda x: torch.div(x, -2.0),
    "scale of one channel": (lambda net, x: net.s(x), {"s": Scale(torch.tensor([0.5]), torch.tensor([1.0]))}),
    "scale from behind": (lambda net, x: net.s(x), {"s": Scale(QUARTERS, QUARTERS, dim=-3)}),
    "scale of a vector": (lambda net, x: x.flatten(1) * net.b, {"b": torch.arange(-72, 72) / 4}),
    "batch norm of bits": (lambda net, x: net.n(x), {"n": nn.BatchNorm2d(4)}),
    "batch norm without affine": (
        lambda net, x: net.t(net.n(net.c(x))),
        {"c": nn.Conv2d(4, 4, 1), "n": nn.BatchNorm2d(4, affine=False), "t": some_steps(4)},
    ),
    "batch norm as a function": (
        lambda net, x: net.t(F.batch_norm(net.c(x), net.m, net.v, weight=net.g, eps=0.0)),
        {"c": nn.Conv2d(4, 4, 1), "m": QUARTERS, "v": torch.tensor([1.0, 4.0, 0.25, 16.0]), "g": nn.Parameter(QUARTERS)}
        | {"t": some_steps(4)},
    ),
    "in place": (inplace, {"c": nn.Conv2d(4, 4, 1), "t": some_steps(4)}),
    # Sums
    "x + x": (lambda net, x: net.t(x + x), {"t": steps([2.0, 1.0, 0.5, 0.0], [1, -1, 1, 1])}),
    "x - x": (lambda net, x: net.t(torch.sub(input=x, other=x)), {"t": steps([0.0, 1.0, 0.5, -1.0], [1, -1, 1, 1])}),
    "shortcut with alpha": (
        lambda net, x: net.t(net.c(x).add(other=x, alpha=-2)),
        {"c": nn.Conv2d(4, 4, 3, padding=1), "t": some_steps(4)},
    ),
    "shortcut of scaled bits": (
        lambda net, x: net.t(torch.subtract(x * net.b + 1, net.c(x))),
        {"c": nn.Conv2d(4, 4, 1), "t": some_steps(4), "b": ABOUT_FOUR},
    ),
    "average and shortcut": (
        lambda net, x: net.t(F.avg_pool2d(net.c(x), 2) + F.max_pool2d(x, 2)),
        {"c": nn.Conv2d(4, 4, 1), "t": some_steps(4)},
    ),
    "averages of two sums": (
        lambda net, x: net.t(F.avg_pool2d(net.c(x) + x, 2)),
        {"c": nn.Conv2d(4, 4, 1), "t": some_steps(4)},
    ),
    "largest of a negative multiple": (
        lambda net, x: net.t(F.max_pool2d(net.c(x) * net.b, 3, 2, 1) * -net.b),
        {"c": nn.Conv2d(4, 4, 1), "t": some_steps(4), "b": ABOUT_FOUR},
    ),
    "a third, exactly": (
        lambda net, x: net.t(net.c(x) / 3),
        {"c": nn.Conv2d(4, 3, 3, bias=False), "t": steps([1.0, -1.0, 0.0], [1, 1, -1])},
    ),
    "a third of a shortcut": (
        lambda net, x: net.t(x.mul(6) / 3 + x),
        {"t": steps([3.0, 2.0, 1.0, 3.0], [1, 1, 1, -1])},
    ),
    "linear behind linear": (
        lambda net, x: net.t(net.m(net.n(net.l(x.flatten(1))))),
        {"l": nn.Linear(144, 5), "n": nn.BatchNorm1d(5), "m": nn.Linear(5, 4, bias=False), "t": some_steps(4)},
    ),
    # Weights from anywhere
    "convolution of computed weights": (
        lambda net, x: net.t(F.conv2d(x, net.w.abs().sub(0.5) * 2, net.b / 2, padding=[1], groups=2)),
        {"w": nn.Parameter(torch.arange(72).reshape(6, 2, 2, 3) % 7 / 4 - 0.75), "b": nn.Parameter(torch.arange(6) / 4)}
        | {"t": some_steps(6)},
    ),
    "linear of transposed weights": (
        lambda net, x: net.t(F.linear(x.flatten(1), net.w.T.clone(), bias=net.b)),
        {
            "w": torch.arange(576).reshape(144, 4) % 9 / 4 - 1.0,
            "b": nn.Parameter(torch.arange(4) / 4),
            "t": some_steps(4),
        },
    ),
    "weights changed in place": (
        lambda net, x: net.t(F.linear(x.flatten(1), net.w.clone().mul_(2).add_(0.25))),
        {"w": torch.arange(576).reshape(4, 144) % 9 / 4 - 1.0, "t": some_steps(4)},
    ),
    "constants through layers": (
        lambda net, x: net.t(net.c(x) + net.t(F.avg_pool2d(net.b, 2))),
        {"c": nn.Conv2d(4, 4, 1), "t": some_steps(4), "b": torch.arange(16.0).reshape(1, 4, 2, 2)},
    ),
    "convolution without bias": (
        lambda net, x: net.t(net.c(x)),
        {"c": nn.Conv2d(4, 6, (2, 3), (2, 1), groups=2, bias=False), "t": some_steps(6)},
    ),
    "padding 'same' of an even kernel": (
        lambda net, x: net.t(net.c(x)),
        {"c": nn.Conv2d(4, 3, (2, 4), padding="same", dilation=(1, 2)), "t": some_steps(3)},
    ),
    "padding 'valid'": (lambda net, x: net.t(net.c(x)), {"c": nn.Conv2d(4, 3, 3, padding="valid"), "t": some_steps(3)}),
    # Pooling
    "strides over cells": (
        lambda net, x: net.t(F.max_pool2d(net.c(x), 2, 3)),
        {"c": nn.Conv2d(4, 3, 1), "t": some_steps(3)},
    ),
    "a last window that is dropped": (
        lambda net, x: net.t(F.avg_pool2d(net.c(x), 2, 3, 1, True)),
        {"c": nn.Conv2d(4, 3, 1), "t": some_steps(3)},
    ),
    "max pooling of torch": lambda x: torch.max_pool2d(x, 2, 1, 1, 1, True),
    "a window by the shape": lambda x: F.max_pool2d(x, x.shape[2:]),
    "counts at the border": lambda x: F.avg_pool2d(x, (2, 4), (2, 3), (0, 2), True),
    "counts of cells inside": lambda x: F.avg_pool2d(x, 2, 2, 1, count_include_pad=False),
    "counts by a divisor": lambda x: F.avg_pool2d(x * 3 + 1, 2, divisor_override=8),
    "largest of one place": lambda x: F.adaptive_max_pool2d(x, (None, 3)),
    "a mean that keeps its sides": lambda x: F.max_pool2d(x, 3, 1).mean((-1, -2), keepdims=True),
    "a mean by axis": lambda x: torch.mean(F.max_pool2d(x, 3, 1), axis=[3, 2], keepdim=False),
    "a mean of sums": (
        lambda net, x: net.t(net.c(x).mean((2, 3), True).flatten(1)),
        {"c": nn.Conv2d(4, 3, 3), "t": some_steps(3)},
    ),
    # Joined maps
    "cat of one value twice": lambda x: torch.cat([x, x], 1),
    "cat by keyword": lambda x: torch.cat(dim=-3, tensors=(x, x * 2 - 1)),
    "cat of cat": lambda x: torch.concat([torch.cat([x, x * -1], 1), F.max_pool2d(x, 3, 1, 1)], 1),
    "cat of padded maps": lambda x: torch.cat([F.pad(F.max_pool2d(x, 3, 1), (1, 0, 1, 0)), F.max_pool2d(x, 2, 1)], 1),
    "cat of vectors": lambda x: torch.cat([x.flatten(1), F.max_pool2d(x, 2).flatten(1)], -1),
    "cat, flattened": lambda x: torch.cat([x, x * 2], 1).flatten(1),
    "cat, normalised": (lambda net, x: net.n(torch.cat([x, 2 - x], 1)), {"n": nn.BatchNorm2d(8)}),
    "cat, scaled": (lambda net, x: torch.cat([x, x], 1) * net.b / 2 + 1, {"b": torch.arange(-4, 4).view(8, 1, 1) / 4}),
    "cat, padded, in groups": (
        lambda net, x: net.t(net.c(F.pad(torch.cat([x, x * -2], 1), (1, 2)))),
        {"c": nn.Conv2d(8, 4, 3, groups=4), "t": some_steps(4)},
    ),
    "cat, largest": lambda x: F.max_pool2d(torch.cat([x, x * 2], 1), 3, 1, 1, ceil_mode=True),
    "cat, averaged": lambda x: F.avg_pool2d(torch.cat([x * 4, x * 2], 1), 2, 2, 1, count_include_pad=False),
    "cat, averaged, shifted": lambda x: F.avg_pool2d(torch.cat([x + 1, x * 2], 1), 2),
    "cat, adaptive": lambda x: F.adaptive_avg_pool2d(torch.cat([F.max_pool2d(x, 3, 1)] * 2, 1), (2, None)),
    "cat, mean": lambda x: torch.cat([F.max_pool2d(x, 3, 1), F.max_pool2d(x * 2, 3, 1) - 1], 1).mean((2, 3)),
    "cat, mean that keeps its sides": lambda x: torch.cat([F.max_pool2d(x, 3, 1)] * 2, 1).mean((2, 3), True),
    "cat, a quarter": lambda x: torch.cat([x, x], 1) / 4,
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("batch", [1, 3])
def test_operations(name: str, batch: int) -> None:
    given = OPERATIONS[name]
    operation, parts = given if isinstance(given, tuple) else (given, {})
    exactly(*around(operation, batch=batch, **parts))


REFUSED = [
    (hardened_with(nn.Softmax(1)), "Layer '2' .* is a Softmax", "probabilities"),
    (hardened_with(nn.Sigmoid()), "Layer '2' .* is a Sigmoid", "steps"),
    (hardened_with(Odd(torch.sin)), r"Layer '2.sin' \(.*test_lower.py:\d+\) is a sin", "steps"),
    (hardened_with(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")), "pads with reflect", "zero padding"),
    (hardened_with(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)), "Layer '3' .*reads real values", "activation"),
    (hardened_with(nn.Conv2d(4, 4, 3)), "flattens a map of real values", "step"),
    (hardened_with(nn.AvgPool2d(2), nn.AvgPool2d(2)), "Layer '3' .*pools counts", "Pool once"),
    (hardened_with(nn.AdaptiveAvgPool2d(3)), "Layer '2' .*windows of different sizes", "divides"),
    (hardened_with(nn.AdaptiveMaxPool2d(3)), "Layer '2' .*windows of different sizes", "divides"),
    (hardened_with(nn.MaxPool2d(2, dilation=2)), "pools with dilation", "dilation"),
    (hardened_with(nn.BatchNorm2d(4, track_running_stats=False)), "by the batch it sees", "track_running_stats"),
    (hardened_with(Odd(lambda x: x * x)), "multiplies two values", "product"),
    (hardened_with(Odd(lambda x: 1 / x)), "divides by what depends|is a rdiv|reciprocal", ""),
    (hardened_with(Odd(lambda x: x.transpose(2, 3))), "is a transpose", ""),
    (hardened_with(Odd(lambda x: x.reshape(-1, 4, 4, 16))), "reshapes", "flatten"),
    (hardened_with(Odd(lambda x: torch.cat([x, x], 2))), "joins", "Join"),
    (hardened_with(Odd(lambda x: x.mean(1, keepdim=True))), "mean that is not over height and width", "dim="),
    (hardened_with(Scale(-torch.ones(4)), nn.MaxPool2d(2)), "negative factor", "Pool before"),
    (
        hardened_with(Scale(torch.ones(4), torch.ones(4)), nn.Conv2d(4, 4, 3, padding=1), nn.MaxPool2d(8)),
        "pads bits",
        "",
    ),
    (
        nn.Sequential(nn.MaxPool2d(2), *hardened_with(example=GREY[..., :4, :4])),
        "Layer '0' .*pools pixels",
        "Pool after",
    ),
    (nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), "has no step before its last layer '1'", "harden"),
    (nn.Sequential(nn.Flatten(), nn.Linear(64, 4), BoundedRectifier(4)), "'2' is a bounded rectifier", "fb.nn.harden"),
    (hardened_with(nn.ReLU()), "Layer '2' .*is a ReLU", "rectify"),
    (hardened_with(Odd(F.relu)), "Layer '2.relu' .*is a ReLU", "rectify"),
    (nn.Sequential(*hardened_with()[:2], nn.AvgPool2d(2)), "encoder|gives scaled bits", "last step"),
    (nn.Flatten(), "gives no logits and no bits", "linear layer"),
    (hardened_with(Odd(lambda x: (x * 0.5).to(torch.int32).float())), "Layer '2.to' .*gives torch.int32", "floating"),
    (hardened_with(Odd(lambda x: x.view(torch.int32).float())), "Layer '2.view' .*gives torch.int32", "floating"),
    (hardened_with(Odd(lambda x: x.half().float())), "'2.half' .*is a half", ""),
    (
        hardened_with(Odd(lambda x: F.dropout(x * 0, 0.5, True))),
        "'2.dropout' .*drops values in evaluation",
        "nn.Dropout",
    ),
    (hardened_with(Odd(lambda x: F.dropout(x * 0))), "'2.dropout' .*drops values in evaluation", "nn.Dropout"),
    (hardened_with(Odd(lambda x: x + torch.rand_like(x) * 0)), "'2.rand_like' .*is a rand_like", ""),
    (hardened_with(Odd(lambda x: torch.div(x, 2, rounding_mode="floor"))), "'2.div' .*rounding_mode=", "Leave"),
    (hardened_with(Odd(lambda x: x / x)), "'2.truediv' .*divides by what depends on the picture", "quotient"),
    (hardened_with(Odd(lambda x: x * True)), "'2.mul' .*has the operand True", "number"),
    (
        hardened_with(Odd(lambda n, x: x + n.b, b=torch.ones(8))),
        r"'2.add' .*has an operand of shape \(8,\)",
        "one value per channel",
    ),
    (
        hardened_with(Odd(lambda n, x: n.c(x) * n.b, c=nn.Conv2d(4, 1, 1), b=torch.ones(1, 3, 1, 1))),
        r"'2.mul' .*makes values of shape \(1, 3, 8, 8\) of \(1, 1, 8, 8\)",
        "as many channels",
    ),
    (
        hardened_with(Odd(lambda n, x: (x + n.b).flatten(1), b=torch.ones(1, 1, 1, 1, 1))),
        r"'2.add' .*makes values of shape \(1, 1, 4, 8, 8\)",
        "as many channels",
    ),
    (
        hardened_with(nn.Conv2d(4, 1, 1), steps([0.5] * 3, [1] * 3)),
        r"'3' .*makes values of shape \(1, 3, 8, 8\)",
        "as many channels",
    ),
    (hardened_with(Odd(lambda x: x * math.inf)), "'2.mul' .*not finite", "Train"),
    (hardened_with(Odd(lambda x: x * 1e200 * 1e200)), "'2.mul_1' .*not finite", "Train"),
    (hardened_with(Odd(lambda x: x / 0)), "'2.truediv' .*not finite", "Train"),
    (hardened_with(Odd(lambda x: x + math.nan)), "'2.add' .*not finite", "Train"),
    (hardened_with(nn.Conv2d(4, 2, 1), Odd(lambda x: (x + math.inf) * 0)), "'3.mul' .*not finite", "Train"),
    (hardened_with(nn.AvgPool2d(2, divisor_override=-1)), "'2' .*averages with the divisor -1", "positive"),
    (hardened_with(Odd(lambda x: F.max_pool2d(x, 2, return_indices=True)[0])), "max_pool2d_with_indices", ""),
    (nn.Sequential(*hardened_with()[:2], nn.MaxPool2d(8, return_indices=True)), "'2' .*returns indices", "Leave"),
    (nn.Sequential(*hardened_with()[:2], nn.AdaptiveMaxPool2d(1, True)), "'2' .*gives several results", "one tensor"),
    (hardened_with(Odd(lambda x: torch.cat([x, torch.ones(1, 1, 8, 8)], 1))), "'2.cat' .*not all bits", "Join"),
    (
        hardened_with(Odd(lambda x: torch.cat([x, x], 1)), steps([0.5] * 8, [1] * 8)),
        "'3' .*adds up joined maps",
        "behind",
    ),
    (hardened_with(nn.Flatten(), steps([0.5] * 256, [1] * 256)), "'3' .*adds up a flattened map", "behind"),
    (hardened_with(nn.ZeroPad2d(1), steps([0.5] * 4, [1] * 4)), "'3' .*adds up a map with zeros", "convolution"),
    (hardened_with(nn.ZeroPad2d(1), nn.BatchNorm2d(4)), "'3' .*scales a map after zeros", "before the padding"),
    (hardened_with(nn.ZeroPad2d(1), nn.MaxPool2d(2)), "'3' .*a map with zeros around it", "let the pooling pad"),
    (hardened_with(nn.ConstantPad2d(1, 1.0)), "'2' .*pads with constant 1.0", "zeros"),
    (hardened_with(Odd(lambda x: F.pad(x, (0, 0, 0, 0, 1, 0)))), "'2.pad' .*pads channels", "height and width"),
    (hardened_with(nn.Conv2d(4, 4, 1), nn.ZeroPad2d(1)), "'3' .*pads real values", "Pad bits"),
    (hardened_with(nn.Linear(8, 8)), r"'2' .*reads values of shape \(4, 8, 8\)", "Flatten"),
    (hardened_with(Odd(lambda x: F.conv2d(x, x))), "'2.conv2d' .*weights that depend on the picture", "fixed"),
    (
        hardened_with(Odd(lambda n, x: F.linear(n.w, x.flatten(1)), w=torch.ones(1, 256))),
        "'2.linear' .*weights that depend on the picture",
        "fixed",
    ),
    (
        hardened_with(Odd(lambda n, x: F.conv2d(n.w, x), w=torch.ones(1, 4, 8, 8))),
        "'2.conv2d' .*weights that depend on the picture",
        "fixed",
    ),
    (
        hardened_with(Odd(lambda n, x: F.batch_norm(x, n.m, n.m, training=True), m=torch.ones(4))),
        "'2.batch_norm' .*by the batch it sees",
        "track_running_stats",
    ),
    (hardened_with(Odd(lambda x: x.flatten(1)), nn.Linear(256, 4), Odd(lambda x: x.relu_())), "is a ReLU", "rectify"),
    (hardened_with(Odd(lambda x: x.view(-1, 128))), r"'2.view' .*reshapes \(4, 8, 8\) to \(128,\)", "flatten"),
    (hardened_with(Odd(lambda x: x.reshape(x.shape[0], 8, 4, 8))), "'2.reshape' .*reshapes", "flatten"),
    (nn.Sequential(*hardened_with()[:2], nn.Flatten(0)), "'2' .*reshapes in a way", "flatten"),
    (hardened_with(Odd(lambda x: x.mT)), "is a getattr", ""),
    (hardened_with(nn.Flatten(2), Odd(lambda x: x.flatten(1))), "'2' .*reshapes", "flatten"),
    (hardened_with(Odd(lambda x: x.flatten(1)[None][0])), "'2.getitem' .*is a getitem", ""),
    (hardened_with(Scale(torch.ones(8), dim=2)), "dimension 2", "1"),
    (
        hardened_with(nn.Conv2d(4, 4, 1), nn.AvgPool2d(2), nn.MaxPool2d(2)),
        "'4' .*second pooling before an activation",
        "activation between",
    ),
    (
        hardened_with(Odd(lambda n, x: F.max_pool2d(n.c(x) + x, 2), c=nn.Conv2d(4, 4, 1))),
        "takes the largest of sums of several layers",
        "Pool after",
    ),
    (
        hardened_with(Odd(lambda n, x: F.avg_pool2d(n.c(x) + x, 3, ceil_mode=True), c=nn.Conv2d(4, 4, 1))),
        "averages sums of several layers over windows",
        "Pool after",
    ),
    (
        hardened_with(
            Odd(
                lambda n, x: F.avg_pool2d(n.c(x), 3, ceil_mode=True) + 1 + F.max_pool2d(x, 3, ceil_mode=True),
                c=nn.Conv2d(4, 4, 1),
            )
        ),
        "adds an average of windows that cover fewer cells",
        "divisor_override",
    ),
    (hardened_with(Odd(lambda x: F.avg_pool2d(x + 1, 2, 2, 1))), "averages shifted bits", "Shift before"),
    (
        hardened_with(Odd(lambda n, x: n.c(x) + F.max_pool2d(x, 8), c=nn.Conv2d(4, 4, 1))),
        "adds values of shape",
        "same shape",
    ),
    (hardened_with(nn.Conv2d(4, 4, 8), nn.Flatten(), nn.Linear(4, 4)), "'4' .*reads real values", "activation"),
    (Odd(lambda x: (x, x)), "gives several outputs", "one output"),
    (Odd(lambda n, x: n.b, b=torch.ones(1, 2)), "gives no logits and no bits", "linear layer"),
    (nn.Sequential(*hardened_with()[:2], nn.ZeroPad2d(1)), "gives bits with zeros around them", "last step"),
    (nn.Sequential(*hardened_with()[:2], nn.AvgPool2d(2, divisor_override=1)), "gives counts of bits", "last step"),
    (
        nn.Sequential(nn.Flatten(), nn.Linear(64, 0), Step(torch.ones(0), torch.ones(0)), nn.Linear(0, 2)),
        "no values",
        "",
    ),
    (nn.Sequential(*hardened_with()[:-1], nn.Linear(256, 0)), "'3' .*gives no values", "Leave"),
    (
        Odd(
            lambda n, x: n.l(n.t(n.a(x) + n.a(x * 5 - 1)).flatten(1)),
            a=nn.Conv2d(1, 2, 3, 1, 1),
            t=some_steps(2),
            l=nn.Linear(128, 2),
        ),
        "pads the input with another value",
        "once",
    ),
    (Odd(lambda n, x: n.t(n.a(x - 2)), a=nn.Conv2d(1, 2, 3, 1, 1), t=some_steps(2)), "0 is no pixel", "255ths"),
    (Odd(lambda n, x: n.t(n.a(x + 0.2)), a=nn.Conv2d(1, 2, 3, 1, 1), t=some_steps(2)), "0 is no pixel", "255ths"),
    (Odd(lambda n, x: n.t(n.a(x * 0 + 1)), a=nn.Conv2d(1, 2, 3, 1, 1), t=some_steps(2)), "scaled by 0", "Leave"),
    (nn.Sequential(nn.Conv2d(1, 2, 1), steps([0.0] * 2, [1] * 2), nn.Conv2d(2, 2, 3)), "gives logits of shape", "Pool"),
]


@pytest.mark.parametrize(("model", "problem", "remedy"), REFUSED, ids=[problem for _, problem, _ in REFUSED])
def test_what_a_plan_cannot_hold(model: nn.Module, problem: str, remedy: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        compiled(model, GREY)
    assert remedy in caught.value.remedy
    assert "\n" not in caught.value.problem + caught.value.remedy


def test_layers_are_named_like_their_steps() -> None:
    plan = compiled(hardened_with(nn.MaxPool2d(2)), GREY)
    layer: Layer = plan.layer("1")
    assert layer.post == Pool("max", (2, 2), (2, 2))


def hooked(where: int) -> nn.Module:
    model: Any = hardened_with()
    model[where].register_forward_hook(lambda _module, _inputs, output: 1 - output)
    return model


def with_another_forward() -> nn.Module:
    model: Any = hardened_with()
    model[0].forward = MethodType(lambda self, x: F.conv2d(x, -self.weight, self.bias, padding=1), model[0])
    return model


class Inverted(Step):
    def forward(self, y: Tensor) -> Tensor:
        return 1 - super().forward(y)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (hooked(0), "Layer '0' .*has a forward hook"),
        (hooked(1), "Layer '1' .*has a forward hook"),
        (with_another_forward(), "Layer '0' .*a forward of its own"),
        (nn.Sequential(hardened_with()[0], Inverted(torch.ones(4), torch.ones(4))), "Layer '1' .*is a Inverted"),
    ],
)
def test_modules_that_are_not_what_their_class_is(model: nn.Module, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        compiled(model, GREY)


def test_constants_that_a_layer_draws() -> None:
    noise = Odd(lambda n, x: x + F.dropout(n.b, 0.5, True) * 0.01, b=nn.Parameter(torch.ones(1, 400, 1, 1)))
    model = nn.Sequential(nn.Conv2d(1, 400, 3), steps([0.1] * 400, [1] * 400), noise, nn.Conv2d(400, 2, 3))
    model.extend([steps([999.0] * 2, [1] * 2), nn.Flatten(), nn.Linear(32, 2)])
    with pytest.raises(UsageError, match=r"'2.dropout' .*draws random numbers") as caught:
        compiled(model, GREY)
    assert "buffer" in caught.value.remedy


def test_a_call_of_another_step_keeps_its_name() -> None:
    """ "act" is called twice; "act_1" is a module, and so is "act_2", a pooling whose bits are kept."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
            self.act, self.act_1, self.act_2 = some_steps(4), some_steps(5), nn.MaxPool2d(3, 1, 1)
            self.linear, self.last = nn.Linear(128, 5), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.act(self.first(x))
            pooled = self.act_2(x)
            x = self.act(self.second(pooled) + x)
            logits: Tensor = self.last(self.act_1(self.linear(torch.cat([x, pooled], 1).flatten(1))))
            return logits

    model = Net()
    fill(model)
    plan = exactly(model, SMALL)
    assert hidden(plan) == ["act", "act_2_1", "act_2", "act_1"]


def test_names_that_functions_share_with_steps() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.max_pool2d = some_steps(3), some_steps(3)
            self.weight = nn.Parameter(torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, 1.0]]))

        def forward(self, x: Tensor) -> Tensor:
            bits = self.linear(x)
            pooled = F.max_pool2d(bits, 3, 1, 1)
            both = self.max_pool2d(bits + pooled)
            return F.linear(F.max_pool2d(both, 6).flatten(1), self.weight)

    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), Net())
    fill(model)
    plan = exactly(model, SMALL)
    assert hidden(plan) == ["1.linear", "1.max_pool2d_1", "1.max_pool2d"]
    assert plan.logits is not None
    assert plan.logits.name == "1.linear_1"


@pytest.mark.parametrize("step_first", [True, False])
def test_layers_that_are_named_like_the_input(step_first: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, last = nn.Linear(4, 3), nn.Linear(3, 2)
            self.input, self.other = (some_steps(3), last) if step_first else (last, some_steps(3))

        def forward(self, x: Tensor) -> Tensor:
            one, two = (self.input, self.other) if step_first else (self.other, self.input)
            logits: Tensor = two(one(self.first(x)))
            return logits

    model = Net()
    fill(model)
    plan = exactly(model, torch.zeros(1, 4))
    assert plan.logits is not None
    assert (hidden(plan)[0], plan.logits.name) == (("input_1", "other") if step_first else ("other", "input_1"))


def test_calls_whose_results_nobody_reads_count_where_names_are_given() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.fire, self.last = nn.Linear(4, 3), some_steps(3), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            sums = self.first(x)
            self.fire(-sums)
            logits: Tensor = self.last(self.fire(sums))
            return logits

    model = Net()
    fill(model)
    assert hidden(exactly(model, torch.zeros(1, 4))) == ["fire_1"]


def test_one_threshold_for_all_channels() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), steps([2.0], [-1]), nn.Flatten(), nn.Linear(48, 2))
    fill(model)
    plan = exactly(model, SMALL)
    assert plan.layers[0].direction.tolist() == [-1, -1, -1]


def test_steps_on_pixels() -> None:
    """Pixels of 100 and over, then a convolution."""
    model = nn.Sequential(steps([100.0], [1]), nn.Conv2d(1, 2, 2), some_steps(2))
    fill(model)
    plan = exactly(model, SMALL)
    assert plan.layers[0].terms[0].weights.tolist() == [1]
    assert plan.layers[0].threshold.tolist() == [[100]]


def test_thresholds_out_of_reach() -> None:
    infinite, huge = [math.inf, -math.inf] * 2, [1e300, -1e300] * 2
    for thresholds in (infinite, huge):
        model = nn.Sequential(nn.Conv2d(1, 4, 3), steps(thresholds, [1, 1, -1, -1]), nn.Flatten(), nn.Linear(64, 2))
        fill(model)
        exactly(model, SMALL)


def test_biases_that_are_infinite() -> None:
    """∞ + s is over every threshold, −∞ + s under every one."""
    conv = nn.Conv2d(1, 2, 3)
    model = nn.Sequential(conv, steps([0.0, 0.0], [1, 1]), nn.Flatten(), nn.Linear(32, 2))
    fill(model)
    assert conv.bias is not None
    conv.bias.data = torch.tensor([math.inf, -math.inf])
    exactly(model, SMALL)


@pytest.mark.parametrize("size", [2.0**-1060, 2.0**900])
def test_weights_at_the_ends_of_floating_point(size: float) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), steps([0.0] * 4, [1, -1, 1, -1]), nn.Flatten())
    model.append(nn.Linear(64, 2))
    fill(model)
    model.double()[0].weight.data *= size
    exactly(model, SMALL.double())


@pytest.mark.parametrize(
    ("normalise", "pad"),
    [
        (lambda x: x - 51, 51),
        (lambda x: (x - 51) / 2, 51),
        (lambda x: 255 - x, 255),
        (lambda x: x * 4, 0),
        (lambda x: F.pad(x - 7, (1, 0, 2, 0)), 7),
    ],
)
def test_cells_around_a_normalised_input(normalise: Any, pad: int) -> None:
    operation = Odd(
        lambda n, x: n.l(n.t(n.a(normalise(x))).flatten(1)),
        a=nn.Conv2d(1, 2, 3, padding=1),
        t=some_steps(2),
        l=nn.LazyLinear(2),
    )
    operation(SMALL)
    fill(operation)
    assert exactly(operation, SMALL).input.pad == (pad,)


def test_two_layers_that_pad_the_same_cells() -> None:
    """One reads x − 51, one 2·(x − 51), and one the pixels as they are, without padding."""
    model = Odd(
        lambda n, x: n.l(n.t(n.a(x - 51) + n.b((x - 51) * 2) + n.c(x)).flatten(1)),
        **{"a": nn.Conv2d(1, 2, 3, padding=1), "b": nn.Conv2d(1, 2, 3, padding=1), "c": nn.Conv2d(1, 2, 1)},
        **{"t": some_steps(2), "l": nn.Linear(72, 2)},
    )
    fill(model)
    assert exactly(model, SMALL).input.pad == (51,)


def test_a_channel_that_is_scaled_by_nothing() -> None:
    """Its cells are 0 whatever the pixels are, and so is its padding."""
    model = Odd(
        lambda n, x: n.l(n.t(n.a(x * n.b)).flatten(1)),
        **{"a": nn.Conv2d(2, 2, 3, padding=1), "b": torch.tensor([[[0.0]], [[2.0]]])},
        **{"t": some_steps(2), "l": nn.Linear(72, 2)},
    )
    fill(model)
    assert exactly(model, torch.zeros(1, 2, 6, 6)).input.pad == (0, 0)


def test_shortcuts_of_pixels() -> None:
    model = Odd(
        lambda n, x: n.l(n.t(n.a(x) + x * 2 - 3).flatten(1)),
        **{"a": nn.Conv2d(2, 2, 3, padding=1), "t": some_steps(2), "l": nn.Linear(72, 2)},
    )
    fill(model)
    plan = exactly(model, torch.zeros(1, 2, 6, 6))
    assert [term.weights.ndim for term in plan.layers[0].terms] == [4, 1]


def test_a_batch_norm_and_a_layer_that_are_called_twice() -> None:
    norm, conv = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), norm, BoundedRectifier(4), conv, norm, BoundedRectifier(4))
    model.extend([conv, some_steps(4), nn.Flatten(), nn.Linear(16, 2)])
    fill(model)
    hardened = harden(model, SMALL)
    assert hidden(exactly(hardened, SMALL)) == ["2", "5", "7"]
    exactly(hardened[:6], SMALL)


def test_other_layouts_dtypes_modes_and_batches() -> None:
    model, _ = around(nn.MaxPool2d(2))
    fill(model)
    wide: Any = model.double().to(memory_format=torch.channels_last).train()
    example = torch.zeros(3, 1, 6, 6, dtype=torch.float64).to(memory_format=torch.channels_last)
    plan = exactly(wide, example)
    assert wide.training
    assert plan.fingerprint == compiled(model.float(), SMALL, std=1 / 255).fingerprint


def test_an_encoder_whose_bits_are_no_last_layer() -> None:
    """A step that is read by another, which comes to nothing: the bits are repeated at the end."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.fire, self.again = nn.Linear(4, 3), some_steps(3), some_steps(3)

        def forward(self, x: Tensor) -> Tensor:
            bits: Tensor = self.fire(self.first(x))
            self.again(bits)
            return bits

    model = Net()
    fill(model)
    plan = exactly(model, torch.zeros(1, 4))
    assert (hidden(plan), plan.logits) == (["fire"], None)


def test_pooled_bits_that_are_codes() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), some_steps(3), nn.MaxPool2d(2))
    fill(model)
    plan = exactly(model, SMALL)
    assert hidden(plan) == ["1", "1.output"]
    seen = pixels(9, (1, 6, 6))
    expected = model(torch.from_numpy(seen).float())
    assert np.array_equal(Network(plan).bits(seen), expected.numpy())
