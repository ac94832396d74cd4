"""Fused networks compute the same with fewer layers."""

import pytest
import torch
from torch import Tensor, nn

from firebit import zoo
from firebit.compiler.fuse import fuse
from firebit.zoo.untrained import noise, untrained_relu


def spread(model: nn.Module) -> nn.Module:
    """Batch norms that do something, their scales positive."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
    return model.double().eval()


def kinds(model: nn.Module) -> list[str]:
    assert isinstance(model, torch.fx.GraphModule)
    return [type(model.get_submodule(str(n.target))).__name__ for n in model.graph.nodes if n.op == "call_module"]


def same(model: nn.Module, x: Tensor) -> nn.Module:
    found = fuse(model, x[:1])
    torch.testing.assert_close(found(x), model(x), atol=1e-10, rtol=1e-10)
    return found


@pytest.mark.parametrize(
    "name", ["lenet", "cifar10_quick", "vgg_small", pytest.param("resnet18", marks=pytest.mark.slow)]
)
def test_networks_of_the_zoo(name: str) -> None:
    torch.manual_seed(0)
    net = spread(zoo.build(name, activation="relu", batch_norm=True, width=0.1))
    found = kinds(same(net, noise(name, batch=3).double()))
    # Averages and what reads pooled averages keep their batch norms.
    assert found.count("BatchNorm2d") == {"cifar10_quick": 2}.get(name, 0)
    assert "BatchNorm1d" not in found


def test_pooling_comes_behind_what_keeps_the_order() -> None:
    torch.manual_seed(1)
    net = spread(nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.ReLU()))
    assert kinds(same(net, torch.rand(2, 1, 9, 9).double())) == ["Conv2d", "ReLU", "MaxPool2d"]


def test_a_batch_norm_that_turns_the_order_around_stays_behind_the_pooling() -> None:
    torch.manual_seed(2)
    net = spread(nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.ReLU()))
    net[2].weight.data[1] = -1.0  # type: ignore[index]
    assert kinds(same(net, torch.rand(2, 1, 9, 9).double())) == ["Conv2d", "MaxPool2d", "BatchNorm2d", "ReLU"]


def test_layers_with_several_readers_are_left_alone() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.pool, self.act = (
                nn.Conv2d(1, 2, 1),
                nn.BatchNorm2d(2),
                nn.MaxPool2d(2),
                nn.ReLU(),
            )

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            pooled = self.pool(y)
            found: Tensor = self.norm(y).mean() + self.act(pooled).mean() + pooled.mean() + y.sum(dim=(1, 2, 3))
            return found

    torch.manual_seed(3)
    assert kinds(same(spread(Forked()), torch.rand(2, 1, 4, 4).double())) == [
        "Conv2d",
        "MaxPool2d",
        "BatchNorm2d",
        "ReLU",
    ]


@pytest.mark.parametrize("side", [7, 8, 9])
def test_averages_over_whole_windows_become_averages_over_padded_maps(side: int) -> None:
    net = nn.Sequential(nn.AvgPool2d(3, 2, 1, ceil_mode=True, divisor_override=9), nn.AvgPool2d(2, divisor_override=3))
    found = same(net, torch.rand(2, 1, side, side).double())
    assert not any(module.ceil_mode for module in found.modules() if isinstance(module, nn.AvgPool2d))
    # A divisor that is no number of cells stays.
    assert [m.divisor_override for m in found.modules() if isinstance(m, nn.AvgPool2d)] == [None, 3]


def test_the_model_itself_is_not_changed() -> None:
    net = untrained_relu("lenet", width=0.1, batch_norm=True).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fuse(net, zoo.example("lenet"))
    assert net.training and all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
