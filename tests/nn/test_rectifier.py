"""Equations 1 and 2 against hand values and finite differences; the step rule."""

import copy
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, Step, bounded_rectify

SHAPES = [(5, 3), (4, 3, 6), (2, 3, 4, 5)]


def test_equation_1_by_hand() -> None:
    y = torch.tensor([[-2.0, -0.25, 0.0, 0.1, 3.0]], dtype=torch.float64)
    k = torch.tensor([1.0, 2.0, -7.0, 0.5, -1.0], dtype=torch.float64)
    # k·y + ½ = -1.5, 0, 0.5, 0.55, -2.5
    assert bounded_rectify(y, k)[0].tolist() == pytest.approx([0.0, 0.0, 0.5, 0.55, 0.0], abs=1e-12)


@pytest.mark.parametrize(
    ("y", "k", "dy", "dk"),
    [
        (0.5, 1.0, 1.0, 0.5),  # k·y + ½ = 1: the upper end belongs to the inside
        (-0.5, 1.0, 1.0, -0.5),  # = 0: so does the lower end
        (0.5000001, 1.0, 0.0, 0.0),  # just above
        (-0.5000001, 1.0, 0.0, 0.0),  # just below
        (0.25, -2.0, -2.0, 0.25),  # = 0 with a negative slope
        (-0.25, -2.0, -2.0, -0.25),  # = 1 with a negative slope
        (-0.26, -2.0, 0.0, 0.0),
        (100.0, 0.0, 0.0, 100.0),  # a slope of zero is always inside: ½
    ],
)
def test_equation_2_by_hand(y: float, k: float, dy: float, dk: float) -> None:
    ys = torch.tensor([[y]], dtype=torch.float64, requires_grad=True)
    ks = torch.tensor([k], dtype=torch.float64, requires_grad=True)
    bounded_rectify(ys, ks).sum().backward()
    assert ys.grad is not None and ks.grad is not None
    assert ys.grad.item() == pytest.approx(dy, abs=1e-9)
    assert ks.grad.item() == pytest.approx(dk, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_gradcheck_away_from_the_kinks(shape: tuple[int, ...], channels_last: bool) -> None:
    torch.manual_seed(0)
    k = torch.tensor([0.7, -1.3, 2.0], dtype=torch.float64)
    y = torch.randn(shape, dtype=torch.float64)
    z = y * k.view([1, -1] + [1] * (len(shape) - 2)) + 0.5
    y = torch.where((z.abs() < 1e-3) | ((z - 1).abs() < 1e-3), y + 0.01, y)
    if channels_last and y.dim() == 4:
        y = y.contiguous(memory_format=torch.channels_last)
    inputs = (y.detach().requires_grad_(), k.requires_grad_())
    assert torch.autograd.gradcheck(bounded_rectify, inputs, atol=1e-9)
    assert torch.autograd.gradgradcheck(bounded_rectify, inputs, atol=1e-9)


@given(
    st.lists(st.floats(-4, 4), min_size=1, max_size=8),
    st.floats(-4, 4),
)
def test_gradients_equal_the_formula(values: list[float], slope: float) -> None:
    y = torch.tensor(values, dtype=torch.float64)[:, None].requires_grad_()
    k = torch.tensor([slope], dtype=torch.float64, requires_grad=True)
    upstream = torch.linspace(-1, 2, len(values), dtype=torch.float64)[:, None]
    bounded_rectify(y, k).backward(upstream)
    inside = [0 <= slope * v + 0.5 <= 1 for v in values]
    expected_y = [g * slope * i for g, i in zip(upstream[:, 0].tolist(), inside, strict=True)]
    expected_k = sum(g * v * i for g, v, i in zip(upstream[:, 0].tolist(), values, inside, strict=True))
    assert y.grad is not None and k.grad is not None
    assert y.grad[:, 0].tolist() == pytest.approx(expected_y, abs=1e-9)
    assert k.grad.item() == pytest.approx(expected_k, abs=1e-9)


def test_an_infinite_gradient_from_above_stays_outside() -> None:
    y = torch.tensor([[5.0]], requires_grad=True)
    bounded_rectify(y, torch.ones(1)).backward(torch.tensor([[torch.inf]]))
    assert y.grad is not None and y.grad.item() == 0


def test_saves_only_the_pre_activation() -> None:
    saved: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor)
        return tensor

    y = torch.randn(4, 3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        BoundedRectifier(3)(y)
    assert sorted(tensor.numel() for tensor in saved) == [3, 12]


def test_channels_in_another_dimension() -> None:
    y = torch.randn(2, 5, 3)
    k = torch.tensor([1.0, -2.0, 0.5])
    assert torch.equal(bounded_rectify(y, k, dim=-1), (y * k + 0.5).clamp(0, 1))


def test_memory_format_is_kept() -> None:
    y = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert BoundedRectifier(3)(y).is_contiguous(memory_format=torch.channels_last)


def test_autocast_computes_in_float32_and_returns_the_inputs_dtype() -> None:
    layer = BoundedRectifier(2, 0.1)
    y = torch.tensor([[1.0, -3.0]], dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        f = layer(y)
    assert f.dtype == torch.bfloat16
    assert f.tolist() == [[torch.tensor(0.6).bfloat16().item(), torch.tensor(0.2).bfloat16().item()]]
    f.float().sum().backward()
    assert layer.slope.dtype == layer.slope.grad.dtype == torch.float32  # type: ignore[union-attr]
    assert layer.slope.grad.tolist() == [1.0, -3.0]  # type: ignore[union-attr]


def test_deepcopy_and_state_dict() -> None:
    layer = BoundedRectifier(3, "normal")
    twin = copy.deepcopy(layer)
    assert torch.equal(twin.slope, layer.slope) and twin.slope is not layer.slope
    fresh = BoundedRectifier(3)
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh.slope, layer.slope)
    assert list(layer.state_dict()) == ["slope"]


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), BoundedRectifier(3), nn.Linear(3, 2))
    twin = copy.deepcopy(net)
    x = torch.randn(8, 4)
    torch.compile(twin, fullgraph=True)(x).sum().backward()
    net(x).sum().backward()
    for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def _ddp_worker(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    torch.manual_seed(0)
    net = DistributedDataParallel(nn.Sequential(nn.Linear(4, 3), BoundedRectifier(3), nn.Linear(3, 2)))
    x = torch.linspace(-1, 1, 32).view(8, 4)[rank::2]
    net(x).square().mean().backward()
    torch.save([p.grad for p in net.parameters()], Path(folder) / str(rank))
    dist.destroy_process_group()


@pytest.mark.slow
def test_under_ddp_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    mp.spawn(_ddp_worker, (29531, str(tmp_path)), nprocs=2)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), BoundedRectifier(3), nn.Linear(3, 2))
    net(torch.linspace(-1, 1, 32).view(8, 4)).square().mean().backward()
    for rank in range(2):
        grads = torch.load(tmp_path / str(rank), weights_only=True)
        for parameter, grad in zip(net.parameters(), grads, strict=True):
            torch.testing.assert_close(parameter.grad, grad)


@pytest.mark.parametrize("slope_init", ["he", [1.0, 2.0], float("nan")])
def test_bad_slopes_are_named(slope_init: object) -> None:
    with pytest.raises(UsageError):
        BoundedRectifier(3, slope_init)  # type: ignore[arg-type]


def test_slope_initialisations() -> None:
    assert BoundedRectifier(2).slope.tolist() == [1.0, 1.0]
    assert BoundedRectifier(2, [0.5, -2]).slope.tolist() == [0.5, -2.0]
    assert BoundedRectifier(2, nn.init.zeros_).slope.tolist() == [0.0, 0.0]
    torch.manual_seed(0)
    many = BoundedRectifier(20000, "normal").slope
    assert abs(many.mean().item()) < 0.03 and abs(many.std().item() - 1) < 0.03


def test_wrong_channel_count_is_named() -> None:
    with pytest.raises(UsageError, match="4"):
        BoundedRectifier(4)(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("k", "y", "fires"),
    [
        (3.0, 0.0, 1),
        (3.0, -1e-30, 0),
        (3.0, 1e-30, 1),
        (-3.0, 0.0, 1),
        (-3.0, 1e-30, 0),
        (-3.0, -1.0, 1),
        (0.0, -5.0, 1),
        (0.0, 5.0, 1),
        (1e-30, -1e-30, 0),
    ],
)
def test_the_step_follows_the_sign_of_the_slope(k: float, y: float, fires: int) -> None:
    # 1e-30 · -1e-30 rounds to -0.0 in float32: the product would fire.
    step = Step.from_rectifier(BoundedRectifier(1, k))
    assert step(torch.tensor([[y]])).item() == fires


def test_thresholds_stay_float64_through_casts() -> None:
    step = Step(torch.tensor([1 / 3], dtype=torch.float64), torch.tensor([1]))
    assert step.half().threshold.dtype == torch.float64
    assert step.float().threshold.item() == 1 / 3


def test_infinite_thresholds_make_constant_units() -> None:
    step = Step(torch.tensor([torch.inf, -torch.inf], dtype=torch.float64), torch.tensor([1, 1]))
    assert step(torch.tensor([[1e30, -1e30]])).tolist() == [[0.0, 1.0]]
