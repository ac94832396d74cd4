"""ResNet-18, all of whose hidden activations become bits: no real-valued stream runs past its blocks."""

from torch import nn

from firebit.zoo.block import NetOptions, NormedImageNetOptions, conv, head, hidden, stack
from firebit.zoo.registry import register
from firebit.zoo.residual import stages

_STAGES = (64, 128, 256, 512)


@register("resnet18", NormedImageNetOptions, channels=3, size=224)
def resnet18(options: NetOptions) -> nn.Sequential:
    """ResNet-18 for 224×224 pictures: conv 64@7×7 / 2, max 3×3 / 2, four stages of two blocks, mean, fc classes.

    As in He, Zhang, Ren and Sun 2015 (arXiv:1512.03385, table 1): the stages have 64, 128, 256 and 512 channels, and
    each but the first begins with a stride of 2 and a 1×1 projection. What is binary: `act1` behind the first
    convolution, and both activations of each of the eight blocks (:class:`firebit.zoo.residual.Block` says how a
    shortcut adds bits), so 17 layers of bits. Not binary: the pixels, sums inside a layer, the mean of bits over the
    last map, which is a count, and the logits. With 1000 classes at width 1: 11.7 million weights and 1.81 billion
    multiply-accumulates. Batch norm is on by default; without it the convolutions have biases. Any size of picture
    will do. Shape: (N, C, 224, 224) → (N, classes).
    """
    inner = options.inner()
    units = [options.scaled(each) for each in _STAGES]
    stem = conv(options.channels, units[0], 7, 3, inner, first=True, bias=not options.batch_norm, stride=2)
    return stack(
        *hidden(1, stem, units[0], inner, pool=nn.MaxPool2d(3, 2, padding=1)),
        *stages(units, 2, options),
        ("mean", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        *head("", units[-1], options),
    )
