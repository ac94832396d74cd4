"""ResNet-18, all of whose hidden activations become bits: no real-valued stream runs past its blocks."""

from torch import Tensor, nn

from firebit.zoo.block import (
    NetOptions,
    NormedImageNetOptions,
    activation,
    batch_norm,
    conv,
    head,
    hidden,
    stack,
)
from firebit.zoo.registry import register

_STAGES = (64, 128, 256, 512)


@register("resnet18", NormedImageNetOptions, channels=3, size=224)
def resnet18(options: NetOptions) -> nn.Sequential:
    """ResNet-18 for 224×224 pictures: conv 64@7×7 / 2, max 3×3 / 2, four stages of two blocks, mean, fc classes.

    As in He, Zhang, Ren and Sun 2015 (arXiv:1512.03385, table 1): the stages have 64, 128, 256 and 512 channels, and
    each but the first begins with a stride of 2 and a 1×1 projection. What leaves a block is bits (:class:`Block` says
    how); their mean over the last map is a count. With 1000 classes at width 1: 11.7 million weights and 1.81 billion
    multiply-accumulates. Batch norm is on by default; without it the convolutions have biases. Any size of picture
    will do. Shape: (N, C, 224, 224) → (N, classes).
    """
    inner = options.inner()
    units = [options.scaled(each) for each in _STAGES]
    stem = conv(options.channels, units[0], 7, 3, inner, first=True, bias=not options.batch_norm, stride=2)
    stages: list[tuple[str, nn.Module | None]] = []
    for number, (before, after) in enumerate(zip((units[0], *units), units, strict=False), 1):
        last = options.before_head() if number == len(units) else inner
        blocks = (Block(before, after, 1 if number == 1 else 2, inner, inner), Block(after, after, 1, inner, last))
        stages.append((f"stage{number}", nn.Sequential(*blocks)))
    return stack(
        *hidden(1, stem, units[0], inner, pool=nn.MaxPool2d(3, 2, padding=1)),
        *stages,
        ("mean", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        *head("", units[-1], options),
    )


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut that is added before the last activation.

    Where that activation gives bits, the shortcut adds the block's input bits, or their 1×1 projection, to the
    convolution's sums; batch norm, the threshold, comes behind the addition:

        y = act(norm(conv(h) + x)),  h = act(norm(conv(x)))

    so that all that is added up are integers on one grid. Where it is a ReLU, each branch is normalised before the
    addition, as in the paper on residual networks.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        stride: of the first convolution and of the projection.
        options: of the first activation.
        last: of the second.

    Shape:
        (N, inputs, H, W) → (N, outputs, ⌈H / stride⌉, ⌈W / stride⌉)
    """

    def __init__(self, inputs: int, outputs: int, stride: int, options: NetOptions, last: NetOptions) -> None:
        super().__init__()
        bias = not options.batch_norm
        self.conv1 = conv(inputs, outputs, 3, 1, options, first=False, bias=bias, stride=stride)
        self.norm1 = batch_norm(outputs, options, spatial=True) or nn.Identity()
        self.act1 = activation(outputs, options)
        self.conv2 = conv(outputs, outputs, 3, 1, options, first=False, bias=bias)
        self.norm2 = batch_norm(outputs, last, spatial=True) or nn.Identity()
        self.act2 = activation(outputs, last)
        self.is_real = last.activation == "relu"
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            projection = conv(inputs, outputs, 1, 0, options, first=False, bias=False, stride=stride)
            norm = batch_norm(outputs, last, spatial=True) if self.is_real else None
            self.shortcut = stack(("conv", projection), ("norm", norm))

    def forward(self, x: Tensor) -> Tensor:
        sums = self.conv2(self.act1(self.norm1(self.conv1(x))))
        y: Tensor
        if self.is_real:
            y = self.act2(self.norm2(sums) + self.shortcut(x))
        else:
            y = self.act2(self.norm2(sums + self.shortcut(x)))
        return y
