"""What values are made of, pixels, bits or real numbers, and which operations keep them so."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from torch import Tensor

from firebit.amounts import REAL_BITS


class Form(Enum):
    """What a value is made of."""

    PIXEL = "pixel"
    BIT = "bit"
    REAL = "real"

    @property
    def bits(self) -> int:
        """Bits per value: a pixel is a uint8, and real values count as float32 whatever their dtype."""
        return {Form.PIXEL: 8, Form.BIT: 1, Form.REAL: REAL_BITS}[self]


@dataclass(frozen=True)
class Value:
    """What a tensor holds.

    Attributes:
        now: the form of its values.
        hardened: their form once rectifiers are steps.
        producers: indices of the recorded operations it comes from.
    """

    now: Form
    hardened: Form
    producers: frozenset[int] = frozenset()


KINDS = {
    "convolution": "conv",
    "mm": "linear",
    "addmm": "linear",
    "bmm": "matmul",
    "baddbmm": "matmul",
    "native_batch_norm": "batch norm",
    "_native_batch_norm_legit_no_training": "batch norm",
    "cudnn_batch_norm": "batch norm",
    "max_pool2d_with_indices": "max pool",
    "max_pool3d_with_indices": "max pool",
    "adaptive_max_pool2d": "max pool",
    "adaptive_max_pool3d": "max pool",
    "avg_pool2d": "average pool",
    "avg_pool3d": "average pool",
    "_adaptive_avg_pool2d": "average pool",
    "_adaptive_avg_pool3d": "average pool",
    "mean": "average pool",
    "add": "sum",
    "sub": "sum",
    "mul": "product",
    "relu": "relu",
    "hardtanh": "hardtanh",
    "leaky_relu": "leaky relu",
    "elu": "elu",
    "gelu": "gelu",
    "silu": "silu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "hardswish": "hardswish",
    "hardsigmoid": "hardsigmoid",
}
"""The kind of layer that an operation of torch.ops.aten is, for those worth a row of their own."""

OF_TWO = frozenset({"add", "sub", "mul"})
"""Operations worth a row only between two activations."""

_AFFINE = frozenset({"add", "sub", "mul", "div"})
_KEEPING = frozenset(
    {
        *("alias", "amax", "amin", "cat", "channel_shuffle", "clone", "constant_pad_nd", "copy", "flip", "gather"),
        *("im2col", "index", "index_select", "lift_fresh", "maximum", "minimum", "pixel_shuffle"),
        *("pixel_unshuffle", "repeat", "roll", "stack", "where", "_reshape_copy", "_to_copy", "_unsafe_view"),
        *(f"{mode}_pad{n}d" for mode in ("reflection", "replication") for n in (1, 2, 3)),
        *(f"upsample_nearest{n}d" for n in (1, 2, 3)),
        *(name for name, kind in KINDS.items() if kind == "max pool"),
    }
)


def resulting(
    name: str, rearranges: bool, args: Sequence[Any], inputs: Sequence[Value], constants: Sequence[Tensor]
) -> Value:
    """What an operation gives.

    Bits stay bits, and pixels pixels, where they are only moved, copied, selected (max pooling) or padded with bits.
    An affine map by constants leaves pixels what they are: it folds into the weights that follow. Everything else
    gives real numbers; sums and averages of bits too, since counts are not bits.

    Args:
        name: the operation of torch.ops.aten, without the underscore of changes in place.
        rearranges: whether the output is a view of the input.
        args: its arguments.
        inputs: what those arguments hold that are activations; at least one.
        constants: the other tensors among the arguments.
    """
    now, hardened = _common([value.now for value in inputs]), _common([value.hardened for value in inputs])
    producers = frozenset[int]().union(*(value.producers for value in inputs))
    folds = now is Form.PIXEL and name in _AFFINE and len(inputs) == 1
    if rearranges or folds or (name in _KEEPING and _adds_only_bits(name, args, constants)):
        return Value(now, hardened, producers)
    return Value(Form.REAL, Form.REAL, producers)


def _common(forms: Sequence[Form]) -> Form:
    return forms[0] if len(set(forms)) == 1 else Form.REAL


def _adds_only_bits(name: str, args: Sequence[Any], constants: Sequence[Tensor]) -> bool:
    if name == "constant_pad_nd":
        return (args[2] if len(args) > 2 else 0) in (0, 1)
    if name == "copy":
        # A constant destination is memory about to be overwritten.
        return True
    real = [constant for constant in constants if constant.is_floating_point()]
    return all(bool(((constant == 0) | (constant == 1)).all()) for constant in real)


def factors(name: str, args: Sequence[Any]) -> list[tuple[Tensor, int]]:
    """The two tensors that a convolution or matrix product multiplies.

    With each the dimension that holds the output channels if it is the weights.
    """
    tensors = [argument for argument in args if isinstance(argument, Tensor)]
    if name == "convolution":
        transposed = bool(args[6])
        return list(zip(tensors[:2], (1, int(transposed)), strict=True))
    return list(zip(tensors[1:3] if name in ("addmm", "baddbmm") else tensors[:2], (-2, -1), strict=True))


def is_sign(weights: Tensor, channels: int) -> bool:
    """Whether every weight is ±1 times a scale > 0 of its output channel, which folds into what reads the sums.

    Args:
        weights: two or more dimensions.
        channels: the dimension of the output channels.
    """
    rows = weights.movedim(channels, 0).flatten(1).abs()
    return bool(((rows == rows[:, :1]) & (rows > 0)).all())
