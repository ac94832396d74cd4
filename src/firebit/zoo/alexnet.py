"""AlexNet for ImageNet, in one column and without normalisation across channels."""

from torch import nn

from firebit.zoo.block import NetOptions, activation, batch_norm, conv, dropout, hidden, linear, stack
from firebit.zoo.registry import register

_WINDOW = 3


@register("alexnet", NetOptions, channels=3, size=227)
def alexnet(options: NetOptions) -> nn.Sequential:
    """AlexNet for 227×227 pictures: conv 96 (11×11 / 4), conv 256 (5×5), conv 384, 384 and 256 (3×3), fc 4096, fc 4096.

    The first, second and fifth convolution are max-pooled by 3×3 / 2. As in Krizhevsky, Sutskever and Hinton 2012 and
    Caffe's `bvlc_alexnet`, but for three things: convolutions are not split into two groups; there is no local response
    normalisation, which no threshold could take up; batch norm where asked for. Dropout is before the last two linear
    layers. With 1000 classes at width 1: 62.4 million weights. Shape: (N, C, 227, 227) → (N, classes).
    """
    inner = options.inner()
    one, two, three, four, five = (options.scaled(units) for units in (96, 256, 384, 384, 256))
    six, seven = options.scaled(4096), options.scaled(4096)
    return stack(
        *hidden(1, nn.Conv2d(options.channels, one, 11, stride=4), one, inner, window=_WINDOW),
        *hidden(2, conv(one, two, 5, 2, inner, first=False), two, inner, window=_WINDOW),
        *hidden(3, conv(two, three, 3, 1, inner, first=False), three, inner, pool=False),
        *hidden(4, conv(three, four, 3, 1, inner, first=False), four, inner, pool=False),
        *hidden(5, conv(four, five, 3, 1, inner, first=False), five, inner, window=_WINDOW),
        ("flatten", nn.Flatten()),
        ("fc6", linear(five * 6 * 6, six, inner)),
        ("norm6", batch_norm(six, inner, spatial=False)),
        ("act6", activation(six, inner)),
        ("drop7", dropout(options)),
        ("fc7", linear(six, seven, inner)),
        ("norm7", batch_norm(seven, options, spatial=False)),
        ("act7", activation(seven, options)),
        ("drop8", dropout(options)),
        ("fc8", linear(seven, options.classes, options)),
    )
