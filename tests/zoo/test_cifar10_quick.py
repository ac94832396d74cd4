"""cifar10_quick against Caffe's definition (examples/cifar10/cifar10_quick_train_test.prototxt), counted by hand."""

import pytest
import torch
from torch import nn

from firebit import zoo
from firebit.nn.growth import rectifiers

# conv 32@5×5 on 3 channels, conv 32 on 32, conv 64 on 32, 64·4·4 = 1024 → 64, 64 → 10; each with its biases.
WEIGHTS = 32 * 75 + 32 + 32 * 800 + 32 + 64 * 800 + 64 + 1024 * 64 + 64 + 64 * 10 + 10
UNITS = 32 + 32 + 64 + 64


def learned(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)


def names(net: nn.Module) -> list[str]:
    return [name for name, _ in net.named_children()]


def test_parameters_are_caffes() -> None:
    assert WEIGHTS == 145_578
    assert learned(zoo.build("cifar10_quick", activation="relu")) == WEIGHTS
    assert learned(zoo.build("cifar10_quick", batch_norm=True)) == WEIGHTS + 2 * UNITS


@pytest.mark.parametrize("order", ["pool-first", "act-first"])
def test_shapes_inside(order: str) -> None:
    net, shapes = zoo.build("cifar10_quick", width=0.25, order=order), {}
    for name, layer in net.named_children():
        layer.register_forward_hook(lambda _m, _i, output, name=name: shapes.update({name: tuple(output.shape[1:])}))
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    sides = {f"conv{at}": shapes[f"conv{at}"] for at in (1, 2, 3)} | {
        f"pool{at}": shapes[f"pool{at}"] for at in (1, 2, 3)
    }
    assert sides == {
        **{"conv1": (8, 32, 32), "conv2": (8, 16, 16), "conv3": (16, 8, 8)},
        **{"pool1": (8, 16, 16), "pool2": (8, 8, 8), "pool3": (16, 4, 4)},
    }


def test_both_orders_pool_first_after_the_first_convolution() -> None:
    first = names(zoo.build("cifar10_quick", width=0.1, batch_norm=True))
    caffe = names(zoo.build("cifar10_quick", width=0.1, batch_norm=True, order="act-first"))
    assert first[:4] == caffe[:4] == ["conv1", "pool1", "norm1", "act1"]
    assert first[4:12] == ["conv2", "pool2", "norm2", "act2", "conv3", "pool3", "norm3", "act3"]
    assert caffe[4:12] == ["conv2", "norm2", "act2", "pool2", "conv3", "norm3", "act3", "pool3"]
    assert first[12:] == caffe[12:] == ["flatten", "fc4", "norm4", "act4", "fc5"]
    assert list(rectifiers(zoo.build("cifar10_quick", width=0.1))) == ["act1", "act2", "act3", "act4"]


def max_pooled_layers(order: str) -> set[str]:
    net = zoo.build("cifar10_quick", width=0.1, order=order, max_pooling=True)
    return {name for name, layer in net.named_children() if isinstance(layer, nn.MaxPool2d)}


def test_max_pooling_takes_the_place_of_averages_in_either_order() -> None:
    assert max_pooled_layers("pool-first") == max_pooled_layers("act-first") == {"pool1", "pool2", "pool3"}


def test_with_max_pooling_both_orders_give_one_function_of_rising_rectifiers() -> None:
    nets = [
        zoo.build("cifar10_quick", width=0.1, order=order, max_pooling=True) for order in ("pool-first", "act-first")
    ]
    nets[1].load_state_dict(nets[0].state_dict())
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(nets[0](x), nets[1](x))


def averages_of_ones(order: str) -> torch.Tensor:
    pool = zoo.build("cifar10_quick", width=0.1, order=order).get_submodule("pool3")
    averages: torch.Tensor = pool(torch.ones(1, 1, 8, 8))[0, 0]
    return averages


def test_an_average_before_the_threshold_divides_by_nine_everywhere() -> None:
    # In ceil mode the last window of 8 cells has 2 of them: 9, 6 and 4 cells.
    expected = torch.ones(4, 4)
    expected[3, :] = expected[:, 3] = 6 / 9
    expected[3, 3] = 4 / 9
    torch.testing.assert_close(averages_of_ones("pool-first"), expected)


def test_caffes_own_order_divides_by_the_cells_there_are() -> None:
    torch.testing.assert_close(averages_of_ones("act-first"), torch.ones(4, 4))


def test_a_centred_net_is_the_plain_one_with_other_biases() -> None:
    torch.manual_seed(0)
    centred = zoo.build("cifar10_quick", width=0.1, centred=True).double()
    plain = zoo.build("cifar10_quick", width=0.1).double()
    plain.load_state_dict(centred.state_dict())
    with torch.no_grad():
        for name in ("conv2", "conv3", "fc4", "fc5"):
            layer = plain.get_submodule(name)
            layer.bias -= layer.weight.flatten(1).sum(1) / 2  # type: ignore[operator, union-attr]
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(centred(x), plain(x))
