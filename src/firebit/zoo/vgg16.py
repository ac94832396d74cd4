"""VGG-16 with an activation after every hidden layer."""

from itertools import pairwise

from torch import nn

from firebit.zoo.block import (
    NetOptions,
    NormedImageNetOptions,
    conv,
    dropout,
    head,
    hidden,
    hidden_linear,
    linear,
    stack,
)
from firebit.zoo.registry import register

_CONVOLUTIONS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
_POOLED = (2, 4, 7, 10, 13)
_SIDE = 7


@register("vgg16", NormedImageNetOptions, channels=3, size=224)
def vgg16(options: NetOptions) -> nn.Sequential:
    """VGG-16 for 224×224 pictures: 13 convolutions 3×3, five of them pooled by 2, fc 4096, fc 4096, fc classes.

    Configuration D of Simonyan and Zisserman 2014 (arXiv:1409.1556, table 1), with batch norm before every hidden
    activation, also those of the linear layers; it is on by default, since the plain network's features are of very
    different sizes (§3.3 of the paper on rectifiers), and without it the convolutions have biases. What is binary: all
    15 hidden activations, `act1` … `act15`. Not binary: the pixels, sums inside a layer and the logits. VGG's dropout
    is there where `dropout` asks for it (0.5 in the original). Pooling comes before the activation, where max pooling
    gives the same function. With 1000 classes at width 1: 138 million weights and 15.5 billion multiply-accumulates.
    Shape: (N, C, 224, 224) → (N, classes).
    """
    inner, last = options.inner(), options.before_head()
    units = [options.scaled(each) for each in _CONVOLUTIONS]
    layers: list[tuple[str, nn.Module | None]] = []
    for index, (before, after) in enumerate(pairwise([options.channels, *units]), 1):
        weights = conv(before, after, 3, 1, inner, first=index == 1, bias=not options.batch_norm)
        layers += hidden(index, weights, after, inner, pool=nn.MaxPool2d(2, 2) if index in _POOLED else None)
    wide = options.scaled(4096)
    return stack(
        *layers,
        ("flatten", nn.Flatten()),
        *hidden_linear(14, linear(units[-1] * _SIDE**2, wide, inner), wide, inner),
        ("drop15", dropout(options)),
        *hidden_linear(15, linear(wide, wide, inner), wide, last),
        *head(16, wide, options.behind_dropout()),
    )
