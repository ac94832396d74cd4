"""Networks to train, registered by name (needs torch)."""

from firebit.zoo.alexnet import alexnet
from firebit.zoo.block import NetOptions
from firebit.zoo.cifar10_quick import cifar10_quick
from firebit.zoo.lenet import lenet
from firebit.zoo.plain8 import plain8
from firebit.zoo.registry import build, example, names
from firebit.zoo.resnet18 import resnet18
from firebit.zoo.resnet20 import resnet20
from firebit.zoo.untrained import untrained, untrained_relu
from firebit.zoo.vgg16 import vgg16
from firebit.zoo.vgg_small import vgg_small

__all__ = [
    "NetOptions",
    "alexnet",
    "build",
    "cifar10_quick",
    "example",
    "lenet",
    "names",
    "plain8",
    "resnet18",
    "resnet20",
    "untrained",
    "untrained_relu",
    "vgg16",
    "vgg_small",
]
