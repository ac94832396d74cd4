"""VGG-small, the usual plain network of the literature on binary networks for CIFAR."""

from torch import nn

from firebit.zoo.block import NetOptions, NormedOptions, plain
from firebit.zoo.registry import register


@register("vgg_small", NormedOptions, channels=3, size=32)
def vgg_small(options: NetOptions) -> nn.Sequential:
    """VGG-small for 32×32 pictures: 2 × conv 128, max 2, 2 × conv 256, max 2, 2 × conv 512, max 2, fc classes.

    As in LQ-Nets (Zhang, Yang, Ye and Hua 2018, arXiv:1807.10029) and what was compared with it since: 3×3
    convolutions without bias; convolution, pooling, batch norm, activation ("pool-first"); one linear layer in place
    of VGG's three. With 10 classes at width 1: 4.66 million weights and 608 million multiply-accumulates. Batch norm is
    on by default; without it the convolutions have biases. Shape: (N, C, 32, 32) → (N, classes).
    """
    return plain((128, 128, 256, 256, 512, 512), (2, 4, 6), options)
