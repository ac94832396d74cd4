"""firebit.compile: worked examples, its arguments, what it leaves alone."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import firebit as fb
from firebit.compiler.agreement import agreement
from firebit.engine.plan import Plan
from firebit.engine.pool import Pool
from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, Step, harden, snap

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


def small() -> nn.Module:
    """A hardened network of GREY pictures, with two logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), steps([0.1] * 4, [1] * 4), nn.Linear(4, 2))


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
        compiled(small(), example)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"precision": "quick"}, "precision='quick'"),
        ({"mean": [1.0, 2.0]}, "mean="),
        ({"mean": float("nan")}, "mean="),
        ({"std": 0.0}, "std="),
        ({"std": -1.0}, "std="),
        ({"std": 1e-320}, "std="),
        ({"classes": ("a",)}, "1 classes have 2 logits"),
        ({"classes": ("a", "a")}, "two classes"),
    ],
)
def test_options_that_do_not_fit(options: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        compiled(small(), GREY, **options)


def test_weights_that_are_no_numbers() -> None:
    model: Any = small()
    model[1].weight.data[0, 0] = torch.nan
    with pytest.raises(UsageError, match="not a number"):
        compiled(model, GREY)


class Doubling(nn.Sequential):
    """A network whose first layer's output is doubled by a hook."""

    def __init__(self) -> None:
        super().__init__(*small())
        self.register_forward_pre_hook(lambda _module, inputs: inputs[0] * 2)


class Uncopied(nn.Sequential):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object\nin two lines")


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (lambda x: x, "The model is a function, no network"),
        (None, "The model is a NoneType"),
        (Doubling(), "Doubling has a forward hook"),
        (Uncopied(*small()), "Uncopied cannot be copied: cannot pickle '_thread.lock' object"),
    ],
)
def test_models_that_are_none(model: Any, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        compiled(model, GREY)
    assert "\n" not in caught.value.problem


class Noisy(nn.Module):
    """Adds something to the bits of a hidden layer; the logits of a blank picture do not show it."""

    def __init__(self, noise: Any) -> None:
        super().__init__()
        self.before, self.noise = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), steps([9.0] * 4, [1] * 4)), noise
        self.after = nn.Sequential(nn.Linear(4, 3), steps([99.0] * 3, [1] * 3), nn.Linear(3, 2))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.after(self.before(x) + self.noise())
        return logits


@pytest.mark.parametrize("noise", [lambda: torch.rand(4), lambda: float(torch.rand(1))])
def test_networks_that_draw_random_numbers(noise: Any) -> None:
    with pytest.raises(UsageError, match="The forward of Noisy draws random numbers"):
        compiled(Noisy(noise), GREY)
    drawn = noise()
    same(model := Noisy(lambda: drawn), compiled(model, GREY), (1, 8, 8))


def test_old_hooks_of_torch_that_set_weights() -> None:
    """Spectral norm divides by the largest singular value, here 2 (of [[0, 2], [1, 0]]), before every forward."""
    model = nn.Sequential(
        with_weights(nn.Linear(2, 2, bias=False), [[0.0, 2.0], [1.0, 0.0]]), steps([0.5, 0.5], [1, 1])
    ).eval()
    torch.nn.utils.spectral_norm(model[0], n_power_iterations=1)
    model[0].weight_u.data, model[0].weight_v.data = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    with torch.no_grad():
        model(torch.zeros(1, 2))
    plan = compiled(model, torch.zeros(1, 2))
    # p₁ / 255 ≥ ½ from 127.5 on, and ½·p₀ / 255 from 255 on.
    assert plan.layers[0].terms[0].weights.tolist() == [[0, 1], [1, 0]]
    assert plan.layers[0].threshold.tolist() == [[128, 255]]


def test_the_function_is_there_whatever_was_imported_before() -> None:
    code = "import firebit, firebit.compiler.compile; print(callable(firebit.compile), callable(firebit.load))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "True True\n", result.stderr
