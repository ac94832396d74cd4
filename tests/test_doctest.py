"""Examples in docstrings that need nothing around them give what they say."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "firebit.explain.firing",
    "firebit.explain.minimal",
    "firebit.nn.balance",
    "firebit.nn.growth",
    "firebit.nn.harden",
    "firebit.nn.rectifier",
    "firebit.nn.rectify",
    "firebit.nn.snap",
    "firebit.nn.straight",
    "firebit.nn.weights",
    "firebit.pretrained.shelf",
    "firebit.train.average",
    "firebit.train.hold",
    "firebit.zoo.registry",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed
