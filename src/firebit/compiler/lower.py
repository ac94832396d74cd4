"""From a traced, hardened network to its outline: which integers each step adds up, with which real weights."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from inspect import Parameter, signature
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from firebit.compiler.call import Call, call_of, evaluated, is_hooked, is_rectified
from firebit.compiler.geometry import (
    Divisor,
    adaptive_kernel,
    avg_pool,
    conv_padding,
    map_padding,
    max_pool,
    pair,
)
from firebit.compiler.outline import Outline, Step, layer_names
from firebit.compiler.value import NO_PADDING, Constant, Joined, Part, Reals, Stored, Sum, Unsupported
from firebit.engine.plan import INPUT, Input, Shape
from firebit.engine.pool import Pool
from firebit.errors import ModelFileError, UsageError
from firebit.nn.graph import location, module_at, operand, shape_of
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.rectifier import Step as StepModule

Value = Stored | Joined | Sum | Constant


def lower(graph: fx.GraphModule, pictures: Stored) -> Outline:
    """The outline of a traced network.

    Args:
        graph: what :func:`firebit.nn.trace.trace` gives of a hardened network.
        pictures: the pixels, and what the network sees of them.

    Raises:
        UsageError: a layer that a plan cannot hold; the layer and what to do about it are named.
    """
    # Before calls whose results nobody reads are dropped: they count where a network runs.
    calls = [node for node in graph.graph.nodes if isinstance(module_at(graph, node), StepModule)]
    names = dict(zip(calls, layer_names([str(node.target) for node in calls]), strict=True))
    graph.graph.eliminate_dead_code()
    _check_hardened(graph)
    return _Lowering(graph, pictures, names).run()


def _check_hardened(graph: fx.GraphModule) -> None:
    soft = [name for name, module in graph.named_modules() if isinstance(module, BoundedRectifier)]
    if soft:
        raise UsageError(
            f"The network is not hardened: {', '.join(map(repr, soft[:3]))}{', …' if len(soft) > 3 else ''} "
            f"{'is a bounded rectifier' if len(soft) == 1 else 'are bounded rectifiers'}.",
            "Put steps in first: hardened = fb.nn.harden(model, example).",
        )
    for node in graph.graph.nodes:
        if is_rectified(graph, node):
            raise UsageError(
                f"Layer {name_of(node)!r} ({location(node)}) is a ReLU: its activations are real numbers, not bits.",
                "Compile networks whose hidden activations are all steps: fb.nn.rectify, train, fb.nn.harden.",
            )


def name_of(node: fx.Node) -> str:
    """The module path of a node, or of the module whose forward calls it with the name of the call."""
    if node.op == "call_module":
        return str(node.target)
    owner = node.meta.get("owner")
    return f"{owner}.{node.name}" if owner else node.name


class _Lowering:
    def __init__(self, graph: fx.GraphModule, pictures: Stored, names: dict[fx.Node, str]) -> None:
        self._graph = graph
        self._names = names
        self._pictures = pictures
        self._pads: np.ndarray[Any, Any] | None = None
        self._values: dict[fx.Node, Value] = {}
        self._steps: dict[str, Step] = {}
        self._handlers: dict[str, Callable[..., Value]] = {
            "identity": self._same,
            "dropout": self._dropout,
            "reshape": self._reshape,
            "conv2d": self._conv,
            "linear": self._linear,
            "batch_norm": self._batch_norm,
            "scale": self._scale,
            "step": self._step,
            "max_pool2d": self._max_pool,
            "avg_pool2d": self._avg_pool,
            "adaptive_avg_pool2d": self._adaptive_avg_pool,
            "adaptive_max_pool2d": self._adaptive_max_pool,
            "mean": self._mean,
            "pad": self._pad,
            "add": self._add,
            "sub": self._sub,
            "mul": self._mul,
            "div": self._div,
            "neg": lambda node, input: _affine(input, -1.0, 0.0),
            "cat": self._cat,
        }

    def run(self) -> Outline:
        result: Value | None = None
        for node in self._graph.graph.nodes:
            try:
                if node.op == "output":
                    result = self._output(node)
                else:
                    self._values[node] = self._value(node)
            except (Unsupported, ModelFileError) as error:
                problem = error.problem.removeprefix("The plan is not valid: ").rstrip(".")
                raise UsageError(f"Layer {name_of(node)!r} ({location(node)}) {problem}.", error.remedy) from error
        channels = self._pictures.shape[0]
        pads = tuple(int(pad) for pad in self._pads) if self._pads is not None else (0,) * channels
        logits = replace(result, name=self._free(result.name)) if isinstance(result, Sum) else None
        return Outline(Input(self._pictures.shape, pads), tuple(self._steps.values()), logits)

    def _value(self, node: fx.Node) -> Value:
        if node.op == "placeholder":
            return self._pictures
        if "value" in node.meta:
            return Constant(node.meta["value"])
        values = {source: self._values[source] for source in node.all_input_nodes}
        if all(isinstance(value, Constant) for value in values.values()):
            known = {source: value.value for source, value in values.items() if isinstance(value, Constant)}
            return Constant(_fixed(evaluated(self._graph, node, known), evaluated(self._graph, node, known)))
        return self._checked(node, self._called(node))

    def _called(self, node: fx.Node) -> Value:
        module = module_at(self._graph, node)
        if module is not None and is_hooked(module):
            raise Unsupported("has a forward hook, or a forward of its own", "Write that into the model's forward.")
        call = call_of(self._graph, node)
        if call.kind not in self._handlers:
            raise _unknown(call)
        handler = self._handlers[call.kind]
        _check_names(handler, call.arguments)
        if 0 in (shape_of(node) or ()):
            raise Unsupported(f"gives no values: its result has the shape {shape_of(node)}", "Leave that layer out.")
        # What is not finite is refused when it is there.
        with np.errstate(all="ignore"):
            return handler(node, **{name: self._argument(x) for name, x in call.arguments.items()})

    def _checked(self, node: fx.Node, value: Value) -> Value:
        """A value of a picture, as torch has it: of that shape, in real numbers."""
        assert not isinstance(value, Constant)
        meta = node.meta.get("tensor_meta")
        shape = shape_of(node)
        if meta is None or shape is None:
            raise Unsupported("gives several results", "Use a call that gives one tensor.")
        if not meta.dtype.is_floating_point:
            raise Unsupported(f"gives {meta.dtype}", "Keep values in floating point.")
        if shape != (self._batch, *value.seen):
            raise Unsupported(
                f"makes values of shape {shape} of {(self._batch, *value.seen)}",
                "Give every operand as many channels as the layer before it has.",
            )
        if not value.is_finite:
            raise Unsupported("has a number that is not finite", "Train the network again: it has diverged.")
        return value

    def _argument(self, argument: Any) -> Any:
        """An argument of a call: symbolic values as they are, constants as what they are."""

        def known(node: fx.Node) -> Any:
            value = self._values[node]
            return value.value if isinstance(value, Constant) else value

        if isinstance(argument, fx.Node):
            return known(argument)
        if isinstance(argument, list | tuple):
            return type(argument)(self._argument(item) for item in argument)
        return argument

    def _output(self, node: fx.Node) -> Value:
        result = node.args[0]
        if not isinstance(result, fx.Node):
            raise Unsupported("gives several outputs", "Compile a network of one output: logits, or bits.")
        value = self._values[result]
        if isinstance(value, Sum):
            if prod(value.shape) != value.shape[0]:
                raise Unsupported(f"gives logits of shape {value.shape}", "Pool and flatten maps before the logits.")
            self._check_step(result)
            return value
        if not isinstance(value, Stored) or value.source == INPUT:
            raise Unsupported("gives no logits and no bits", "End the network with a linear layer, or with a step.")
        return self._encoder(result, value)

    def _check_step(self, node: fx.Node) -> None:
        if not self._steps:
            raise UsageError(
                f"The network has no step before its last layer {name_of(node)!r}.",
                "Rectify, train and harden it first: fb.nn.rectify, fb.nn.harden.",
            )

    def _encoder(self, node: fx.Node, value: Stored) -> Value:
        """See that the output is bits, and the last layer."""
        step = self._steps[value.source]
        if value.factor != 1 or (value.scale != 1).any() or value.shift.any():
            raise Unsupported("gives scaled bits", "End an encoder with its last step.")
        if any(value.padding):
            raise Unsupported("gives bits with zeros around them", "End an encoder with its last step.")
        if not self._is_bits(value.source):
            raise Unsupported("gives counts of bits", "End an encoder with its last step.")
        if step.post is not None or list(self._steps)[-1] != value.source:
            self._identity(self._free(f"{value.source}.output"), value.source)
        return value

    def _free(self, name: str) -> str:
        found, number = name, 0
        while found in (INPUT, *self._steps, *self._names.values()):
            number += 1
            found = f"{name}_{number}"
        return found

    def _shape(self, source: str) -> Shape:
        """Shape of what a source holds."""
        if source == INPUT:
            return self._pictures.shape
        step = self._steps[source]
        return step.sum.shape if step.post is None else (step.sum.shape[0], *step.post.output(*step.sum.shape[1:]))

    def _is_bits(self, source: str) -> bool:
        if source == INPUT:
            return False
        step = self._steps[source]
        return step.post is None or step.post.kind == "max"

    def _identity(self, name: str, source: str, post: Pool | None = None) -> None:
        """A layer that repeats the bits of another, so that they can be pooled for some readers only."""
        if not self._is_bits(source):
            raise Unsupported("pools counts of bits again", "Pool once between two steps, in one window.")
        shape = self._shape(source)
        same = Stored.of(source, shape).as_sum(name)
        self._steps[name] = Step(name, same, np.ones(shape[0]), np.ones(shape[0], np.int8), post)

    # Operations without weights

    def _same(self, node: fx.Node, input: Value) -> Value:
        return input

    def _dropout(
        self, node: fx.Node, input: Value, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Value:
        if training and p > 0:
            raise Unsupported("drops values in evaluation too", "Use nn.Dropout, or training=self.training.")
        return input

    def _reshape(self, node: fx.Node, input: Value, **_: Any) -> Value:
        whole = shape_of(node)
        wanted = (whole or ())[1:]
        if isinstance(input, Constant) or whole is None or not wanted:
            raise Unsupported("reshapes in a way that a plan does not know", "Use torch.flatten(x, 1).")
        if wanted == input.shape:
            return input
        if wanted != (prod(input.shape),) or whole[0] != self._batch:
            raise Unsupported(f"reshapes {input.shape} to {wanted}", "Use torch.flatten(x, 1).")
        return input.each(lambda member, _: member.flattened()) if isinstance(input, Joined) else input.flattened()

    @property
    def _batch(self) -> int:
        first = next(iter(self._graph.graph.nodes))
        shape = shape_of(first)
        assert shape is not None
        return shape[0]

    def _cat(self, node: fx.Node, tensors: Any, dim: int = 0) -> Value:
        rank = len(shape_of(node) or ())
        if dim % rank != 1 or not all(isinstance(item, Stored | Joined) for item in tensors):
            raise Unsupported("joins values that are not all bits, along the channels", "Join the outputs of steps.")
        members: list[Stored] = []
        for item in tensors:
            members += item.members if isinstance(item, Joined) else [item]
        return Joined(tuple(members))

    def _pad(self, node: fx.Node, input: Value, pad: Any, mode: str = "constant", value: Any = None) -> Value:
        padding = map_padding(pad, mode, value)
        if isinstance(input, Joined):
            return input.each(lambda member, _: member.padded(padding))
        if not isinstance(input, Stored) or len(input.shape) != 3:
            raise Unsupported("pads real values", "Pad bits, or let the convolution pad.")
        return input.padded(padding)

    # Layers with weights

    def _conv(
        self,
        node: fx.Node,
        input: Value,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        padding_mode: str = "zeros",
    ) -> Value:
        weights = _reals(weight)
        if padding_mode != "zeros":
            raise Unsupported(f"pads with {padding_mode}", "Use zero padding.")
        if isinstance(input, Joined):
            weights = _ungrouped(weights, groups)
            return self._over_members(
                node,
                input,
                lambda member, channels, add: self._conv(
                    *(node, member, weights[:, channels], bias if add else None, stride, padding, dilation)
                ),
            )
        spread = pair(dilation)
        sides = conv_padding(padding, weights.shape[2:], spread)
        if not isinstance(input, Stored):
            raise _real_valued()
        top, bottom, left, right = (a + b for a, b in zip(input.padding, sides, strict=True))
        whole = replace(input, padding=(top, bottom, left, right))
        self._check_padding(whole)
        factor, weights, moved = whole.read(weights, groups)
        part = Part(
            *(input.source, weights, pair(stride), whole.padding, spread, groups),
            factor=factor,
            scale=np.ones(len(weights)),
        )
        return Sum(name_of(node), (shape_of(node) or ())[1:], (part,), (moved + _bias(bias, weights))[None])

    def _check_padding(self, value: Stored) -> None:
        """A cell of padding is 0 to the network: a bit 0 of a layer, or the pixel that stands for it."""
        if value.padding == NO_PADDING:
            return
        if value.source != INPUT:
            if value.shift.any():
                raise Unsupported("pads bits that were shifted", "Shift (or normalise) before the step, not behind it.")
            return
        if value.shift.any() and not value.scale.all():
            raise Unsupported("pads an input that was scaled by 0", "Leave that channel out.")
        safe = np.where(value.scale == 0, 1, value.scale)
        pads = np.abs(-value.shift / (safe * float(value.factor)))
        exact = np.rint(pads)
        signs_agree = (value.shift * value.scale <= 0).all()
        if not signs_agree or (np.abs(pads - exact) > 1e-6).any() or (exact > 255).any():
            raise Unsupported(
                "pads an input whose 0 is no pixel: its mean is no whole number of 255ths",
                "Use means of whole 255ths (round(255 · mean) / 255), or no padding in the first layer.",
            )
        if self._pads is not None and (self._pads != exact).any():
            raise Unsupported("pads the input with another value than an earlier layer", "Normalise the input once.")
        self._pads = exact

    def _linear(self, node: fx.Node, input: Value, weight: Any, bias: Any = None) -> Value:
        weights = _reals(weight)
        name = name_of(node)
        if isinstance(input, Joined):
            return self._over_members(
                node,
                input,
                lambda member, part, add: self._linear(node, member, weights[:, part], bias if add else None),
            )
        if isinstance(input, Sum):
            return input.linear(weights, _bias(bias, weights), name)
        if not isinstance(input, Stored):
            raise _real_valued()
        if len(input.shape) != 1:
            raise Unsupported(f"reads values of shape {input.shape}", "Flatten them first: torch.flatten(x, 1).")
        factor, whole, moved = input.read(weights)
        part = Part(input.source, whole, factor=factor, scale=np.ones(len(whole)))
        return Sum(name, (len(whole),), (part,), (moved + _bias(bias, weights))[None])

    def _over_members(self, node: fx.Node, input: Joined, read: Callable[[Stored, slice, bool], Value]) -> Value:
        """A layer that reads joined maps: the sum of what it makes of each."""
        found: list[Sum] = []

        def one(member: Stored, channels: slice) -> Stored:
            made = read(member, channels, not found)
            assert isinstance(made, Sum)
            found.append(made)
            return member

        input.each(one)
        return reduce(lambda a, b: a.plus(b, name_of(node)), found)

    # Affine maps

    def _batch_norm(
        self,
        node: fx.Node,
        input: Value,
        running_mean: Any = None,
        running_var: Any = None,
        weight: Any = None,
        bias: Any = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Value:
        if running_mean is None or running_var is None or training:
            raise Unsupported("normalises by the batch it sees", "Use batch norm with track_running_stats=True.")
        scale = 1 / np.sqrt(_reals(running_var) + eps)
        scale = scale if weight is None else scale * _reals(weight)
        shift = -_reals(running_mean) * scale
        return _affine(input, scale, shift if bias is None else shift + _reals(bias))

    def _scale(self, node: fx.Node, input: Value, scale: Any, shift: Any, dim: int) -> Value:
        _check_channels(node, dim)
        return _affine(input, _reals(scale), 0.0 if shift is None else _reals(shift))

    def _add(self, node: fx.Node, input: Value, other: Any, alpha: float = 1) -> Value:
        first, second = _per_channel(node, input), _per_channel(node, other)
        if isinstance(first, np.ndarray):
            return _affine(second, float(alpha), first)
        if isinstance(second, np.ndarray):
            return _affine(first, 1.0, alpha * second)
        name = name_of(node)
        return self._summed(first, name).plus(self._summed(_affine(second, float(alpha), 0.0), name), name)

    def _summed(self, value: Any, name: str) -> Sum:
        if isinstance(value, Sum):
            return value
        if not isinstance(value, Stored):
            raise Unsupported("compares or adds up joined maps", "Join them behind the step or the addition.")
        if len(self._shape(value.source)) != len(value.shape):
            raise Unsupported("compares or adds up a flattened map", "Flatten it behind the step or the addition.")
        return value.as_sum(name)

    def _sub(self, node: fx.Node, input: Value, other: Any, alpha: float = 1) -> Value:
        return self._add(node, input, other, -alpha)

    def _mul(self, node: fx.Node, input: Value, other: Any) -> Value:
        first, second = _per_channel(node, input), _per_channel(node, other)
        if isinstance(first, np.ndarray):
            first, second = second, first
        if not isinstance(second, np.ndarray):
            raise Unsupported("multiplies two values that depend on the picture", "A plan has no such product.")
        return _affine(first, second, 0.0)

    def _div(self, node: fx.Node, input: Value, other: Any) -> Value:
        divisor = _per_channel(node, other)
        if not isinstance(divisor, np.ndarray):
            raise Unsupported("divides by what depends on the picture", "A plan has no such quotient.")
        if divisor.ndim == 0 and divisor > 0 and float(divisor).is_integer():
            # A third has no float64; three has.
            return _activation(input).divided(int(divisor))
        return _affine(input, 1 / divisor, 0.0)

    # Steps and pooling

    def _step(self, node: fx.Node, input: Value, threshold: Any, direction: Any, dim: int) -> Value:
        _check_channels(node, dim)
        name = self._names[node]
        summed = self._summed(input, name)
        signs = direction.detach().cpu().numpy().astype(np.int8)
        # One threshold may serve all channels.
        channels = summed.shape[:1]
        wanted = np.broadcast_to(_reals(threshold), channels) if len(signs) == 1 else _reals(threshold)
        signs = np.broadcast_to(signs, channels) if len(signs) == 1 else signs
        self._steps[name] = Step(name, summed, wanted, signs)
        return Stored.of(name, summed.shape)

    def _max_pool(self, node: fx.Node, input: Value, **sizes: Any) -> Value:
        if sizes.get("return_indices"):
            raise Unsupported("returns indices", "Leave return_indices out.")
        return self._pooled_largest(node, input, lambda shape: max_pool(shape, **sizes))

    def _adaptive_max_pool(self, node: fx.Node, input: Value, output_size: Any, **_: Any) -> Value:
        def window(shape: Shape) -> Pool:
            return max_pool(shape, kernel_size=adaptive_kernel(shape, output_size))

        return self._pooled_largest(node, input, window)

    def _pooled_largest(self, node: fx.Node, input: Value, window: Callable[[Shape], Pool]) -> Value:
        if isinstance(input, Sum):
            return input.max_pooled(window(input.shape))
        if isinstance(input, Joined):
            return Joined(tuple(self._largest_bits(node, member, window(member.shape)) for member in input.members))
        assert isinstance(input, Stored)
        return self._largest_bits(node, input, window(input.shape))

    def _largest_bits(self, node: fx.Node, value: Stored, pool: Pool) -> Stored:
        if (value.scale < 0).any():
            raise Unsupported("takes the largest of bits times a negative factor", "Pool before the factor.")
        source = self._pool_bits(node, value, pool)
        return replace(value, source=source, shape=self._shape(source))

    def _avg_pool(self, node: fx.Node, input: Value, **sizes: Any) -> Value:
        return self._averaged(node, input, lambda shape: avg_pool(shape, **sizes))

    def _adaptive_avg_pool(self, node: fx.Node, input: Value, output_size: Any) -> Value:
        def window(shape: Shape) -> tuple[Pool, Divisor]:
            return avg_pool(shape, kernel_size=adaptive_kernel(shape, output_size))

        return self._averaged(node, input, window)

    def _mean(self, node: fx.Node, input: Value, dim: Any = None, **_: Any) -> Value:
        rank = len(shape_of(operand(node) or node) or ())
        dims = {d % rank for d in ([dim] if isinstance(dim, int) else dim or ())} if rank else set()
        if dims != {2, 3}:
            raise Unsupported("takes a mean that is not over height and width", "Use x.mean(dim=(2, 3)).")
        found = self._adaptive_avg_pool(node, input, 1)
        if len(shape_of(node) or ()) == rank:
            return found
        assert not isinstance(found, Constant)
        return found.each(lambda member, _: member.flattened()) if isinstance(found, Joined) else found.flattened()

    def _averaged(self, node: fx.Node, input: Value, window: Callable[[Shape], tuple[Pool, Divisor]]) -> Value:
        if isinstance(input, Sum):
            return input.averaged(*window(input.shape))
        if isinstance(input, Joined):
            return Joined(tuple(self._average_bits(node, member, *window(member.shape)) for member in input.members))
        assert isinstance(input, Stored)
        return self._average_bits(node, input, *window(input.shape))

    def _average_bits(self, node: fx.Node, value: Stored, pool: Pool, divisor: Divisor) -> Stored:
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
        source = self._pool_bits(node, value, pool)
        shift = value.shift * next(iter(shares))
        return replace(value, source=source, shape=self._shape(source), factor=value.factor * scale, shift=shift)

    def _pool_bits(self, node: fx.Node, value: Stored, pool: Pool) -> str:
        """The name of the layer that keeps the pooled bits: their own layer, where nothing else reads them."""
        if any(value.padding) or value.source == INPUT:
            raise Unsupported(
                "pools pixels, or a map with zeros around it",
                "Pool after the first layer, and let the pooling pad.",
            )
        if self._steps[value.source].post is None and self._is_sole_reader(node, value.source):
            self._steps[value.source] = replace(self._steps[value.source], post=pool)
            return value.source
        name = self._free(name_of(node))
        self._identity(name, value.source, pool)
        return name

    def _is_sole_reader(self, node: fx.Node, source: str) -> bool:
        """Whether what a step gives goes nowhere but into this node."""
        before = operand(node)
        while before is not None and len(before.users) == 1:
            call = call_of(self._graph, before)
            if call.kind == "step":
                return self._values[before].source == source  # type: ignore[union-attr]
            before = operand(before)
        return False


def _check_names(handler: Callable[..., Value], names: Iterable[str]) -> None:
    known = signature(handler).parameters
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name in names:
        if name not in known:
            raise Unsupported(f"is given {name}=, which a plan does not know", "Leave that argument out.")


def _fixed(value: Any, again: Any) -> Any:
    """What was computed twice, where it is the same twice."""
    if isinstance(value, Tensor) and not torch.equal(value.nan_to_num(), again.nan_to_num()):
        raise Unsupported("draws random numbers", "Draw them once, when the model is made, and keep them in a buffer.")
    return value


def _unknown(call: Call) -> Unsupported:
    return Unsupported(
        f"is a {call.kind}, which a plan does not have",
        "A plan has convolutions, linear layers, batch norm, pooling, additions, dropout and steps; leave the rest out "
        "(a softmax is not needed: Network.probabilities), or compile the part of the network before it.",
    )


def _real_valued() -> Unsupported:
    return Unsupported(
        "reads real values: there is no step between it and the layer before it",
        "Put an activation between both, or make them one layer.",
    )


def _reals(values: Any) -> Reals:
    if isinstance(values, np.ndarray):
        return values
    if not isinstance(values, Tensor):
        raise Unsupported("has weights that depend on the picture", "A plan has fixed weights.")
    found: Reals = values.detach().cpu().double().numpy()
    if np.isnan(found).any():
        raise Unsupported("has a weight that is not a number", "Train the network again: it has diverged.")
    return found


def _ungrouped(weights: Reals, groups: int) -> Reals:
    """Weights (O, I / groups, kh, kw) of a grouped convolution as those of a full one, (O, I, kh, kw)."""
    outputs, inputs, *kernel = weights.shape
    whole = np.zeros((groups, outputs // groups, groups, inputs, *kernel))
    own = np.arange(groups)
    whole[own, :, own] = weights.reshape(groups, outputs // groups, inputs, *kernel)
    return whole.reshape(outputs, groups * inputs, *kernel)


def _bias(bias: Any, weights: Reals) -> Reals:
    return np.zeros(len(weights)) if bias is None else _reals(bias)


def _affine(value: Any, scale: Any, shift: Any) -> Value:
    if isinstance(value, Joined):
        whole = (np.broadcast_to(scale, value.shape[:1]), np.broadcast_to(shift, value.shape[:1]))
        return value.each(lambda member, part: member.affine(whole[0][part], whole[1][part]))
    found = _activation(value)
    assert not isinstance(found, Joined)
    return found.affine(np.asarray(scale, np.float64), np.asarray(shift, np.float64))


def _activation(value: Any) -> Stored | Joined | Sum:
    if not isinstance(value, Stored | Joined | Sum):
        raise Unsupported("scales what is no activation", "Compile the network without it.")
    return value


def _check_channels(node: fx.Node, dim: int) -> None:
    rank = len(shape_of(node) or ())
    if not rank or dim % rank != 1:
        raise Unsupported(f"has its channels in dimension {dim}", "Put channels into dimension 1.")


def _per_channel(node: fx.Node, value: Any) -> Any:
    """Numbers and constant tensors as float64 () or (C,); values that depend on the picture as they are."""
    if isinstance(value, Stored | Joined | Sum):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Tensor):
        raise Unsupported(f"has the operand {value!r}", "Use a number, or a tensor of one value per channel.")
    found = _reals(value) if isinstance(value, Tensor) else np.asarray(float(value))
    shape = shape_of(node) or ()
    wide = found.reshape((1,) * (len(shape) - found.ndim) + found.shape) if found.ndim <= len(shape) else found
    if wide.size != 1 and (wide.ndim != len(shape) or wide.size != wide.shape[1]):
        raise Unsupported(f"has an operand of shape {found.shape}", "Use one value per channel, (1, C, 1, 1).")
    return wide.reshape(-1) if wide.size > 1 else wide.reshape(())
