"""Real values of a traced network, written as what a plan can hold: stored integers, and sums of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from firebit.engine.pool import Pool
from firebit.engine.term import Shape

Reals = NDArray[np.float64]
Padding = tuple[int, int, int, int]

NO_PADDING: Padding = (0, 0, 0, 0)


class Unsupported(Exception):  # noqa: N818 - a verdict on a layer, which its caller turns into an error
    """What a plan cannot hold, and what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, eq=False)
class Stored:
    """Values that a plan keeps: factor · scale · v + shift, with the integers v of a source.

    Attributes:
        source: "input" or the name of a layer.
        shape: as torch sees them, without the batch and the padding: (C, H, W) or (F,).
        factor: a positive factor of all channels, exact.
        scale: per channel, float64 (C,) or (F,).
        shift: per channel, float64 (C,) or (F,).
        padding: rows above and below, columns left and right, of real zeros.
    """

    source: str
    shape: Shape
    factor: Fraction
    scale: Reals
    shift: Reals
    padding: Padding = NO_PADDING

    @classmethod
    def of(cls, source: str, shape: Shape, factor: Fraction = Fraction(1)) -> "Stored":
        """The integers of a source times a factor."""
        return cls(source, shape, factor, np.ones(shape[0]), np.zeros(shape[0]))

    def affine(self, scale: Reals, shift: Reals) -> "Stored":
        """scale · value + shift per channel."""
        if any(self.padding):
            raise Unsupported("scales a map after zeros are put around it", "Scale it before the padding.")
        return replace(self, scale=self.scale * scale, shift=self.shift * scale + shift)

    def divided(self, by: int) -> "Stored":
        """The same over a positive whole number, exactly."""
        return replace(self, factor=self.factor / by, shift=self.shift / by)

    @property
    def seen(self) -> Shape:
        """The shape with its padding, as torch sees it."""
        if len(self.shape) != 3:
            return self.shape
        top, bottom, left, right = self.padding
        return (self.shape[0], self.shape[1] + top + bottom, self.shape[2] + left + right)

    @property
    def is_finite(self) -> bool:
        """Whether no number is ±∞, or none."""
        return bool(np.isfinite(self.scale).all() and np.isfinite(self.shift).all())

    def flattened(self) -> "Stored":
        """As one vector, channel by channel."""
        cells = prod(self.shape[1:])
        if any(self.padding):
            raise Unsupported("flattens a map with zeros around it", "Let a convolution read it.")
        scale, shift = np.repeat(self.scale, cells), np.repeat(self.shift, cells)
        return replace(self, shape=(prod(self.shape),), scale=scale, shift=shift)

    def padded(self, padding: Padding) -> "Stored":
        """With more zeros around it."""
        whole = [a + b for a, b in zip(self.padding, padding, strict=True)]
        return replace(self, padding=(whole[0], whole[1], whole[2], whole[3]))

    def read(self, weights: Reals, groups: int = 1) -> "tuple[Fraction, Reals, Reals]":
        """What weights (O, C / groups, …) on these values are on the integers: a positive factor, weights, a bias (O,).

        A scale that all channels share goes into the factor, so that weights on a grid stay there.
        """
        inputs = np.arange(len(weights)) // (len(weights) // groups)
        wide = (len(weights), -1, *(1,) * (weights.ndim - 2))
        shift = self.shift.reshape(groups, -1)[inputs].reshape(wide)
        bias: Reals = (weights * shift).sum(tuple(range(1, weights.ndim)))
        if (self.scale == self.scale[0]).all() and self.scale[0] > 0:
            return self.factor * Fraction(float(self.scale[0])), weights, bias
        return self.factor, weights * self.scale.reshape(groups, -1)[inputs].reshape(wide), bias

    def as_sum(self, name: str) -> "Sum":
        """The same values as a sum of one term, a coefficient per channel."""
        if any(self.padding):
            raise Unsupported("adds up a map with zeros around it", "Let a convolution read it.")
        part = Part(self.source, np.ones(len(self.scale)), factor=self.factor, scale=self.scale)
        return Sum(name, self.shape, (part,), self.shift[None])


@dataclass(frozen=True, eq=False)
class Part:
    """One summand: factor · scale · pool(weights ∗ v), with the integers v of a source.

    Attributes:
        source: "input" or the name of a layer.
        weights: float64 (O, I), (O, I / groups, kh, kw), or (C,), coefficients of a shortcut.
        stride, padding, dilation, groups: of a convolution, as in :class:`firebit.engine.plan.Term`.
        pool: of the sums: "max" or "sum".
        factor: positive, exact.
        scale: per channel of the result, behind the pooling, float64 (O,).
    """

    source: str
    weights: Reals
    stride: tuple[int, int] = (1, 1)
    padding: Padding = NO_PADDING
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    pool: Pool | None = None
    factor: Fraction = Fraction(1)
    scale: Reals = field(default_factory=lambda: np.ones(1))

    @property
    def whole(self) -> Reals:
        """Weights times scale, (O, …)."""
        return self.weights * self.scale.reshape(-1, *(1,) * (self.weights.ndim - 1))

    def folded(self) -> "Part":
        """The same with the scale inside the weights; not behind a max pooling, which would not commute with it."""
        return replace(self, weights=self.whole, scale=np.ones(len(self.weights)))

    def with_positive_scale(self) -> "Part":
        """The same with the sign of the scale inside the weights; the size commutes with a max pooling."""
        signs = np.sign(self.scale).reshape(-1, *(1,) * (self.weights.ndim - 1))
        return replace(self, weights=self.weights * signs, scale=np.abs(self.scale))


@dataclass(frozen=True, eq=False)
class Sum:
    """Real values that nothing has compared yet: Σ parts / divide + bias, for each class of window.

    Attributes:
        name: module path of what made it.
        shape: without the batch: (C, H, W) or (C,).
        parts: summands of that shape.
        bias: float64 (K, C); K is 1, or the number of window classes of the one pooled part.
        divide: positive divisors, (K,).
    """

    name: str
    shape: Shape
    parts: tuple[Part, ...]
    bias: Reals
    divide: tuple[int, ...] = (1,)

    def affine(self, scale: Reals, shift: Reals) -> "Sum":
        """scale · value + shift per channel."""
        parts = tuple(replace(part, scale=part.scale * scale) for part in self.parts)
        return replace(self, parts=parts, bias=self.bias * scale + shift)

    def divided(self, by: int) -> "Sum":
        """The same over a positive whole number, exactly."""
        parts = tuple(replace(part, factor=part.factor / by) for part in self.parts)
        return replace(self, parts=parts, bias=self.bias / by)

    @property
    def seen(self) -> Shape:
        """The shape, as torch sees it."""
        return self.shape

    @property
    def is_finite(self) -> bool:
        """Whether no factor is ±∞, or none, and every bias is a number; ±∞ makes a unit constant."""
        return bool(all(np.isfinite(part.scale).all() for part in self.parts) and not np.isnan(self.bias).any())

    def plus(self, other: "Sum", name: str) -> "Sum":
        """Both added up."""
        if self.shape != other.shape:
            raise Unsupported(
                f"adds values of shape {self.shape} and {other.shape}", "Bring both to the same shape first."
            )
        one, two = self._undivided(), other._undivided()
        return Sum(name, self.shape, one.parts + two.parts, one.bias + two.bias)

    def _undivided(self) -> "Sum":
        if len(self.divide) > 1:
            raise Unsupported(
                "adds an average of windows that cover fewer cells at the border to something else",
                "Give the pooling a divisor_override and the layer before it no bias, or pool after the activation.",
            )
        parts = tuple(replace(part, factor=part.factor / self.divide[0]) for part in self.parts)
        return replace(self, parts=parts, divide=(1,))

    def max_pooled(self, pool: Pool) -> "Sum":
        """The largest of each window."""
        if len(self.parts) > 1:
            raise Unsupported("takes the largest of sums of several layers", "Pool after the activation.")
        part = self._unpooled()[0].with_positive_scale()
        return replace(self, shape=self._pooled_shape(pool), parts=(replace(part, pool=pool),))

    def averaged(self, pool: Pool, divisor: Callable[[int, int], int]) -> "Sum":
        """The sum of each window over its divisor, a function of its cells without and with those of padding."""
        windows = [(int(inside), int(cells)) for inside, cells in pool.windows(*self.shape[1:])]
        divide = tuple(divisor(inside, cells) for inside, cells in windows)
        shares = np.array([inside / by for (inside, _), by in zip(windows, divide, strict=True)])
        bias = self.bias * shares[:, None]
        if len(set(divide)) == 1 and (bias == bias[0]).all():
            divide, bias = divide[:1], bias[:1]
        elif len(self.parts) > 1:
            raise Unsupported(
                "averages sums of several layers over windows that cover fewer cells at the border",
                "Pool after the activation, or choose windows that fit the map.",
            )
        parts = tuple(replace(part, pool=pool) for part in self._unpooled())
        return Sum(self.name, self._pooled_shape(pool), parts, bias, divide)

    def _pooled_shape(self, pool: Pool) -> Shape:
        return (self.shape[0], *pool.output(*self.shape[1:]))

    def _unpooled(self) -> tuple[Part, ...]:
        if any(part.pool for part in self.parts):
            raise Unsupported("is the second pooling before an activation", "Put an activation between both.")
        return self.parts

    def flattened(self) -> "Sum":
        """As one vector, where a map is one cell."""
        if prod(self.shape[1:]) != 1:
            raise Unsupported("flattens a map of real values", "Put an activation (a step) before it.")
        return replace(self, shape=self.shape[:1])

    def linear(self, weights: Reals, bias: Reals, name: str) -> "Sum":
        """A linear layer right behind linear layers: one linear map."""
        if len(self.shape) != 1 or any(part.weights.ndim != 2 for part in self.parts):
            raise Unsupported("reads real values: there is no activation before it", "Put an activation before it.")
        parts = tuple(
            Part(part.source, weights @ part.whole, factor=part.factor, scale=np.ones(len(weights)))
            for part in self._undivided().parts
        )
        return Sum(name, (len(weights),), parts, (weights @ self.bias[0] + bias)[None])


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that no picture changes: a tensor, a number, or anything else that a call is given."""

    value: Any


@dataclass(frozen=True, eq=False)
class Joined:
    """Stored maps, one after the other along the channels."""

    members: tuple[Stored, ...]

    @property
    def shape(self) -> Shape:
        """(C, H, W) or (F,) of all of them."""
        first = self.members[0].shape
        return (sum(member.shape[0] for member in self.members), *first[1:])

    @property
    def seen(self) -> Shape:
        """The shape with its padding, as torch sees it."""
        return (self.shape[0], *self.members[0].seen[1:])

    @property
    def is_finite(self) -> bool:
        """Whether no number is ±∞, or none."""
        return all(member.is_finite for member in self.members)

    def affine(self, scale: Reals, shift: Reals) -> "Joined":
        """scale · value + shift per channel."""
        factors, shifts = np.broadcast_to(scale, self.shape[:1]), np.broadcast_to(shift, self.shape[:1])
        return self.each(lambda member, part: member.affine(factors[part], shifts[part]))

    def flattened(self) -> "Joined":
        """As one vector, channel by channel."""
        return self.each(lambda member, _: member.flattened())

    def padded(self, padding: Padding) -> "Joined":
        """With more zeros around it."""
        return self.each(lambda member, _: member.padded(padding))

    def divided(self, by: int) -> "Joined":
        """The same over a positive whole number, exactly."""
        return Joined(tuple(member.divided(by) for member in self.members))

    def each(self, change: Callable[[Stored, slice], Stored]) -> "Joined":
        """Every member changed; the change is told which channels these are."""
        found, start = [], 0
        for member in self.members:
            found.append(change(member, slice(start, start + member.shape[0])))
            start += member.shape[0]
        return Joined(tuple(found))


def reals(values: Any) -> Reals:
    if isinstance(values, np.ndarray):
        return values
    if not isinstance(values, Tensor):
        raise Unsupported("has weights that depend on the picture", "A plan has fixed weights.")
    found: Reals = values.detach().cpu().double().numpy()
    if np.isnan(found).any():
        raise Unsupported("has a weight that is not a number", "Train the network again: it has diverged.")
    return found
