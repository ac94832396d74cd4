"""EfficientNet-Lite, a family of real-valued networks for photos: what comes before a layer of codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, fx, nn

_EPSILON = 1e-3
# (kernel, stride of the first, expansion, channels out, repeats) of each stage at width and depth 1.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM, FEATURES = 32, 1280


@dataclass(frozen=True)
class Scaling:
    """How a member of the family differs from Lite0.

    Attributes:
        width: multiplier on the channels of all stages; stem and head keep theirs.
        depth: multiplier on the repeats of all stages but the first and the last.
        size: side in pixels of the pictures it was trained on.
    """

    width: float
    depth: float
    size: int


SCALINGS = {
    "efficientnet_lite0": Scaling(1.0, 1.0, 224),
    "efficientnet_lite1": Scaling(1.0, 1.1, 240),
    "efficientnet_lite2": Scaling(1.1, 1.2, 260),
}


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite without its classifier: pictures to 1280 numbers in 0 … 6, the mean over the last map.

    EfficientNet (Tan and Le 2019, arXiv:1905.11946) as its authors simplified it for small processors: no squeeze and
    excitation, ReLU6 for swish, stem and head of one width in the whole family. Convolutions are padded as TensorFlow's
    "SAME" does it, one cell more behind than before where the sum is odd, since that is how the published weights were
    trained.

    Args:
        scaling: which member of the family; those of :data:`SCALINGS` have published weights.

    Shape:
        (N, 3, H, W) → (N, 1280) with H, W ≥ 32. It expects (pixel − 127) / 128 (:mod:`firebit.zoo.backbone` does that).
    """

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        self.stem = ConvNorm(3, _STEM, 3, stride=2)
        blocks, inputs = [], _STEM
        for kernel, stride, expansion, outputs, repeats in _scaled_stages(scaling):
            for at in range(repeats):
                blocks.append(InvertedResidual(inputs, outputs, kernel, stride if at == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNorm(inputs, FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x))).mean((2, 3))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """Expansion by a 1×1 convolution, a convolution per channel, projection; added to the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = ConvNorm(inputs, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, kernel, stride=stride, groups=wide)
        self.project = ConvNorm(wide, outputs, 1, activated=False)
        self.is_added = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.is_added else y


class ConvNorm(nn.Module):
    """A convolution padded as "SAME", batch norm, and ReLU6 unless it projects."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, activated: bool = True
    ) -> None:
        super().__init__()
        # With a stride of 1 both sides are alike, and the convolution pads by itself.
        own = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, own, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=_EPSILON, momentum=0.01)
        self.act = nn.ReLU6(inplace=True) if activated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.stride[0] > 1:
            x = padded(x, self.conv.kernel_size[0], self.conv.stride[0])
        return self.act(self.norm(self.conv(x)))  # type: ignore[no-any-return]


@fx.wrap
def padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Maps (N, C, H, W) with the zeros around them that :func:`same` asks for."""
    return F.pad(x, [*same(x.shape[3], kernel, stride), *same(x.shape[2], kernel, stride)])


def same(size: int, kernel: int, stride: int) -> Sequence[int]:
    """Cells of padding before and behind, so that ⌈size / stride⌉ come out: one more behind where their sum is odd.

    Example:
        >>> same(224, 3, 2), same(15, 3, 2)
        ((0, 1), (1, 1))
    """
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def _scaled_stages(scaling: Scaling) -> list[tuple[int, int, int, int, int]]:
    found, last = [], len(_STAGES) - 1
    for at, (kernel, stride, expansion, outputs, repeats) in enumerate(_STAGES):
        deep = repeats if at in (0, last) else _rounded_up(repeats * scaling.depth)
        found.append((kernel, stride, expansion, _rounded_to_8(outputs * scaling.width), deep))
    return found


def _rounded_up(number: float) -> int:
    return -int(-number // 1)


def _rounded_to_8(channels: float) -> int:
    """The nearest multiple of 8, or the next above where that would lose more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8
