"""Eight layers without shortcuts for CIFAR, all of whose hidden activations become bits."""

from torch import nn

from firebit.zoo.block import NetOptions, NormedOptions, plain
from firebit.zoo.registry import register


@register("plain8", NormedOptions, channels=3, size=32)
def plain8(options: NetOptions) -> nn.Sequential:
    """A plain network for 32×32 pictures that two cores train in hours: VGG-small's plan at a fifth of its cost.

    3×3 convolutions of 64, 64, 96, 96, 192, 192 and 256 channels; the second, fourth and sixth are max-pooled by 2; one
    linear layer reads the 256·4·4 bits of the last. The first layer is as wide as the second: it multiplies three
    channels only, so that width is cheap, and what its bits lose of the picture no later layer can recover. With 10
    classes at width 1: 1.16 million weights and 114 million multiply-accumulates. Batch norm is on by default; without
    it the convolutions have biases. Shape: (N, C, 32, 32) → (N, classes).
    """
    return plain((64, 64, 96, 96, 192, 192, 256), (2, 4, 6), options)
