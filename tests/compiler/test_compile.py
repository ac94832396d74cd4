"""firebit.compile: worked examples, every operation, every refusal."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

import firebit as fb
from firebit.compiler.agreement import agreement
from firebit.compiler.compile import compile_with_report
from firebit.engine.plan import Layer, Plan
from firebit.engine.pool import Pool
from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, Scale, Step, harden, rectify, snap

GREY = torch.zeros(1, 1, 8, 8)


def steps(threshold: list[float], direction: list[int]) -> Step:
    return Step(torch.tensor(threshold), torch.tensor(direction))


def with_weights(layer: Any, weight: Any, bias: Any = None) -> Any:
    layer.weight.data = torch.tensor(weight, dtype=torch.float32)
    if layer.bias is not None:
        layer.bias.data = torch.tensor(bias if bias is not None else [0.0] * len(weight), dtype=torch.float32)
    return layer


def pixels(count: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def same(model: nn.Module, plan: Plan, shape: tuple[int, ...], count: int = 20) -> None:
    """The plan has every bit and every prediction of the network, in float64, and not all bits alike."""
    found = agreement(model.double(), plan, pixels(count, shape))
    assert found.bits_differ == 0
    assert found.bits > 0
    assert found.predictions_differ in (0, None)


def compiled(model: nn.Module, example: Tensor, **options: Any) -> Plan:
    return fb.compile(model, example, report=False, **options)


def test_a_small_network_by_hand() -> None:
    """Input x = p / 255. Unit 0: ½x₀ − ¼x₁ + ⅛ ≥ ¼; unit 1: −x₀ + x₁ ≤ 0; unit 2 always."""
    model = nn.Sequential(
        with_weights(nn.Linear(2, 3), [[0.5, -0.25], [-1.0, 1.0], [1.0, 0.0]], [0.125, 0.0, 0.0]),
        steps([0.25, 0.0, 0.0], [1, -1, 0]),
        with_weights(nn.Linear(3, 2), [[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]], [0.5, -0.5]),
    )
    plan = compiled(model, torch.zeros(1, 2), classes=("a", "b"))
    (layer,), logits = plan.layers, plan.logits
    assert (layer.name, layer.terms[0].source) == ("1", "input")
    assert layer.terms[0].weights.tolist() == [[2, -1], [-1, 1], [1, 0]]
    # s / (4 · 255) ≥ ¼ − ⅛ from s = 127.5 on.
    assert layer.threshold.tolist() == [[128, 0, 0]]
    assert layer.direction.tolist() == [1, -1, 0]
    assert logits is not None
    assert logits.terms[0].weights.tolist() == [[1, 2, 0], [0, -1, 3]]
    assert (logits.scale, logits.bias.tolist(), plan.classes) == (1.0, [0.5, -0.5], ("a", "b"))
    assert plan.input.shape == (2,)


def test_batch_norm_and_its_signs_by_hand() -> None:
    """γ = 2, −2, 0 over σ = ½: 4(s − μ) + β."""
    norm = nn.BatchNorm1d(3, eps=2.0**-20)
    norm.weight.data = torch.tensor([2.0, -2.0, 0.0])
    norm.bias.data = torch.tensor([1.0, 1.0, -1.0])
    norm.running_mean = torch.tensor([3.0, 3.0, 3.0])
    norm.running_var = torch.full((3,), 0.25 - 2.0**-20)
    ones = with_weights(nn.Linear(2, 3, bias=False), [[1.0, 1.0]] * 3)
    model = nn.Sequential(ones, norm, steps([0.0, 0.0, 0.0], [1, 1, 1]), nn.Linear(3, 2))
    plan = compiled(model, torch.zeros(1, 2), std=1 / 255)
    # 4(s − 3) + 1 ≥ 0 from 2.75, −4(s − 3) + 1 ≥ 0 up to 3.25, and −1 ≥ 0 never.
    assert plan.layers[0].direction.tolist() == [1, -1, 1]
    bound = int(plan.bounds["2"][2])
    assert plan.layers[0].threshold.tolist() == [[3, 3, bound + 1]]


def test_averages_at_the_border_by_hand() -> None:
    """Windows of 2 × 2 in ceil mode on 3 × 3: 4, 2, 2 and 1 cells. A bias of 1 counts once per cell, over 4."""
    conv = with_weights(nn.Conv2d(1, 1, 1), [[[[1.0]]]], [1.0])
    model = nn.Sequential(
        conv, nn.AvgPool2d(2, ceil_mode=True, divisor_override=4), steps([2.0], [1]), nn.Flatten(), nn.Linear(4, 2)
    )
    plan = compiled(model, torch.zeros(1, 1, 3, 3), std=1 / 255)
    # (S + n) / 4 ≥ 2: from 8 − n on, for windows of 1, 2 and 4 cells.
    assert plan.layers[0].threshold.tolist() == [[7], [6], [4]]
    assert plan.layers[0].terms[0].pool == Pool("sum", (2, 2), (2, 2), ceil=True)
    same(model, compiled(model, torch.zeros(1, 1, 3, 3)), (1, 3, 3))


def hidden(plan: Plan) -> list[str]:
    return [layer.name for layer in plan.layers]


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


def test_plus_and_minus_one_take_a_bit_each() -> None:
    class Sign(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight.sign()

    torch.manual_seed(3)
    hidden_layer = nn.Linear(6, 5)
    parametrize.register_parametrization(hidden_layer, "weight", Sign())
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), BoundedRectifier(6), hidden_layer, BoundedRectifier(5))
    model.append(nn.Linear(5, 3))
    example = torch.zeros(1, 1, 2, 2)
    binary = harden(snap(model, example), example)
    plan = compiled(binary, example)
    assert np.array_equal(plan.layers[1].terms[0].weights, hidden_layer.weight.detach().numpy())
    from firebit.engine.cost import cost

    assert cost(plan).layers[1].terms[0].weight_bits == 1
    same(binary, plan, (1, 2, 2))


def test_an_encoder_has_no_logits(tmp_path: Any) -> None:
    model = harden(
        snap(nn.Sequential(nn.Flatten(), nn.Linear(4, 9), BoundedRectifier(9)), GREY[..., :2, :2]), GREY[..., :2, :2]
    )
    plan = compiled(model, GREY[..., :2, :2])
    plan.save(tmp_path / "code.firebit")
    network = fb.load(tmp_path / "code.firebit")
    seen = pixels(30, (1, 2, 2))
    expected = model(torch.from_numpy(seen) / 255).numpy().astype(np.uint8)
    assert network.is_encoder
    assert np.array_equal(network.codes(seen), np.packbits(expected, axis=1, bitorder="little"))


def test_an_encoder_that_pools_its_bits_gives_the_pooled_ones() -> None:
    torch.manual_seed(0)
    model = harden(nn.Sequential(nn.Conv2d(1, 3, 3), BoundedRectifier(3), nn.MaxPool2d(2), nn.Flatten()), GREY)
    plan = compiled(model, GREY)
    seen = pixels(5, (1, 8, 8))
    expected = model(torch.from_numpy(seen) / 255).numpy().astype(np.uint8)
    assert np.array_equal(fb.engine.network.Network(plan).bits(seen).reshape(5, -1), expected)


def test_normalised_pictures() -> None:
    """The input is (p / 255 − mean) / std; a cell of padding, 0 to the network, is the pixel 255 · mean."""
    torch.manual_seed(4)
    model = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), BoundedRectifier(6), nn.Flatten(), nn.Linear(96, 4))
    example = torch.zeros(1, 2, 4, 4)
    bits = harden(snap(model, example), example).double()
    mean, std = [51 / 255, 102 / 255], [0.25, 0.5]
    plan = compiled(bits, example.double(), mean=mean, std=std)
    assert plan.input.pad == (51, 102)
    seen = pixels(40, (2, 4, 4))
    real = (torch.from_numpy(seen).double() / 255 - torch.tensor(mean).view(1, 2, 1, 1).double()) / torch.tensor(
        std
    ).view(1, 2, 1, 1).double()
    found = agreement(bits, plan, seen, lambda part: real[part])
    assert (found.bits_differ, found.predictions_differ) == (0, 0)
    with pytest.raises(UsageError, match="pads an input whose 0 is no pixel") as caught:
        compiled(bits, example.double(), mean=0.4914)
    assert "whole 255ths" in caught.value.remedy


def test_the_model_stays_as_it_was() -> None:
    model = harden(nn.Sequential(nn.Flatten(), nn.Linear(64, 3), BoundedRectifier(3), nn.Linear(3, 2)), GREY).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    compiled(model, GREY)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_report_is_printed_once_and_only_if_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    model = harden(nn.Sequential(nn.Flatten(), nn.Linear(64, 3), BoundedRectifier(3), nn.Linear(3, 2)), GREY)
    fb.compile(model, GREY)
    text = capsys.readouterr().out
    assert "weights changed by" in text
    assert "on 1 picture" not in text
    fb.compile(model, torch.from_numpy(pixels(6, (1, 8, 8))) / 255)
    assert "on 6 pictures: predictions that differ: 0; bits that differ: 0 of 18" in capsys.readouterr().out
    fb.compile(model, GREY, report=False)
    assert capsys.readouterr().out == ""


def hardened_with(*middle: nn.Module, example: Tensor = GREY) -> nn.Module:
    """A hardened convolution, then whatever is given, then logits."""
    first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), steps([0.1] * 4, [1] * 4))
    before = nn.Sequential(*first, *middle, nn.Flatten())
    return nn.Sequential(*before, nn.Linear(before(example).shape[1], 2))


class Odd(nn.Module):
    """One operation as a function."""

    def __init__(self, operation: Any) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.operation(x)
        return result


REFUSED = [
    (hardened_with(nn.Softmax(1)), "Layer '2' .* is a Softmax", "probabilities"),
    (hardened_with(nn.Sigmoid()), "Layer '2' .* is a Sigmoid", "steps"),
    (hardened_with(Odd(torch.sin)), r"Layer '2.sin' \(.*test_compile.py:\d+\) is a sin", "steps"),
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
    (nn.Sequential(nn.Conv2d(1, 2, 1), steps([0.0] * 2, [1] * 2), nn.Conv2d(2, 2, 3)), "gives logits of shape", "Pool"),
]


@pytest.mark.parametrize(("model", "problem", "remedy"), REFUSED, ids=[problem[:40] for _, problem, _ in REFUSED])
def test_what_a_plan_cannot_hold(model: nn.Module, problem: str, remedy: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        compiled(model, GREY)
    assert remedy in caught.value.remedy
    assert "\n" not in caught.value.problem + caught.value.remedy


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        (torch.zeros(1, 8, 8), "one batch of pictures"),
        (torch.zeros(0, 1, 8, 8), "no pictures"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.int64), "floating-point|one batch"),
        ([GREY, GREY], "one batch of pictures"),
        ("picture", "not a tensor"),
    ],
)
def test_examples_that_are_none(example: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        compiled(hardened_with(), example)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"precision": "fast"}, "precision='fast'"),
        ({"mean": [1.0, 2.0]}, "mean="),
        ({"mean": float("nan")}, "mean="),
        ({"std": 0.0}, "std="),
        ({"classes": ("a",)}, "1 classes have 2 logits"),
        ({"classes": ("a", "a")}, "two classes"),
    ],
)
def test_options_that_do_not_fit(options: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        compiled(hardened_with(), GREY, **options)


def test_weights_that_are_no_numbers() -> None:
    model = hardened_with()
    model[0].weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(UsageError, match="not a number"):
        compiled(model, GREY)


def test_the_function_is_there_whatever_was_imported_before() -> None:
    code = "import firebit, firebit.compiler.compile; print(callable(firebit.compile), callable(firebit.load))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "True True\n", result.stderr


def test_layers_are_named_like_their_steps() -> None:
    plan = compiled(hardened_with(nn.MaxPool2d(2)), GREY)
    layer: Layer = plan.layer("1")
    assert layer.post == Pool("max", (2, 2), (2, 2))
