"""Eight layers without shortcuts for CIFAR, all of whose hidden activations become bits."""

from torch import nn

from firebit.zoo.block import NetOptions, NormedOptions, plain
from firebit.zoo.registry import register


@register("plain8", NormedOptions, channels=3, size=32)
def plain8(options: NetOptions) -> nn.Sequential:
    """A plain network for 32×32 pictures that one core trains in hours: a seventh of VGG-small's work.

    3×3 convolutions of 64, 96, 96, 192, 192, 256 and 256 channels; the first, third and fifth are max-pooled by 2; one
    linear layer reads the 256·4·4 bits of the last. The first map alone has all 32×32 places, and multiplies three
    channels only: pooled at once, it leaves every other layer a quarter of the places, which is what makes training
    cheap. With 10 classes at width 1: 1.71 million weights and 86 million multiply-accumulates. Batch norm is on by
    default; without it the convolutions have biases. Shape: (N, C, 32, 32) → (N, classes).
    """
    return plain((64, 96, 96, 192, 192, 256, 256), (1, 3, 5), options)
