"""Residual networks all of whose hidden activations become bits: no real-valued stream runs past their blocks."""

from collections.abc import Sequence

from torch import Tensor, nn

from firebit.zoo.block import NetOptions, activation, batch_norm, conv, stack


def stages(units: Sequence[int], blocks: int, options: NetOptions) -> list[tuple[str, nn.Module]]:
    """Stages of residual blocks, named `stage1`, `stage2`, …; every one but the first halves the sides of its maps.

    Args:
        units: channels of each stage; the first gets as many as it gives.
        blocks: blocks of each stage.
        options: of the network; the last activation of all is as they say of the last hidden one.
    """
    found: list[tuple[str, nn.Module]] = []
    inner = options.inner()
    for number, (before, after) in enumerate(zip((units[0], *units), units, strict=False), 1):
        chain = []
        for at in range(blocks):
            first, last = at == 0, number == len(units) and at == blocks - 1
            own = options.before_head() if last else inner
            stride = 2 if first and number > 1 else 1
            chain.append(Block(before if first else after, after, stride, inner, own))
        found.append((f"stage{number}", nn.Sequential(*chain)))
    return found


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
