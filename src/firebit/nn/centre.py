"""Layers that read codes or pixels around their middle: the same functions, better conditioned without batch norm.

Bits, soft codes and pixels lie in [0, 1] with mean near ½, so that a layer's weights all see the same large common
signal. A centred layer computes conv(f − ½, W) + b instead, written as conv(f, W, b − ½·ΣW) with padding bit 0.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

_MIDDLE = 0.5


def _centred_bias(weight: Tensor, bias: Tensor | None) -> Tensor:
    shift: Tensor = -_MIDDLE * weight.flatten(1).sum(1)
    return shift if bias is None else bias + shift


class CentredConv2d(nn.Conv2d):
    """A convolution that takes ½ from every input cell inside its window, padding included as 0 (a bit's 0).

    Arguments and shapes are those of :class:`torch.nn.Conv2d` with zero padding. :meth:`plain` gives the ordinary
    convolution of the same function.
    """

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self._conv_forward(input, self.weight, _centred_bias(self.weight, self.bias))
        return output

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """The ordinary convolution of the same function, its bias computed in float64."""
        layer = nn.Conv2d(
            self.in_channels,
            self.out_channels,
            self.kernel_size,  # type: ignore[arg-type]
            self.stride,  # type: ignore[arg-type]
            self.padding,  # type: ignore[arg-type]
            self.dilation,  # type: ignore[arg-type]
            self.groups,
            padding_mode=self.padding_mode,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )
        _copy_plain(layer, self)
        return layer


class CentredLinear(nn.Linear):
    """A linear layer that takes ½ from every input: x ↦ W·(x − ½) + b. :meth:`plain` is the ordinary layer."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, _centred_bias(self.weight, self.bias))

    @torch.no_grad()
    def plain(self) -> nn.Linear:
        """The ordinary linear layer of the same function, its bias computed in float64."""
        layer = nn.Linear(self.in_features, self.out_features, device=self.weight.device, dtype=self.weight.dtype)
        _copy_plain(layer, self)
        return layer


class CentredDropout(_DropoutNd):
    """Dropout around the middle of codes: in training a value becomes ½ with probability p, else ½ + (f − ½)/(1 − p).

    A centred layer then sees 0 where a value is dropped, whether it was a 0 or a 1; ordinary dropout would turn ones to
    zeros and leave zeros as they are. In eval mode it changes nothing.

    Args:
        p: share of the values that are dropped, 0 ≤ p ≤ 1.

    Shape:
        Any → the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return input
        return F.dropout(input - _MIDDLE, self.p) + _MIDDLE


def _copy_plain(layer: nn.Conv2d | nn.Linear, centred: nn.Conv2d | nn.Linear) -> None:
    bias = None if centred.bias is None else centred.bias.double()
    layer.weight.copy_(centred.weight)
    assert layer.bias is not None
    layer.bias.copy_(_centred_bias(centred.weight.double(), bias))
    layer.train(centred.training)
