"""Tracing: shapes, leaves, modes, values changed in place, and refusals that name the line."""

import copy
import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.graph import (
    free_name,
    location,
    module_at,
    reads_metadata,
    shape_of,
    sole_batch_norm_before,
    torch_name,
)
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.scale import Scale
from firebit.nn.trace import trace


class Follows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 50)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.fc(x)
        if mask is not None:
            x = x * mask
        return F.dropout(F.relu(x), 0.5, training=self.training)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        if x.sum() > 0:  # the line to name
            x = x + 1
        return F.relu(x)


def line_of(cls: type, text: str) -> int:
    lines, first = inspect.getsourcelines(cls)
    return first + next(i for i, line in enumerate(lines) if text in line)


def test_nodes_know_shape_owner_and_line() -> None:
    graph = trace(Follows(), torch.zeros(2, 4))
    relu = next(n for n in graph.graph.nodes if torch_name(n) == "relu")
    assert shape_of(relu) == (2, 50)
    assert relu.meta["tensor_meta"].dtype == torch.float32
    assert relu.meta["owner"] == ""
    assert location(relu) == f"{__file__}:{line_of(Follows, 'F.relu')}"


def test_arguments_the_example_does_not_give_keep_their_defaults() -> None:
    graph = trace(Follows(), torch.zeros(2, 4))
    assert [n.name for n in graph.graph.nodes if n.op == "placeholder"] == ["x"]
    assert graph(torch.zeros(5, 4)).shape == (5, 50)


def test_functional_dropout_still_follows_the_mode() -> None:
    model = Follows()
    graph = trace(model, torch.ones(2, 4))
    x = torch.randn(64, 4)
    assert graph.training
    assert float((graph(x) == 0).float().mean()) > float((graph.eval()(x) == 0).float().mean()) + 0.1
    torch.testing.assert_close(graph(x), model.eval()(x))


def test_modes_of_submodules_are_kept() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()))
    model[1].eval()
    graph = trace(model, torch.zeros(2, 4))
    modes = {name: m.training for name, m in graph.named_modules()}
    assert modes == {"": True, "0": True, "1": False, "1.0": False, "1.1": False}


def test_original_model_random_numbers_and_statistics_are_untouched() -> None:
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), nn.ReLU())
    before, generator = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    graph = trace(model, torch.randn(8, 4, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), generator)
    for name, value in before.items():
        assert torch.equal(model.state_dict()[name], value)
        assert torch.equal(graph.state_dict()[name], value)
    assert model.training and all(p.grad is None for p in model.parameters())


def test_control_flow_on_data_is_refused_with_its_line() -> None:
    with pytest.raises(UsageError) as caught:
        trace(Branches(), torch.zeros(1, 3))
    assert f"{__file__}:{line_of(Branches, 'the line to name')}" in caught.value.problem
    assert "torch.where" in caught.value.remedy and "BoundedRectifier" in caught.value.remedy


def test_what_cannot_be_traced_can_be_a_leaf() -> None:
    model = nn.Sequential(Branches(), nn.ReLU())
    for leaves in (Branches, "0", ["0"]):
        graph = trace(model, torch.zeros(1, 3), leaves=leaves)
        assert [type(m) for m in graph.children()] == [Branches, nn.ReLU]
    with pytest.raises(UsageError, match="matches no module"):
        trace(model, torch.zeros(1, 3), leaves="body.*")


def test_a_forward_that_does_something_else_in_training_is_refused_with_its_line() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                x = x + 0.1  # only in training
            return F.relu(x)

    with pytest.raises(UsageError) as caught:
        trace(Noisy(), torch.zeros(1, 3))
    assert f"{__file__}:{line_of(Noisy, 'only in training')}" in caught.value.problem


class StochasticDepth(nn.Module):
    """Drops whole pictures while training; it holds nothing that is learned."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * torch.zeros_like(x[:, :1]).bernoulli_(0.5)


def test_a_module_that_holds_nothing_may_do_something_else_in_training() -> None:
    model = nn.Sequential(nn.Linear(3, 3), StochasticDepth(), nn.ReLU(), StochasticDepth())
    nn.init.ones_(model[0].weight)  # type: ignore[arg-type]
    nn.init.ones_(model[0].bias)  # type: ignore[arg-type]
    graph, x = trace(model, torch.ones(2, 3)), torch.rand(50, 3)
    assert [n.target for n in graph.graph.nodes if n.op == "call_module"] == ["0", "1", "2", "3"]
    torch.testing.assert_close(graph.eval()(x), model.eval()(x))
    dropped = (graph.train()(x) == 0).all(1)
    assert 0 < int(dropped.sum()) < 50


def test_random_numbers_frozen_by_tracing_are_refused() -> None:
    class Random(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            # Without an activation, which could hide the noise.
            return x + torch.randn(3)

    with pytest.raises(UsageError, match="draws random numbers"):
        trace(Random(), torch.zeros(1, 3))


def test_a_wrong_example_is_named() -> None:
    with pytest.raises(UsageError, match=r"cannot run on the example of shape \(1, 5\)"):
        trace(nn.Linear(3, 2), torch.zeros(1, 5))
    with pytest.raises(UsageError, match="not a tensor"):
        trace(nn.Linear(3, 2), [])


def test_values_changed_in_place_are_followed() -> None:
    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            h = x - 1
            F.relu(h, inplace=True)
            return h * 2

    graph = trace(InPlace(), torch.randn(4, 3))
    relu = next(n for n in graph.graph.nodes if torch_name(n) == "relu")
    assert [torch_name(user) for user in relu.users] == ["mul"]


def test_a_view_of_memory_changed_in_place_is_refused() -> None:
    class Views(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            h = x - 1
            v = h.view(-1)
            h.relu_()
            return h.sum() + v.sum()

    with pytest.raises(UsageError, match="another view"):
        trace(Views(), torch.randn(4, 3))


def test_firebit_modules_stay_calls_and_modules_made_in_forward_are_inlined() -> None:
    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = Scale(torch.ones(3))
            self.rectifier = BoundedRectifier(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.rectifier(self.scale(nn.ReLU()(x)))

    graph = trace(Made(), torch.zeros(1, 3))
    kinds = [type(module_at(graph, n)) for n in graph.graph.nodes if n.op == "call_module"]
    assert kinds == [Scale, BoundedRectifier]


def test_queries() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU()), torch.zeros(1, 1, 2, 2))
    conv, norm, relu = (n for n in graph.graph.nodes if n.op == "call_module")
    assert sole_batch_norm_before(graph, relu) is norm
    assert sole_batch_norm_before(graph, norm) is None
    assert not reads_metadata(conv)
    assert free_name(graph, "0") == "0_1" and free_name(graph, "new", ["new"]) == "new_1"


def test_scale_is_an_affine_map_per_channel() -> None:
    scale = Scale(torch.tensor([2.0, -1.0]), torch.tensor([0.5, 0.0]))
    assert scale(torch.tensor([[[1.0], [3.0]]])).tolist() == [[[2.5], [-3.0]]]
    assert Scale(torch.tensor([2.0]), dim=-1)(torch.tensor([[3.0]])).item() == 6
    with pytest.raises(UsageError, match="one factor per channel"):
        Scale(torch.ones(2), torch.ones(3))


def test_a_layer_may_be_called_code() -> None:
    # torch.fx has a property of that name, the text of the forward.
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(3, 2))
    net.add_module("code", BoundedRectifier(2))
    graph = trace(net, torch.zeros(1, 3))
    assert isinstance(graph.code, BoundedRectifier)
    x = torch.randn(5, 3)
    torch.testing.assert_close(graph(x), net(x))
    assert isinstance(trace(nn.Sequential(nn.Linear(3, 2)), torch.zeros(1, 3)).code, str)
