"""A plan as a torch network in float64: the same integers, added up by torch's own operations."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firebit.engine.plan import INPUT, Layer, Plan, pooled_term
from firebit.engine.pool import Pool
from firebit.engine.term import Term


class SnappedNetwork(nn.Module):
    """What a plan computes, by torch's convolutions, products and poolings.

    Pixels go in as they are, 0 … 255; every sum is an integer that float64 holds exactly. It shares no code with
    :mod:`firebit.engine.reference`, which must agree with it on every bit and every logit.

    Args:
        plan: what to compute.

    Attributes:
        bits: by layer, the bits of the last call, float64 (N, *units) of 0 and 1, before any pooling of them.

    Shape:
        (N, *plan.input.shape) → logits (N, classes), float64; for an encoder the last layer's bits.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.bits: dict[str, Tensor] = {}

    def forward(self, pixels: Tensor) -> Tensor:
        values = {INPUT: pixels.double()}
        self.bits = {}
        for layer in self.plan.layers:
            bits = self._step(layer, self._sum(layer.terms, values), values)
            self.bits[layer.name] = bits
            values[layer.name] = bits if layer.post is None else _pooled(bits, layer.post)
        last = self.plan.logits
        if last is None:
            return self.bits[self.plan.layers[-1].name]
        sums = self._sum(last.terms, values).flatten(1)
        return sums * last.scale + torch.from_numpy(last.bias)

    def _sum(self, terms: tuple[Term, ...], values: dict[str, Tensor]) -> Tensor:
        whole = [self._term(term, values[term.source]) for term in terms]
        return torch.stack(whole).sum(0)

    def _term(self, term: Term, value: Tensor) -> Tensor:
        weights = torch.from_numpy(term.weights).double()
        if term.is_convolution:
            sums = self._convolution(term, value, weights)
        elif term.is_shortcut:
            sums = value * weights.view(-1, *(1,) * (value.dim() - 2))
        else:
            sums = F.linear(value.flatten(1), weights)
        return sums if term.pool is None else _pooled(sums, term.pool)

    def _convolution(self, term: Term, value: Tensor, weights: Tensor) -> Tensor:
        top, bottom, left, right = term.padding
        # Zeros stand for a pad value once it is taken from every cell, and its share given back to every sum.
        pad = torch.zeros(value.shape[1], dtype=torch.float64)
        if term.source == INPUT:
            pad = torch.tensor(self.plan.input.pad, dtype=torch.float64)
        whole = F.pad(value - pad[:, None, None], (left, right, top, bottom))
        own = pad.view(term.groups, 1, -1).expand(-1, len(weights) // term.groups, -1).reshape(len(weights), -1)
        share = (weights.sum((2, 3)) * own).sum(1)
        return F.conv2d(whole, weights, share, term.stride, 0, term.dilation, term.groups)

    def _step(self, layer: Layer, sums: Tensor, values: dict[str, Tensor]) -> Tensor:
        threshold = torch.from_numpy(layer.threshold).double()
        direction = torch.from_numpy(layer.direction).view(-1, *(1,) * (sums.dim() - 2))
        if len(threshold) == 1:
            at = threshold[0].view_as(direction)
        else:
            at = threshold[self._window_classes(layer, values)].movedim(-1, 0)
        fires = torch.where(direction > 0, sums >= at, sums <= at) | (direction == 0)
        return fires.double()

    def _window_classes(self, layer: Layer, values: dict[str, Tensor]) -> Tensor:
        """The class of each window, told by how many cells it covers without and with padding: ascending pairs."""
        term = pooled_term(layer)
        assert term is not None and term.pool is not None
        pool, sides = term.pool, term.sums(tuple(values[term.source].shape[1:]))[1:]
        ones = torch.ones(1, 1, *sides, dtype=torch.float64)
        inside = _pooled(ones, pool)[0, 0]
        # torch's own divisor with padding: a sum of ones over an average that counts padding.
        average = F.avg_pool2d(ones, pool.kernel, pool.stride, pool.padding, pool.ceil, True)[0, 0]
        pairs = torch.stack([inside, (inside / average).round()], -1)
        classes: Tensor = torch.unique(pairs.reshape(-1, 2), dim=0, return_inverse=True)[1]
        return classes.view(pairs.shape[:2])


def _pooled(values: Tensor, pool: Pool) -> Tensor:
    if pool.kind == "max":
        return F.max_pool2d(values, pool.kernel, pool.stride, pool.padding, 1, pool.ceil)
    sums = F.avg_pool2d(values, pool.kernel, pool.stride, pool.padding, pool.ceil, divisor_override=1)
    if pool.kind == "sum":
        return sums
    sides = (values.shape[2], values.shape[3])
    average = F.avg_pool2d(values, pool.kernel, pool.stride, pool.padding, pool.ceil, pool.count_padding)
    return (average * pool.multiple(*sides)).round()
