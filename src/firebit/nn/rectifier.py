"""Adjustable bounded rectifiers and the steps they become (Wu, Lin, Tang 2015, equations 1 and 2)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from firebit.errors import UsageError

SlopeInit = float | str | Tensor | Sequence[float] | Callable[[Tensor], Any]


def per_channel(values: Tensor, like: Tensor, dim: int = 1) -> Tensor:
    """View `values` (C,) so that it broadcasts over dimension `dim` of `like`."""
    shape = [1] * like.dim()
    shape[dim] = values.numel()
    return values.view(shape)


class _BoundedRectify(torch.autograd.Function):
    """Keeps only the pre-activation for backward; k·y + ½ is computed again, in as few passes as eager torch allows."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor, k: Tensor) -> Tensor:
        return torch.addcmul(y.new_full((), 0.5), y, k).clamp_(0, 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        y, k = ctx.saved_tensors
        z = torch.addcmul(y.new_full((), 0.5), y, k)
        # Hardtanh's gradient leaves its ends out; these ends lie just outside 0 and 1, which belong to the inside.
        inside = torch.ops.aten.hardtanh_backward(grad, z, -1e-30, 1 + torch.finfo(z.dtype).eps)
        grad_k = (inside * y).sum_to_size(k.shape) if ctx.needs_input_grad[1] else None
        if not ctx.needs_input_grad[0]:
            return None, grad_k
        # Fresh memory costs as much as the arithmetic; only a second derivative still needs `inside`.
        return inside * k if torch.is_grad_enabled() else inside.mul_(k), grad_k


def bounded_rectify(y: Tensor, k: Tensor, dim: int = 1) -> Tensor:
    """f(y) = min(max(k·y + ½, 0), 1), equation 1, as one differentiable function.

    The gradient follows equation 2 with its erratum corrected: where 0 ≤ k·y + ½ ≤ 1 *before* clipping, both ends
    included, ∂f/∂y = k and ∂f/∂k = y; elsewhere both are 0.

    Args:
        y: pre-activations, floating point, channels in dimension `dim`.
        k: slopes, shape (C,), or () for one slope shared by all channels.
        dim: the dimension of `y` that holds the channels.

    Returns:
        Activations in [0, 1], of the shape and dtype of `y`. Half-precision input is computed in float32.

    Raises:
        UsageError: `k` has not one value per channel of `y`.

    Example:
        >>> bounded_rectify(torch.tensor([[-1.0, 0.0, 0.1, 1.0]]), torch.ones(4))
        tensor([[0.0000, 0.5000, 0.6000, 1.0000]])
    """
    if k.dim() and (k.dim() > 1 or not -y.dim() <= dim < y.dim() or y.shape[dim] != k.numel()):
        raise UsageError(
            f"{k.numel()} slopes of shape {tuple(k.shape)} do not fit dimension {dim} of an input of shape "
            f"{tuple(y.shape)}.",
            "Give one slope per channel, and say with dim= where the channels are.",
        )
    slopes = per_channel(k, y, dim) if k.dim() else k
    half = y.dtype in (torch.float16, torch.bfloat16)
    with torch.autocast(y.device.type, enabled=False):
        f: Tensor = _BoundedRectify.apply(  # type: ignore[no-untyped-call]
            y.float() if half else y, slopes.to(torch.float32 if half else y.dtype)
        )
    return f.to(y.dtype)


def initial_slopes(channels: int, slope_init: SlopeInit) -> Tensor:
    """Slopes (C,), float32, from a number, "normal" (standard normal, §3.3), C numbers, or a function of the tensor."""
    slopes = torch.empty(channels)
    if callable(slope_init):
        result = slope_init(slopes)
        return (result if isinstance(result, Tensor) else slopes).detach().clone()
    if isinstance(slope_init, str):
        if slope_init != "normal":
            raise UsageError(
                f"slope_init={slope_init!r} is not a known initialisation.",
                'Use a number, "normal", a sequence of one number per channel, or a function that fills a tensor.',
            )
        return slopes.normal_()
    values = torch.as_tensor(slope_init, dtype=torch.float32)
    if values.dim() > 1 or (values.dim() == 1 and values.numel() != channels) or not values.isfinite().all():
        raise UsageError(
            f"slope_init of shape {tuple(values.shape)} does not give {channels} finite slopes.",
            "Give one number, or one number per channel.",
        )
    return slopes.copy_(values)


class BoundedRectifier(nn.Module):
    """f(y) = min(max(k·y + ½, 0), 1) with a learned slope k per channel (equation 1, §3.1).

    Args:
        channels: number of channels C.
        slope_init: where slopes start: a number (the paper's is 1), "normal" (standard normal, §3.3), one number per
            channel, or a function that fills a tensor of shape (C,).
        dim: the dimension of the input that holds the channels (1 for (N, C), (N, C, L), (N, C, H, W); channels_last
            memory needs nothing else).

    Attributes:
        slope: parameter of shape (C,), float32 unless the module is cast. Give it no weight decay
            (:func:`firebit.nn.param_groups` sees to that).

    Shape:
        (N, C, *) → the same; values in [0, 1]. Under autocast it computes in float32 and returns the input's dtype.
    """

    slope: nn.Parameter

    def __init__(self, channels: int, slope_init: SlopeInit = 1.0, *, dim: int = 1) -> None:
        super().__init__()
        if channels < 1:
            raise UsageError(f"channels={channels} is not a number of channels.", "Give a positive integer.")
        self.channels = channels
        self.dim = dim
        self.slope = nn.Parameter(initial_slopes(channels, slope_init))

    def forward(self, y: Tensor) -> Tensor:
        return bounded_rectify(y, self.slope, self.dim)

    def extra_repr(self) -> str:
        return f"{self.channels}" if self.dim == 1 else f"{self.channels}, dim={self.dim}"


class Step(nn.Module):
    """What a bounded rectifier becomes when hardened: 1 where a unit fires, 0 elsewhere.

    A unit of direction +1 fires iff y ≥ threshold, one of direction −1 iff y ≤ threshold, and one of direction 0
    always. The comparison is made in float64, never through the product k·y. A constant unit is a threshold of ∓∞.

    Args:
        threshold: shape (C,), kept in float64.
        direction: shape (C,), values −1, 0 or +1.
        dim: the dimension of the input that holds the channels.

    Shape:
        (N, C, *) → the same, values 0 or 1 in the input's dtype. Its gradient is zero everywhere.
    """

    threshold: Tensor
    direction: Tensor

    def __init__(self, threshold: Tensor, direction: Tensor, *, dim: int = 1) -> None:
        super().__init__()
        if threshold.shape != direction.shape or threshold.dim() != 1 or threshold.isnan().any():
            raise UsageError(
                f"A step needs one threshold and one direction per channel, not shapes {tuple(threshold.shape)} and "
                f"{tuple(direction.shape)}, and no threshold that is not a number.",
                "Make steps with firebit.nn.harden, or give two vectors of the same length.",
            )
        self.channels = threshold.numel()
        self.dim = dim
        self.register_buffer("threshold", threshold.detach().to(torch.float64, copy=True))
        self.register_buffer("direction", direction.detach().to(torch.int8, copy=True))

    @classmethod
    def from_rectifier(cls, rectifier: BoundedRectifier) -> "Step":
        """The step of the same sign: k > 0 fires iff y ≥ 0, k < 0 iff y ≤ 0, k = 0 always."""
        slope = rectifier.slope.detach()
        return cls(torch.zeros_like(slope), slope.sign(), dim=rectifier.dim)

    def forward(self, y: Tensor) -> Tensor:
        threshold = per_channel(self.threshold, y, self.dim)
        direction = per_channel(self.direction, y, self.dim)
        above = (y >= threshold) & (direction > 0)
        below = (y <= threshold) & (direction < 0)
        return (above | below | (direction == 0)).to(y.dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Step":
        # Moves with the model, but .half() or .float() must not round the thresholds.
        exact = self.threshold
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.threshold = exact.to(self.threshold.device)
        return self

    def extra_repr(self) -> str:
        return f"{self.channels}" if self.dim == 1 else f"{self.channels}, dim={self.dim}"
