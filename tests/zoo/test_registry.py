"""Networks by name, and what a mistyped name or option is told."""

import pytest
import torch
from torch import nn

from firebit import zoo
from firebit.errors import UsageError
from firebit.nn import StraightThroughStep, harden
from firebit.zoo.registry import entry


def test_the_zoo_names_its_networks() -> None:
    expected = {"lenet", "cifar10_quick", "vgg_small", "plain8", "resnet20", "alexnet", "resnet18", "vgg16"}
    assert set(zoo.names()) == expected
    assert list(zoo.names()) == sorted(zoo.names())


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("lenet", (1, 1, 28, 28)),
        *((name, (1, 3, 32, 32)) for name in ("cifar10_quick", "vgg_small", "plain8", "resnet20")),
    ],
)
def test_examples_have_the_shape_a_network_expects(name: str, shape: tuple[int, ...]) -> None:
    example = zoo.example(name)
    assert example.shape == shape
    assert example.dtype == torch.float32
    assert zoo.build(name, width=0.1)(example).shape == (1, 10)


@pytest.mark.parametrize(("name", "side"), [("alexnet", 227), ("resnet18", 224), ("vgg16", 224)])
def test_networks_for_imagenet_have_its_pictures_and_classes(name: str, side: int) -> None:
    example = zoo.example(name)
    assert example.shape == (1, 3, side, side)
    assert zoo.build(name, width=0.01).eval()(example).shape == (1, 1000)
    assert zoo.build(name, width=0.01, classes=3).eval()(example).shape == (1, 3)


def test_examples_of_other_channels_and_batches() -> None:
    assert zoo.example("lenet", channels=3, batch=4).shape == (4, 3, 28, 28)


@pytest.mark.parametrize(("name", "near"), [("lenett", "lenet"), ("cifar10-quick", "cifar10_quick")])
def test_a_mistyped_network_gets_the_nearest_name(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"There is no network '{name}'") as caught:
        zoo.build(name)
    assert f"Did you mean '{near}'?" in caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_name_like_none_of_them_gets_the_list() -> None:
    with pytest.raises(UsageError) as caught:
        zoo.example("xyz")
    assert caught.value.remedy.startswith("The zoo has: ")


def test_a_mistyped_option_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="lenet has no option 'centered'") as caught:
        zoo.build("lenet", centered=True)
    assert "Did you mean 'centred'?" in caught.value.remedy
    assert "slope_init" in caught.value.remedy


def test_options_reach_the_network() -> None:
    net = zoo.build("cifar10_quick", channels=1, classes=7, width=0.1, activation="relu")
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
    assert sum(isinstance(layer, nn.ReLU) for layer in net) == 4


@pytest.mark.parametrize("name", ["lenet", "cifar10_quick"])
def test_dropout_comes_before_the_last_two_linear_layers_and_changes_nothing_else(name: str) -> None:
    plain, dropped = zoo.build(name, width=0.1), zoo.build(name, width=0.1, dropout=0.5)
    children = [child for child, _ in dropped.named_children()]
    linear = [child for child, layer in dropped.named_children() if isinstance(layer, nn.Linear)]
    before = [children[children.index(child) - 1] for child in linear]
    assert before == [child.replace("fc", "drop") for child in linear] and len(linear) == 2
    assert [child for child in children if child not in before] == [child for child, _ in plain.named_children()]
    dropped.load_state_dict(plain.state_dict())
    x = torch.rand_like(zoo.example(name, batch=2))
    assert torch.equal(dropped.eval()(x), plain.eval()(x))
    assert not torch.equal(dropped.train()(x), plain(x))


@pytest.mark.parametrize("name", ["lenet", "cifar10_quick", "vgg_small", "plain8", "resnet20"])
def test_straight_through_networks_harden_to_the_same_function(name: str) -> None:
    torch.manual_seed(0)
    net = zoo.build(name, width=0.1, activation="straight-through", batch_norm=True).double()
    x = torch.rand_like(zoo.example(name, batch=8)).double()
    net(x).sum().backward()
    assert net.get_submodule("conv1").weight.grad.abs().sum() > 0  # type: ignore[operator, union-attr]
    hard = harden(net.eval(), x[:1])
    assert not any(isinstance(layer, StraightThroughStep | nn.BatchNorm2d) for layer in hard.modules())
    assert torch.equal(hard(x), net(x))


def test_an_entry_says_what_pictures_it_takes() -> None:
    found = entry("cifar10_quick")
    assert (found.channels, found.height, found.width) == (3, 32, 32)
