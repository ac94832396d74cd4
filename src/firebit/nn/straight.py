"""Steps trained with the straight-through estimator: the baseline that bounded rectifiers are compared with."""

import math
from typing import Any

import torch
from torch import Tensor

from firebit.errors import UsageError
from firebit.nn.rectifier import Step


class _StraightThrough(torch.autograd.Function):
    """A step at 0 in the forward pass, the identity near 0 in the backward pass."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor, reach: float) -> Tensor:
        return (y >= 0).to(y.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        y, ctx.reach = inputs
        ctx.save_for_backward(y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return torch.where(y.abs() <= ctx.reach, grad, 0), None


class StraightThroughStep(Step):
    """A unit that fires iff y ≥ 0, with the straight-through estimator as its gradient.

    The step has no useful gradient, so that backward takes the identity's in its place (Bengio, Léonard and Courville
    2013, arXiv:1308.3432), and 0 where |y| is beyond half the width (Courbariaux, Hubara, Soudry, El-Yaniv and Bengio
    2016, arXiv:1602.02830; their |y| ≤ 1 is the width 2). Its outputs are bits from the first step of training on, so
    there is nothing to grow. :func:`firebit.nn.harden` makes a :class:`Step` of threshold 0 and direction +1 of it,
    into which a batch norm before it folds.

    Args:
        channels: number of channels C.
        width: of the interval around 0 in which gradients pass, > 0; both ends belong to it. With width 1, gradients
            pass where they pass a bounded rectifier of slope 1.
        dim: the dimension of the input that holds the channels.

    Shape:
        (N, C, *) → the same, values 0 or 1 in the input's dtype.

    Raises:
        UsageError: no channels, or a width that is not positive.

    Example:
        >>> y = torch.tensor([[-2.0, -1.0, 0.0, 0.5]], requires_grad=True)
        >>> bits = StraightThroughStep(4)(y)
        >>> bits.sum().backward()
        >>> bits.tolist(), y.grad.tolist()
        ([[0.0, 0.0, 1.0, 1.0]], [[0.0, 1.0, 1.0, 1.0]])
    """

    def __init__(self, channels: int, width: float = 2.0, *, dim: int = 1) -> None:
        if channels < 1:
            raise UsageError(f"channels={channels} is not a number of channels.", "Give a positive integer.")
        if not (math.isfinite(width) and width > 0):
            raise UsageError(f"width={width} is not the width of an interval.", "Give a positive number, such as 2.")
        super().__init__(torch.zeros(channels), torch.ones(channels), dim=dim)
        # They never change, so a state has nothing to say about them.
        self.register_buffer("threshold", self.threshold, persistent=False)
        self.register_buffer("direction", self.direction, persistent=False)
        self.width = float(width)

    def forward(self, y: Tensor) -> Tensor:
        bits: Tensor = _StraightThrough.apply(y, self.width / 2)  # type: ignore[no-untyped-call]
        return bits

    def hardened(self) -> Step:
        """The plain step of the same function."""
        return Step(self.threshold, self.direction, dim=self.dim)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, width={self.width:g}"
