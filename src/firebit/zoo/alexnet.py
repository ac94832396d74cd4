"""AlexNet as Caffe has it, with an activation after every hidden layer."""

from torch import nn

from firebit.zoo.block import (
    ImageNetOptions,
    NetOptions,
    activation,
    batch_norm,
    conv,
    dropout,
    head,
    hidden,
    linear,
    stack,
)
from firebit.zoo.registry import register

_GROUPS = 2


@register("alexnet", ImageNetOptions, channels=3, size=227)
def alexnet(options: NetOptions) -> nn.Sequential:
    """AlexNet for 227×227 pictures: five convolutions (three pooled by 3×3 / 2), fc 4096, fc 4096, fc classes.

    As in Caffe's `bvlc_alexnet/train_val.prototxt`: 96@11×11 / 4, 256@5×5, 384@3×3, 384@3×3 and 256@3×3 channels; the
    second, fourth and fifth convolution in two groups, each of which reads half of the channels. Left out are its two
    local response normalisations, which are no function of bits, and its dropout, unless `dropout` asks for it (0.5 in
    Caffe); batch norm where asked for. Caffe pools behind the activation, where max pooling gives the same function:
    that is the order "act-first". With 1000 classes at width 1: 61.0 million weights and 724 million
    multiply-accumulates. Shape: (N, C, 227, 227) → (N, classes).
    """
    inner, last = options.inner(), options.before_head()
    one, three, six = options.scaled(96, _GROUPS), options.scaled(384, _GROUPS), options.scaled(4096)
    two = five = options.scaled(256, _GROUPS)
    return stack(
        *hidden(1, conv(options.channels, one, 11, 0, inner, first=True, stride=4), one, inner, pool=_halved()),
        *hidden(2, conv(one, two, 5, 2, inner, first=False, groups=_GROUPS), two, inner, pool=_halved()),
        *hidden(3, conv(two, three, 3, 1, inner, first=False), three, inner, pool=None),
        *hidden(4, conv(three, three, 3, 1, inner, first=False, groups=_GROUPS), three, inner, pool=None),
        *hidden(5, conv(three, five, 3, 1, inner, first=False, groups=_GROUPS), five, inner, pool=_halved()),
        ("flatten", nn.Flatten()),
        ("fc6", linear(five * 6 * 6, six, inner)),
        ("norm6", batch_norm(six, inner, spatial=False)),
        ("act6", activation(six, inner)),
        ("drop7", dropout(options)),
        ("fc7", linear(six, six, inner)),
        ("norm7", batch_norm(six, last, spatial=False)),
        ("act7", activation(six, last)),
        *head(8, six, options),
    )


def _halved() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2)
