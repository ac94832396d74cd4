"""A visible affine map per channel, where no neighbour can take in a factor or a shift."""

from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.rectifier import per_channel


class Scale(nn.Module):
    """y ↦ scale · y + shift per channel, fixed.

    Exact rectification places it where the next operation cannot absorb the factor M (identity shortcuts,
    local response normalisation, gates, model outputs) or where the one before cannot absorb the shift −M/2.

    Args:
        scale: shape (C,), floating point.
        shift: shape (C,), or None for no shift.
        dim: the dimension of the input that holds the channels.

    Attributes:
        scale, shift: buffers of shape (C,); `shift` may be None.

    Shape:
        (N, C, *) → the same, in the input's dtype.

    Raises:
        UsageError: the vectors are no vectors of the same length.
    """

    scale: Tensor
    shift: Tensor | None

    def __init__(self, scale: Tensor, shift: Tensor | None = None, *, dim: int = 1) -> None:
        super().__init__()
        if scale.dim() != 1 or (shift is not None and shift.shape != scale.shape):
            raise UsageError(
                f"A scale needs one factor per channel, not shapes {tuple(scale.shape)} and "
                f"{None if shift is None else tuple(shift.shape)}.",
                "Give vectors of the same length, one value per channel.",
            )
        self.channels = scale.numel()
        self.dim = dim
        self.register_buffer("scale", scale.detach().clone())
        self.register_buffer("shift", None if shift is None else shift.detach().clone())

    def forward(self, y: Tensor) -> Tensor:
        scaled = y * per_channel(self.scale, y, self.dim).to(y.dtype)
        return scaled if self.shift is None else scaled + per_channel(self.shift, y, self.dim).to(y.dtype)

    def extra_repr(self) -> str:
        shifted = "" if self.shift is None else ", shift"
        return f"{self.channels}{shifted}" + ("" if self.dim == 1 else f", dim={self.dim}")
