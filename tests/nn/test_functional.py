"""Dropouts and batch norms that are functions told the mode become modules, with the tensors they had."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn import Step, harden, rectify
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.trace import trace


class NormAct(nn.BatchNorm2d):
    """A batch norm with the activation inside, which counts its batches as torch's does."""

    def __init__(self, channels: int, momentum: float | None = 0.1) -> None:
        super().__init__(channels, momentum=momentum)
        self.drop = nn.Identity()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.ndim == 4, "four dimensions")
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        statistics = (self.running_mean, self.running_var)
        x = F.batch_norm(x, *statistics, self.weight, self.bias, self.training, factor, self.eps)
        return self.act(self.drop(x))


class PaddedConv(nn.Conv2d):
    """A convolution that pads by itself, as "SAME" of other frameworks does it."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 1, 0, 1))
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class HalfLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight) * 0.5


class Standardised(nn.Conv2d):
    """A convolution by weights that are computed."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight - self.weight.mean((1, 2, 3), True), self.bias)


class Dropped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.25, self.training)


class Foreign(nn.Module):
    """A batch norm that torch does not know for one."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("var", torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.batch_norm(x, self.mean, self.var, training=self.training))


def network(momentum: float | None = 0.1) -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), NormAct(3, momentum), nn.Conv2d(3, 2, 3))
    nn.init.uniform_(net[1].weight, 0.5, 2)
    return net


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_batch_norm_with_an_activation_trains_and_evaluates_as_before(momentum: float | None) -> None:
    net = network(momentum)
    graph, x = trace(net, torch.rand(1, 1, 6, 6)), torch.rand(4, 1, 6, 6)
    for _ in range(3):
        torch.testing.assert_close(graph(x), net(x))
    torch.testing.assert_close(graph.eval()(x), net.eval()(x))
    norm = graph.get_submodule("1.batch_norm")
    assert type(norm) is nn.BatchNorm2d
    assert norm.momentum == momentum and norm.num_batches_tracked == net[1].num_batches_tracked == 3
    # Nothing is there twice, and nothing but the norm's tensors has moved.
    moved = {name.replace("1.batch_norm", "1") for name in graph.state_dict()}
    assert moved == set(net.state_dict()) and len(graph.state_dict()) == len(net.state_dict())


def test_tracing_counts_no_batch() -> None:
    net = network()
    graph = trace(net, torch.rand(2, 1, 6, 6))
    assert graph.get_submodule("1.batch_norm").num_batches_tracked == net[1].num_batches_tracked == 0


def test_its_rectifier_takes_over_the_scale_and_its_step_the_whole_norm() -> None:
    net, x = network(), torch.rand(4, 1, 6, 6)
    model = rectify(net, x, slope_init=0.5)
    rectifier, norm = model.get_submodule("1.act"), model.get_submodule("1.batch_norm")
    assert isinstance(rectifier, BoundedRectifier)
    torch.testing.assert_close(rectifier.slope, 0.5 * net[1].weight)
    assert torch.equal(norm.weight, torch.ones(3))
    hard = harden(model.eval(), x)
    assert isinstance(hard.get_submodule("1.act"), Step)
    assert isinstance(hard.get_submodule("1.batch_norm"), nn.Identity)


def test_an_exact_copy_has_no_visible_scales() -> None:
    net, x = network().eval(), torch.rand(8, 1, 6, 6)
    same = rectify(net, x, exact=x)
    torch.testing.assert_close(same(x), net(x))
    assert "Scale" not in {type(module).__name__ for module in same.modules()}


def test_a_dropout_told_the_mode_by_position() -> None:
    graph = trace(nn.Sequential(Dropped()), torch.ones(2, 3))
    dropout = graph.get_submodule("0.dropout")
    assert isinstance(dropout, nn.Dropout) and dropout.p == 0.25
    assert torch.equal(graph.eval()(torch.ones(9, 3)), torch.ones(9, 3))


def test_another_module_that_normalises_by_batches_is_refused() -> None:
    with pytest.raises(UsageError, match="computes something else in training") as caught:
        trace(nn.Sequential(nn.Conv2d(1, 2, 3), Foreign()), torch.rand(2, 1, 6, 6))
    assert "test_functional.py" in caught.value.problem


def test_layers_that_compute_themselves_take_in_factors() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(PaddedConv(2, 4, 3, stride=2, groups=2, bias=False), nn.ReLU6(), PaddedConv(4, 3, 2), nn.ReLU6()),
        *(nn.Flatten(), HalfLinear(12, 2)),
    ).eval()
    x = torch.rand(4, 2, 5, 5)
    same = rectify(net, x, exact=x)
    torch.testing.assert_close(same(x), net(x))
    # ReLU6 needs no data, and no factor is left over.
    assert "Scale" not in {type(module).__name__ for module in same.modules()}
    conv = same.get_submodule("0.conv2d")
    assert type(conv) is nn.Conv2d and (conv.stride, conv.groups, conv.padding) == ((2, 2), 2, (0, 0))
    assert type(same.get_submodule("5.linear")) is nn.Linear
    moved = {name.replace(".conv2d", "").replace(".linear", "") for name in same.state_dict()}
    # The halving layer reads no bias, and the first convolution has got one for the shift.
    assert moved - {"1.slope", "3.slope", "0.bias"} == set(net.state_dict()) - {"5.bias"}


def test_a_layer_that_computes_its_weights_stays_as_it_is() -> None:
    net, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), Standardised(2, 3, 3)).eval(), torch.rand(4, 1, 8, 8)
    same = rectify(net, x, exact=x)
    torch.testing.assert_close(same(x), net(x))
    assert "Scale" in {type(module).__name__ for module in same.modules()}


def test_a_layer_called_twice_stays_one_layer() -> None:
    conv = PaddedConv(2, 2, 2)
    model = rectify(nn.Sequential(conv, nn.ReLU(), conv, nn.ReLU()), torch.rand(1, 2, 4, 4))
    assert len([name for name, _ in model.named_parameters() if name.endswith("weight")]) == 1
    assert len([name for name, _ in model.named_modules() if "conv2d" in name]) == 2
