"""AlexNet as Caffe has it, with an activation after every hidden layer."""

from dataclasses import dataclass

from torch import nn

from firebit.errors import UsageError
from firebit.zoo.block import (
    ImageNetOptions,
    conv,
    dropout,
    head,
    hidden,
    hidden_linear,
    linear,
    stack,
)
from firebit.zoo.registry import register

_GROUPS = 2


@dataclass(frozen=True)
class AlexNetOptions(ImageNetOptions):
    """The options of AlexNet.

    Attributes:
        lrn: Caffe's local response normalisation behind the first two activations, which are then to be ReLUs (of the
            baseline, or with rectified="last"): it makes real numbers of bits.
    """

    lrn: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lrn and self.activation != "relu" and self.rectified == "all":
            raise UsageError(
                "lrn=True makes real numbers of the bits that leave the first two layers of AlexNet.",
                'Leave lrn out, or have ReLUs before the last layer: rectified="last".',
            )


@register("alexnet", AlexNetOptions, channels=3, size=227)
def alexnet(options: AlexNetOptions) -> nn.Sequential:
    """AlexNet for 227×227 pictures: five convolutions (three pooled by 3×3 / 2), fc 4096, fc 4096, fc classes.

    As in Caffe's `bvlc_alexnet/train_val.prototxt`: 96@11×11 / 4, 256@5×5, 384@3×3, 384@3×3 and 256@3×3 channels; the
    second, fourth and fifth convolution in two groups, each of which reads half of the channels. What is binary: all
    seven hidden activations, `act1` … `act7`. Not binary: the pixels, sums inside a layer and the logits.

    Left out, unless asked for: its two local response normalisations (`lrn`, of ReLU networks only), and its dropout
    of the outputs of fc6 and fc7 (`dropout`, 0.5 in Caffe). The paper drops those of fc6 alone where activations are
    rectifiers (§4.1): dropped="first". Batch norm where asked for; neither Caffe nor the paper has it. Caffe pools
    behind the activation, where max pooling gives the same function: that is the order "act-first". With 1000 classes
    at width 1: 61.0 million weights and 724 million multiply-accumulates. Shape: (N, C, 227, 227) → (N, classes).
    """
    inner, last = options.inner(), options.before_head()
    one, three, six = options.scaled(96, _GROUPS), options.scaled(384, _GROUPS), options.scaled(4096)
    two = five = options.scaled(256, _GROUPS)
    return stack(
        *_normalised(
            *hidden(1, conv(options.channels, one, 11, 0, inner, first=True, stride=4), one, inner, pool=_halved()),
            lrn=options.lrn,
        ),
        *_normalised(
            *hidden(2, conv(one, two, 5, 2, inner, first=False, groups=_GROUPS), two, inner, pool=_halved()),
            lrn=options.lrn,
        ),
        *hidden(3, conv(two, three, 3, 1, inner, first=False), three, inner, pool=None),
        *hidden(4, conv(three, three, 3, 1, inner, first=False, groups=_GROUPS), three, inner, pool=None),
        *hidden(5, conv(three, five, 3, 1, inner, first=False, groups=_GROUPS), five, inner, pool=_halved()),
        ("flatten", nn.Flatten()),
        *hidden_linear(6, linear(five * 6 * 6, six, inner), six, inner),
        ("drop7", dropout(options)),
        *hidden_linear(7, linear(six, six, inner), six, last),
        *head(8, six, options.behind_dropout()),
    )


def _normalised(*layers: tuple[str, nn.Module | None], lrn: bool) -> list[tuple[str, nn.Module | None]]:
    """Hidden layers, with local response normalisation right behind their activation where asked for."""
    found: list[tuple[str, nn.Module | None]] = []
    for name, layer in layers:
        found.append((name, layer))
        if lrn and name.startswith("act"):
            found.append((name.replace("act", "lrn"), nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)))
    return found


def _halved() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2)
