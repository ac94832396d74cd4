"""Networks to train, registered by name (needs torch)."""

from firebit.zoo.block import NetOptions
from firebit.zoo.cifar10_quick import cifar10_quick
from firebit.zoo.lenet import lenet
from firebit.zoo.registry import build, example, names

__all__ = ["NetOptions", "build", "cifar10_quick", "example", "lenet", "names"]
