"""Networks by name, and what a mistyped name or option is told."""

import pytest
import torch
from torch import nn

from firebit import zoo
from firebit.errors import UsageError
from firebit.zoo.registry import entry


def test_the_zoo_names_its_networks() -> None:
    assert {"lenet", "cifar10_quick"} <= set(zoo.names())
    assert list(zoo.names()) == sorted(zoo.names())


@pytest.mark.parametrize(("name", "shape"), [("lenet", (1, 1, 28, 28)), ("cifar10_quick", (1, 3, 32, 32))])
def test_examples_have_the_shape_a_network_expects(name: str, shape: tuple[int, ...]) -> None:
    example = zoo.example(name)
    assert example.shape == shape
    assert example.dtype == torch.float32
    assert zoo.build(name, width=0.1)(example).shape == (1, 10)


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


def test_an_entry_says_what_pictures_it_takes() -> None:
    found = entry("cifar10_quick")
    assert (found.channels, found.height, found.width) == (3, 32, 32)
