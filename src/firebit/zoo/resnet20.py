"""ResNet-20 for CIFAR, all of whose hidden activations become bits."""

from torch import nn

from firebit.zoo.block import NetOptions, NormedOptions, conv, head, hidden, stack
from firebit.zoo.registry import register
from firebit.zoo.residual import stages

_STAGES = (16, 32, 64)


@register("resnet20", NormedOptions, channels=3, size=32)
def resnet20(options: NetOptions) -> nn.Sequential:
    """ResNet-20 for 32×32 pictures: conv 16@3×3, three stages of three blocks, mean, fc classes.

    As in He, Zhang, Ren and Sun 2015 (arXiv:1512.03385, §4.2), with 16, 32 and 64 channels; where a stage halves the
    map, the shortcut is a 1×1 projection (their option B), since channels of zeros beside bits (their option A) carry
    nothing. What is binary: `act1` behind the first convolution, and both activations of each of the nine blocks
    (:class:`firebit.zoo.residual.Block` says how a shortcut adds bits), so 19 layers of bits. Not binary: the pixels,
    sums inside a layer, the mean of bits over the last 8×8 map, which is a count, and the logits. With 10 classes at
    width 1: 0.27 million weights and 40.8 million multiply-accumulates. Batch norm is on by default; without it the
    convolutions have biases. Any size of picture will do. Shape: (N, C, 32, 32) → (N, classes).
    """
    inner = options.inner()
    units = [options.scaled(each) for each in _STAGES]
    stem = conv(options.channels, units[0], 3, 1, inner, first=True, bias=not options.batch_norm)
    return stack(
        *hidden(1, stem, units[0], inner, pool=None),
        *stages(units, 3, options),
        ("mean", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        *head("", units[-1], options),
    )
