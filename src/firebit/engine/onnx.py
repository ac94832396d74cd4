"""A plan as an ONNX file of standard operations, for whoever deploys elsewhere.

ONNX has neither bits nor integer convolutions of 16-bit weights. What it has are convolutions in float32, and these are
exact on integers as long as no partial sum reaches 2²⁴. Where the plan's bounds say that one may, weights are split
into digits of 8 or 4 bits, whose sums are put together in float64. So the file says what the plan says, on every input,
wherever float32 and float64 are what IEEE 754 says; it is as slow as any network of real values.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from firebit.engine.plan import INPUT, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.reference import Walk, per_channel, thresholds, window_map
from firebit.engine.term import Shape, Term
from firebit.errors import UsageError
from firebit.extras import missing
from firebit.files import write_atomically

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

PICTURES = "pictures"
LOGITS = "logits"

# Old enough for most runtimes; the first whose GreaterOrEqual takes all numbers.
_OPSET, _IR = 16, 8
_EXACT_IN_FLOAT32 = 2**24
_DIGITS = (16, 8, 4)
# What values inside begin with, which no layer does.
_OWN = "firebit:"


def save_onnx(plan: Plan, path: str | Path, layers: Sequence[str] = ()) -> None:
    """Write a plan as one ONNX file, atomically; see :func:`to_onnx`.

    Raises:
        UsageError: see there; or the folder cannot be written.
        FirebitError: the disk is full; an old file is untouched.
    """
    write_atomically(Path(path), to_onnx(plan, layers).SerializeToString())


def unequal(content: bytes, plan: Plan, pictures: NDArray[np.uint8]) -> list[str]:
    """What ONNX Runtime computes otherwise than the plan says: names of outputs, none if all is equal to the last bit.

    Args:
        content: an ONNX file of the plan.
        plan: the plan.
        pictures: uint8 (N, *plan.input.shape).

    Raises:
        UsageError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise missing(error, "Checking an ONNX file") or error from error
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {PICTURES: pictures}), strict=True))
    walk = Walk(plan, pictures)
    meant: dict[str, NDArray[Any]] = {state.layer.name: state.bits for state in walk.states()}
    if plan.logits is not None:
        meant[LOGITS] = walk.logits()
    return [name for name in names if not np.array_equal(found[name], meant[name])]


def to_onnx(plan: Plan, layers: Sequence[str] = ()) -> "ModelProto":
    """A plan as an ONNX model of opset 16.

    Its input is "pictures", uint8 (N, *plan.input.shape), of any N. Its outputs are "logits", float64 (N, classes),
    equal to those of the plan to the last bit, if the plan has some; and the bits of layers by their names, uint8
    (N, *units), as :meth:`firebit.engine.network.Network.bits` gives them: of an encoder its last layer, and those
    asked for. Names of classes and the fingerprint are in its metadata.

    Args:
        plan: an exact one.
        layers: names of hidden layers whose bits are outputs too.

    Raises:
        UsageError: onnx is not installed, the plan has quantised tables, its sums are too large, or it has no such
            layer.
    """
    _check(plan, layers)
    try:
        from onnx import helper
    except ModuleNotFoundError as error:
        raise missing(error, "An ONNX file") or error from error
    graph = _Graph(plan)
    wanted = list(dict.fromkeys([*layers, *([] if plan.logits else [plan.layers[-1].name])]))
    outputs = graph.build(wanted)
    pictures = helper.make_tensor_value_info(PICTURES, _element(np.uint8), ["batch", *plan.input.shape])
    made = helper.make_graph(graph.nodes, "firebit", [pictures], outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    model.producer_name = "firebit"
    facts = {"fingerprint": plan.fingerprint, "classes": json.dumps(list(plan.classes), ensure_ascii=False)}
    helper.set_model_props(model, facts)
    return model


def _check(plan: Plan, layers: Sequence[str]) -> None:
    names = [layer.name for layer in plan.layers]
    for name in layers:
        if name not in names:
            raise UsageError(f"The plan has no layer {name!r}.", f"Choose among: {', '.join(names)}.")
        if name in (PICTURES, LOGITS) or name.startswith(_OWN):
            raise UsageError(f"The layer {name!r} is called like another value of the file.", "Leave it out.")
    if any(term.tables is not None for layer in plan.sums_made for term in layer.terms):
        raise UsageError(
            "Quantised tables of a fast plan have no counterpart in ONNX.",
            "Export the exact plan: firebit compile RUN --precision exact.",
        )


def _element(kind: type) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(kind)))


@dataclass(eq=False)
class _Graph:
    """Nodes and constants as they come; values by the name of their source."""

    plan: Plan
    nodes: list["NodeProto"] = field(default_factory=list)
    constants: list["TensorProto"] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    def build(self, wanted: Sequence[str]) -> list["ValueInfoProto"]:
        """Add everything, and say what comes out."""
        from onnx import helper

        self.values[INPUT] = self.cast(PICTURES, np.float32)
        outputs = []
        for layer in self.plan.layers:
            bits = self._step(layer)
            shape = self.plan.sums[layer.name]
            if layer.name in wanted:
                outputs.append(helper.make_tensor_value_info(layer.name, _element(np.uint8), ["batch", *shape]))
                self.add("Cast", bits, output=layer.name, to=_element(np.uint8))
            ones = self.cast(bits, np.float32)
            self.values[layer.name] = ones if layer.post is None else self._pooled(ones, layer.post, shape)
        if self.plan.logits is not None:
            self._end(self.plan.logits)
            shape = (len(self.plan.logits.bias),)
            outputs.insert(0, helper.make_tensor_value_info(LOGITS, _element(np.float64), ["batch", *shape]))
        return outputs

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and return the name of what it gives: `output`, or a new one."""
        from onnx import helper

        name: str = attributes.pop("output", f"{_OWN}{len(self.nodes)}")
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """Add a constant, and return its name."""
        from onnx import numpy_helper

        name = f"{_OWN}c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def cast(self, value: str, kind: type) -> str:
        """A value as another type."""
        return self.add("Cast", value, to=_element(kind))

    def _step(self, layer: Layer) -> str:
        """What fires, bool (N, *units): direction · s ≥ direction · threshold, which 0 ≥ 0 always does."""
        sums, kind = self._sums(layer)
        dimensions = 1 + len(self.plan.sums[layer.name])
        limits = thresholds(layer, window_map(self.plan, layer), dimensions)
        direction = per_channel(layer.direction.astype(np.int32), dimensions)
        if (layer.direction != 1).any():
            sums = self.add("Mul", sums, self.constant(direction.astype(kind)))
        return self.add("GreaterOrEqual", sums, self.constant((limits * direction).astype(kind)))

    def _end(self, logits: Logits) -> None:
        sums, kind = self._sums(logits)
        flat = self.add("Flatten", sums, axis=1)
        wide = flat if kind is np.float64 else self.cast(flat, np.float64)
        scaled = self.add("Mul", wide, self.constant(np.array(logits.scale)))
        self.add("Add", scaled, self.constant(logits.bias), output=LOGITS)

    def _sums(self, layer: Layer | Logits) -> tuple[str, type]:
        """All terms added up, and their type: float32 where that is exact."""
        narrow = self.plan.bounds[layer.name].max() < _EXACT_IN_FLOAT32
        kind = np.float32 if narrow and all(map(self._fits, layer.terms)) else np.float64
        total, *rest = (self._term(term, kind) for term in layer.terms)
        for summand in rest:
            total = self.add("Add", total, summand)
        return total, kind

    def _fits(self, term: Term) -> bool:
        """Whether no partial sum of a term, its weights undivided, can reach 2²⁴."""
        return term.is_shortcut or self._reach(term, [term.weights]) < _EXACT_IN_FLOAT32

    def _reach(self, term: Term, parts: Sequence[NDArray[Any]]) -> float:
        """The largest size of a partial sum with any of these weights, pooling included."""
        value = self.plan.values[term.source]
        largest = max(float(np.abs(part.reshape(len(part), -1)).sum(1, dtype=np.int64).max()) for part in parts)
        covered = term.pool.most(*term.sums(value.shape)[1:]) if term.pool and term.pool.kind == "sum" else 1
        # What stands for pad values is added to sums of pixels less these.
        return largest * value.largest * covered * (2 if self._pads(term) else 1)

    def _pads(self, term: Term) -> bool:
        return term.source == INPUT and any(term.padding) and any(self.plan.input.pad)

    def _term(self, term: Term, kind: type) -> str:
        if term.is_shortcut:
            return self._shortcut(term, kind)
        if kind is np.float32:
            return self._pooled_sums(self._product(term, term.weights), term)
        return self._in_digits(term)

    def _shortcut(self, term: Term, kind: type) -> str:
        """A coefficient per channel; where windows are added up, the values are before, which float32 holds."""
        value, before = self.values[term.source], term.pool is not None and term.pool.kind == "sum"
        value = self._pooled_sums(value, term) if before else value
        value = value if kind is np.float32 else self.cast(value, kind)
        weights = per_channel(term.weights, 1 + len(self.plan.values[term.source].shape))
        product = self.add("Mul", value, self.constant(weights.astype(kind)))
        return product if before else self._pooled_sums(product, term)

    def _in_digits(self, term: Term) -> str:
        """A term in float64, from digits of its weights whose own sums are exact in float32."""
        for bits in _DIGITS:
            digits = _split(term.weights, bits)
            if self._reach(term, digits) < _EXACT_IN_FLOAT32:
                break
        else:
            raise UsageError(
                f"A term over {term.source!r} has sums that float32 does not hold, not even of 4-bit digits.",
                "Run the plan with Firebit.",
            )
        before = term.pool is not None and term.pool.kind == "sum"
        total = ""
        for index, digit in enumerate(digits):
            product = self._product(term, digit)
            wide = self.cast(self._pooled_sums(product, term) if before else product, np.float64)
            if index:
                wide = self.add("Mul", wide, self.constant(np.array(2.0 ** (bits * index))))
            total = self.add("Add", total, wide) if total else wide
        return total if before else self._pooled_sums(total, term)

    def _product(self, term: Term, weights: NDArray[Any]) -> str:
        """Weights times the values of the source, float32."""
        value = self.values[term.source]
        if not term.is_convolution:
            flat = self.add("Flatten", value, axis=1)
            return self.add("MatMul", flat, self.constant(weights.T.astype(np.float32)))
        top, bottom, left, right = term.padding
        geometry = {
            "pads": [top, left, bottom, right],
            "strides": list(term.stride),
            "dilations": list(term.dilation),
            "group": term.groups,
            "kernel_shape": list(weights.shape[2:]),
        }
        kernel = self.constant(weights.astype(np.float32))
        if not self._pads(term):
            return self.add("Conv", value, kernel, **geometry)
        pad = np.array(self.plan.input.pad, np.float32)
        less = self.add("Sub", value, self.constant(per_channel(pad, 4)))
        return self.add("Conv", less, kernel, self.constant(_sums_of(weights, pad, term.groups)), **geometry)

    def _pooled_sums(self, sums: str, term: Term) -> str:
        shape = term.sums(self.plan.values[term.source].shape)
        return sums if term.pool is None else self._pooled(sums, term.pool, shape)

    def _pooled(self, values: str, pool: Pool, shape: Shape) -> str:
        """Maps (N, C, H, W) pooled; a sum in float32 alone."""
        channels, height, width = shape
        top, left = pool.padding
        ends = [(n - 1) * s + k for n, s, k in zip(pool.output(height, width), pool.stride, pool.kernel, strict=True)]
        bottom, right = max(0, ends[0] - top - height), max(0, ends[1] - left - width)
        geometry = {
            "kernel_shape": list(pool.kernel),
            "strides": list(pool.stride),
            "pads": [top, left, bottom, right],
        }
        if pool.kind == "max":
            return self.add("MaxPool", values, **geometry)
        ones = self.constant(np.ones((channels, 1, *pool.kernel), np.float32))
        total = self.add("Conv", values, ones, group=channels, **geometry)
        if pool.kind == "sum":
            return total
        factors = pool.multiple(height, width) // pool.cells(height, width, count_padding=pool.count_padding)
        return self.add("Mul", total, self.constant(factors.astype(np.float32)))


def _split(weights: NDArray[Any], bits: int) -> list[NDArray[np.int64]]:
    """Digits of that many bits, −2^(bits − 1) … 2^(bits − 1), with weights = Σ digit[i] · 2^(bits · i)."""
    rest, digits = weights.astype(np.int64), []
    half, base = 1 << bits - 1, 1 << bits
    for _ in range(16 // bits - 1):
        low = (rest + half) % base - half
        digits.append(low)
        rest = (rest - low) // base
    return [*digits, rest]


def _sums_of(weights: NDArray[Any], pad: NDArray[np.float32], groups: int) -> NDArray[np.float32]:
    """What a convolution gives where all cells have their channel's pad value, float32 (O,)."""
    outputs, inputs = weights.shape[:2]
    per_input = weights.reshape(groups, outputs // groups, inputs, -1).astype(np.int64).sum(-1)
    values = pad.reshape(groups, inputs, 1).astype(np.int64)
    sums: NDArray[np.float32] = (per_input @ values).reshape(-1).astype(np.float32)
    return sums
