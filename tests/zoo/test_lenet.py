"""LeNet against Caffe's definition (examples/mnist/lenet_train_test.prototxt), counted by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from firebit import zoo
from firebit.nn.growth import rectifiers
from firebit.nn.rectifier import bounded_rectify

# conv 20@5×5 on 1 channel, conv 50@5×5 on 20, 50·4·4 = 800 → 500, 500 → 10; each with its biases.
WEIGHTS = 20 * 25 + 20 + 50 * 20 * 25 + 50 + 800 * 500 + 500 + 500 * 10 + 10
UNITS = 20 + 50 + 500


def learned(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)


def names(net: nn.Module) -> list[str]:
    return [name for name, _ in net.named_children()]


def test_parameters_are_caffes() -> None:
    assert WEIGHTS == 431_080
    assert learned(zoo.build("lenet", activation="relu")) == WEIGHTS


def test_a_slope_per_channel_and_a_shift_per_batch_norm_are_added() -> None:
    assert learned(zoo.build("lenet")) == WEIGHTS + UNITS
    assert learned(zoo.build("lenet", batch_norm=True)) == WEIGHTS + 2 * UNITS
    assert learned(zoo.build("lenet", batch_norm=True, activation="relu")) == WEIGHTS + 2 * UNITS
    assert learned(zoo.build("lenet", centred=True)) == WEIGHTS + UNITS


def test_width_multiplies_hidden_layers() -> None:
    # 10, 25 and 250 units.
    expected = 10 * 25 + 10 + 25 * 10 * 25 + 25 + 400 * 250 + 250 + 250 * 10 + 10
    assert learned(zoo.build("lenet", width=0.5, activation="relu")) == expected


def test_shapes_inside() -> None:
    net, shapes = zoo.build("lenet", width=0.2), {}
    for name, layer in net.named_children():
        layer.register_forward_hook(lambda _m, _i, output, name=name: shapes.update({name: tuple(output.shape[1:])}))
    net(torch.zeros(2, 1, 28, 28))
    assert shapes == {
        **{"conv1": (4, 24, 24), "pool1": (4, 12, 12), "act1": (4, 12, 12)},
        **{"conv2": (10, 8, 8), "pool2": (10, 4, 4), "act2": (10, 4, 4)},
        **{"flatten": (160,), "fc3": (100,), "act3": (100,), "fc4": (10,)},
    }


def test_both_orders() -> None:
    first = names(zoo.build("lenet", width=0.1, batch_norm=True))
    assert first[:8] == ["conv1", "pool1", "norm1", "act1", "conv2", "pool2", "norm2", "act2"]
    caffe = names(zoo.build("lenet", width=0.1, batch_norm=True, order="act-first"))
    assert caffe[:8] == ["conv1", "norm1", "act1", "pool1", "conv2", "norm2", "act2", "pool2"]
    assert first[8:] == caffe[8:] == ["flatten", "fc3", "norm3", "act3", "fc4"]


def test_the_layers_that_become_bits_have_stable_names() -> None:
    assert list(rectifiers(zoo.build("lenet", width=0.1))) == ["act1", "act2", "act3"]


@pytest.mark.parametrize("order", ["pool-first", "act-first"])
def test_what_it_computes(order: str) -> None:
    torch.manual_seed(0)
    net = zoo.build("lenet", width=0.1, order=order, slope_init=0.7).double()
    x = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    weight = dict(net.named_parameters())

    def hidden(x: torch.Tensor, index: int) -> torch.Tensor:
        y = F.conv2d(x, weight[f"conv{index}.weight"], weight[f"conv{index}.bias"])
        slopes = weight[f"act{index}.slope"]
        if order == "pool-first":
            return bounded_rectify(F.max_pool2d(y, 2), slopes)
        return F.max_pool2d(bounded_rectify(y, slopes), 2)

    flat = hidden(hidden(x, 1), 2).flatten(1)
    code = (0.7 * F.linear(flat, weight["fc3.weight"], weight["fc3.bias"]) + 0.5).clamp(0, 1)
    torch.testing.assert_close(net(x), F.linear(code, weight["fc4.weight"], weight["fc4.bias"]))


def test_a_centred_net_is_the_plain_one_with_other_biases() -> None:
    torch.manual_seed(0)
    centred = zoo.build("lenet", width=0.1, centred=True).double()
    plain = zoo.build("lenet", width=0.1).double()
    plain.load_state_dict(centred.state_dict())
    with torch.no_grad():
        for name in ("conv2", "fc3", "fc4"):
            layer = plain.get_submodule(name)
            layer.bias -= layer.weight.flatten(1).sum(1) / 2  # type: ignore[operator, union-attr]
    x = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(centred(x), plain(x))
