"""Synchronised batch norms share parameters with the network, and ordinary ones come back."""

import torch
from torch import nn

from firebit.nn.rectifier import BoundedRectifier
from firebit.train.synchronise import Synchronised


def network() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), BoundedRectifier(2), nn.Flatten(), nn.Linear(8, 3))
    net.append(nn.BatchNorm1d(3))
    net(torch.rand(5, 1, 4, 4))
    return net


def test_names_and_numbers_stay() -> None:
    net = network()
    expected, images = {name: value.clone() for name, value in net.state_dict().items()}, torch.rand(2, 1, 4, 4)
    before = net.eval()(images)
    found = Synchronised(net)
    assert [type(module) for module in found.network][1] is nn.SyncBatchNorm
    assert found.network.state_dict().keys() == expected.keys()
    assert torch.equal(found.network.eval()(images), before)


def test_what_comes_back_is_as_it_was_with_the_present_numbers() -> None:
    net = network()
    found = Synchronised(net)
    with torch.no_grad():
        found.network.get_submodule("1").running_mean.fill_(3)  # type: ignore[operator, union-attr]
    plain = found.plain(found.network)
    assert [type(module) for module in plain][1::4] == [nn.BatchNorm2d, nn.BatchNorm1d]  # type: ignore[arg-type, attr-defined]
    assert plain.get_submodule("1").running_mean.tolist() == [3, 3]  # type: ignore[operator, union-attr]
    assert plain.training is found.network.training
    for name, value in found.network.state_dict().items():
        assert torch.equal(plain.state_dict()[name], value)
    assert plain.get_submodule("0").weight is not found.network.get_submodule("0").weight
