"""Operations that move values and change none: reshaping, joining, padding, dropout in evaluation."""

from math import prod
from typing import Any

from torch import fx

from firebit.compiler.geometry import map_padding
from firebit.compiler.value import Constant, Joined, Stored, Unsupported
from firebit.compiler.work import Value, Work
from firebit.nn.graph import shape_of


def same(work: Work, node: fx.Node, input: Value) -> Value:
    """What changes no value."""
    return input


def dropout(
    work: Work, node: fx.Node, input: Value, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Value:
    """Nothing, in evaluation."""
    if training and p > 0:
        raise Unsupported("drops values in evaluation too", "Use nn.Dropout, or training=self.training.")
    return input


def reshape(work: Work, node: fx.Node, input: Value, **_: Any) -> Value:
    """The same values in the same shape, or flattened."""
    whole = shape_of(node)
    wanted = (whole or ())[1:]
    if isinstance(input, Constant) or whole is None or not wanted:
        raise Unsupported("reshapes in a way that a plan does not know", "Use torch.flatten(x, 1).")
    if wanted == input.shape:
        return input
    if wanted != (prod(input.shape),) or whole[0] != work.batch:
        raise Unsupported(f"reshapes {input.shape} to {wanted}", "Use torch.flatten(x, 1).")
    return input.flattened()


def join(work: Work, node: fx.Node, tensors: Any, dim: int = 0) -> Value:
    """torch.cat along the channels."""
    rank = len(shape_of(node) or ())
    if dim % rank != 1 or not all(isinstance(item, Stored | Joined) for item in tensors):
        raise Unsupported("joins values that are not all bits, along the channels", "Join the outputs of steps.")
    members: list[Stored] = []
    for item in tensors:
        members += item.members if isinstance(item, Joined) else [item]
    return Joined(tuple(members))


def pad(work: Work, node: fx.Node, input: Value, pad: Any, mode: str = "constant", value: Any = None) -> Value:
    """Zeros around a map."""
    padding = map_padding(pad, mode, value)
    if not isinstance(input, Stored | Joined) or len(input.shape) != 3:
        raise Unsupported("pads real values", "Pad bits, or let the convolution pad.")
    return input.padded(padding)
