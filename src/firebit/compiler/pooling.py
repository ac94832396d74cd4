"""Pooling of real sums before a step, and of bits behind it."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from torch import fx

from firebit.compiler.call import call_of
from firebit.compiler.geometry import Divisor, adaptive_kernel, avg_pool, max_pool
from firebit.compiler.value import Constant, Joined, Stored, Sum, Unsupported
from firebit.compiler.work import Value, Work, name_of
from firebit.engine.plan import INPUT
from firebit.engine.pool import Pool
from firebit.engine.term import Shape
from firebit.nn.graph import operand, shape_of


def largest(work: Work, node: fx.Node, input: Value, **sizes: Any) -> Value:
    """max_pool2d."""
    if sizes.get("return_indices"):
        raise Unsupported("returns indices", "Leave return_indices out.")
    return _pooled_largest(work, node, input, lambda shape: max_pool(shape, **sizes))


def adaptive_largest(work: Work, node: fx.Node, input: Value, output_size: Any, **_: Any) -> Value:
    """adaptive_max_pool2d, in windows of one size."""

    def window(shape: Shape) -> Pool:
        return max_pool(shape, kernel_size=adaptive_kernel(shape, output_size))

    return _pooled_largest(work, node, input, window)


def _pooled_largest(work: Work, node: fx.Node, input: Value, window: Callable[[Shape], Pool]) -> Value:
    if isinstance(input, Sum):
        return input.max_pooled(window(input.shape))
    if isinstance(input, Joined):
        return Joined(tuple(_largest_bits(work, node, member, window(member.shape)) for member in input.members))
    assert isinstance(input, Stored)
    return _largest_bits(work, node, input, window(input.shape))


def _largest_bits(work: Work, node: fx.Node, value: Stored, pool: Pool) -> Stored:
    if (value.scale < 0).any():
        raise Unsupported("takes the largest of bits times a negative factor", "Pool before the factor.")
    source = _pool_bits(work, node, value, pool)
    return replace(value, source=source, shape=work.shape(source))


def average(work: Work, node: fx.Node, input: Value, **sizes: Any) -> Value:
    """avg_pool2d."""
    return _averaged(work, node, input, lambda shape: avg_pool(shape, **sizes))


def adaptive_average(work: Work, node: fx.Node, input: Value, output_size: Any) -> Value:
    """adaptive_avg_pool2d, in windows of one size."""

    def window(shape: Shape) -> tuple[Pool, Divisor]:
        return avg_pool(shape, kernel_size=adaptive_kernel(shape, output_size))

    return _averaged(work, node, input, window)


def mean(work: Work, node: fx.Node, input: Value, dim: Any = None, **_: Any) -> Value:
    """The mean over height and width."""
    rank = len(shape_of(operand(node) or node) or ())
    dims = {d % rank for d in ([dim] if isinstance(dim, int) else dim or ())} if rank else set()
    if dims != {2, 3}:
        raise Unsupported("takes a mean that is not over height and width", "Use x.mean(dim=(2, 3)).")
    found = adaptive_average(work, node, input, 1)
    if len(shape_of(node) or ()) == rank:
        return found
    assert not isinstance(found, Constant)
    return found.flattened()


def _averaged(work: Work, node: fx.Node, input: Value, window: Callable[[Shape], tuple[Pool, Divisor]]) -> Value:
    if isinstance(input, Sum):
        return input.averaged(*window(input.shape))
    if isinstance(input, Joined):
        return Joined(tuple(_average_bits(work, node, member, *window(member.shape)) for member in input.members))
    assert isinstance(input, Stored)
    return _average_bits(work, node, input, *window(input.shape))


def _average_bits(work: Work, node: fx.Node, value: Stored, pool: Pool, divisor: Divisor) -> Stored:
    sides = value.shape[1:]
    windows = [(int(inside), int(cells)) for inside, cells in pool.windows(*sides)]
    divide = {divisor(inside, cells) for inside, cells in windows}
    shares = {inside / divisor(inside, cells) for inside, cells in windows}
    if value.shift.any() and len(shares) > 1:
        raise Unsupported("averages shifted bits over windows of several sizes", "Shift before the step.")
    if len(divide) == 1:
        scale = Fraction(1, divide.pop())
    else:
        # Only a plain average has several divisors: the cells of each window.
        counts = any(divisor(inside, cells) != inside for inside, cells in windows)
        pool = replace(pool, kind="mean", count_padding=counts)
        scale = Fraction(1, pool.multiple(*sides))
    source = _pool_bits(work, node, value, pool)
    shift = value.shift * next(iter(shares))
    return replace(value, source=source, shape=work.shape(source), factor=value.factor * scale, shift=shift)


def _pool_bits(work: Work, node: fx.Node, value: Stored, pool: Pool) -> str:
    """The name of the layer that keeps the pooled bits: their own layer, where nothing else reads them."""
    if any(value.padding) or value.source == INPUT:
        raise Unsupported(
            "pools pixels, or a map with zeros around it",
            "Pool after the first layer, and let the pooling pad.",
        )
    if work.steps[value.source].post is None and _is_sole_reader(work, node, value.source):
        work.steps[value.source] = replace(work.steps[value.source], post=pool)
        return value.source
    name = work.free(name_of(node))
    work.repeat(name, value.source, pool)
    return name


def _is_sole_reader(work: Work, node: fx.Node, source: str) -> bool:
    """Whether what a step gives goes nowhere but into this node."""
    before = operand(node)
    while before is not None and len(before.users) == 1:
        call = call_of(work.graph, before)
        if call.kind == "step":
            return work.values[before].source == source  # type: ignore[union-attr]
        before = operand(before)
    return False
