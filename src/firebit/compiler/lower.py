"""From a traced, hardened network to its outline: which integers each step adds up, with which real weights."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from inspect import Parameter, signature
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from firebit.compiler import affine, arrange, pooling, weigh
from firebit.compiler.call import Call, call_of, evaluated, is_hooked, is_rectified
from firebit.compiler.outline import Outline, layer_names
from firebit.compiler.value import Constant, Stored, Sum, Unsupported
from firebit.compiler.work import Value, Work, name_of
from firebit.engine.plan import INPUT, Input
from firebit.errors import ModelFileError, UsageError
from firebit.nn.graph import location, module_at, shape_of
from firebit.nn.rectifier import BoundedRectifier, Step

_HANDLERS: Mapping[str, Callable[..., Value]] = {
    "identity": arrange.same,
    "dropout": arrange.dropout,
    "reshape": arrange.reshape,
    "cat": arrange.join,
    "pad": arrange.pad,
    "conv2d": weigh.conv,
    "linear": weigh.linear,
    "batch_norm": affine.batch_norm,
    "scale": affine.scale,
    "add": affine.add,
    "sub": affine.sub,
    "mul": affine.mul,
    "div": affine.div,
    "neg": affine.neg,
    "step": affine.step,
    "max_pool2d": pooling.largest,
    "avg_pool2d": pooling.average,
    "adaptive_max_pool2d": pooling.adaptive_largest,
    "adaptive_avg_pool2d": pooling.adaptive_average,
    "mean": pooling.mean,
}


def lower(graph: fx.GraphModule, pictures: Stored) -> Outline:
    """The outline of a traced network.

    Args:
        graph: what :func:`firebit.nn.trace.trace` gives of a hardened network.
        pictures: the pixels, and what the network sees of them.

    Raises:
        UsageError: a layer that a plan cannot hold; the layer and what to do about it are named.
    """
    # Before calls whose results nobody reads are dropped: they count where a network runs.
    calls = [node for node in graph.graph.nodes if isinstance(module_at(graph, node), Step)]
    names = dict(zip(calls, layer_names([str(node.target) for node in calls]), strict=True))
    graph.graph.eliminate_dead_code()
    _check_hardened(graph)
    return _Lowering(Work(graph, pictures, names)).run()


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


class _Lowering:
    def __init__(self, work: Work) -> None:
        self._work = work

    def run(self) -> Outline:
        result: Value | None = None
        for node in self._work.graph.graph.nodes:
            try:
                if node.op == "output":
                    result = self._output(node)
                else:
                    self._work.values[node] = self._value(node)
            except (Unsupported, ModelFileError) as error:
                problem = error.problem.removeprefix("The plan is not valid: ").rstrip(".")
                raise UsageError(f"Layer {name_of(node)!r} ({location(node)}) {problem}.", error.remedy) from error
        channels = self._work.pictures.shape[0]
        pads = tuple(int(pad) for pad in self._work.pads) if self._work.pads is not None else (0,) * channels
        logits = replace(result, name=self._work.free(result.name)) if isinstance(result, Sum) else None
        return Outline(Input(self._work.pictures.shape, pads), tuple(self._work.steps.values()), logits)

    def _value(self, node: fx.Node) -> Value:
        if node.op == "placeholder":
            return self._work.pictures
        if "value" in node.meta:
            return Constant(node.meta["value"])
        values = {source: self._work.values[source] for source in node.all_input_nodes}
        if all(isinstance(value, Constant) for value in values.values()):
            known = {source: value.value for source, value in values.items() if isinstance(value, Constant)}
            return Constant(_fixed(evaluated(self._work.graph, node, known), evaluated(self._work.graph, node, known)))
        return self._checked(node, self._called(node))

    def _called(self, node: fx.Node) -> Value:
        module = module_at(self._work.graph, node)
        if module is not None and is_hooked(module):
            raise Unsupported("has a forward hook, or a forward of its own", "Write that into the model's forward.")
        call = call_of(self._work.graph, node)
        if call.kind not in _HANDLERS:
            raise _unknown(call)
        handler = _HANDLERS[call.kind]
        _check_names(handler, call.arguments)
        if 0 in (shape_of(node) or ()):
            raise Unsupported(f"gives no values: its result has the shape {shape_of(node)}", "Leave that layer out.")
        # What is not finite is refused when it is there.
        with np.errstate(all="ignore"):
            return handler(self._work, node, **{name: self._argument(x) for name, x in call.arguments.items()})

    def _checked(self, node: fx.Node, value: Value) -> Value:
        """A value of a picture, as torch has it: of that shape, in real numbers."""
        assert not isinstance(value, Constant)
        meta = node.meta.get("tensor_meta")
        shape = shape_of(node)
        if meta is None or shape is None:
            raise Unsupported("gives several results", "Use a call that gives one tensor.")
        if not meta.dtype.is_floating_point:
            raise Unsupported(f"gives {meta.dtype}", "Keep values in floating point.")
        if shape != (self._work.batch, *value.seen):
            raise Unsupported(
                f"makes values of shape {shape} of {(self._work.batch, *value.seen)}",
                "Give every operand as many channels as the layer before it has.",
            )
        if not value.is_finite:
            raise Unsupported("has a number that is not finite", "Train the network again: it has diverged.")
        return value

    def _argument(self, argument: Any) -> Any:
        """An argument of a call: symbolic values as they are, constants as what they are."""

        def known(node: fx.Node) -> Any:
            value = self._work.values[node]
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
        value = self._work.values[result]
        if isinstance(value, Sum):
            if prod(value.shape) != value.shape[0]:
                raise Unsupported(f"gives logits of shape {value.shape}", "Pool and flatten maps before the logits.")
            self._check_step(result)
            return value
        if not isinstance(value, Stored) or value.source == INPUT:
            raise Unsupported("gives no logits and no bits", "End the network with a linear layer, or with a step.")
        return self._encoder(result, value)

    def _check_step(self, node: fx.Node) -> None:
        if not self._work.steps:
            raise UsageError(
                f"The network has no step before its last layer {name_of(node)!r}.",
                "Rectify, train and harden it first: fb.nn.rectify, fb.nn.harden.",
            )

    def _encoder(self, node: fx.Node, value: Stored) -> Value:
        """See that the output is bits, and the last layer."""
        step = self._work.steps[value.source]
        if value.factor != 1 or (value.scale != 1).any() or value.shift.any():
            raise Unsupported("gives scaled bits", "End an encoder with its last step.")
        if any(value.padding):
            raise Unsupported("gives bits with zeros around them", "End an encoder with its last step.")
        if not self._work.is_bits(value.source):
            raise Unsupported("gives counts of bits", "End an encoder with its last step.")
        if step.post is not None or list(self._work.steps)[-1] != value.source:
            self._work.repeat(self._work.free(f"{value.source}.output"), value.source)
        return value


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
