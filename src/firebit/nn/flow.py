"""Follow values through a forward pass: which tensors are bits, what is multiplied with what, what is kept.

Works below the module level, on the operations torch dispatches, so that functional calls and networks no tracer
can follow are seen too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from firebit.nn.census import evaluating
from firebit.nn.form import KINDS, OF_TWO, Form, Value, factors, is_sign, resulting
from firebit.nn.rectifier import BoundedRectifier, Step


@dataclass
class Operation:
    """One operation as it ran; counts are of the whole batch.

    Attributes:
        name: module path, with the operation behind it where a module does several.
        kind: "conv", "linear", "rectifier", …
        shape: shape of the output with the batch.
        value: form of the output.
        macs: multiply-accumulates by kind of factors.
        hardened_macs: the same once rectifiers are steps.
        weights: number of weights multiplied with.
        weight_bits: bits of each, 1 (all are ±1 times a scale per output channel) or 32; 0 without weights.
        parameters: learned numbers not counted at an earlier operation.
        kept: the output is read by a later weight layer, or beside one (a shortcut).
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    value: Value
    macs: Counter[str] = field(default_factory=Counter)
    hardened_macs: Counter[str] = field(default_factory=Counter)
    weights: int = 0
    weight_bits: int = 0
    parameters: int = 0
    kept: bool = False
    readers: int = 0
    born: int = 0


@dataclass
class _Frame:
    module: nn.Module
    path: str
    layer: bool
    operations: list[int] = field(default_factory=list)

    @property
    def opaque(self) -> bool:
        return isinstance(self.module, BoundedRectifier | Step)


def follow(model: nn.Module, inputs: Sequence[Tensor]) -> list[Operation]:
    """Run `model` once, in evaluation mode without gradients, and record its operations in order.

    All inputs count as pixels. Activations of the whole batch stay in memory until the end.
    """
    flow = _Flow(model)
    with evaluating(model), _unfused_attention(), ExitStack() as hooks:
        for module, path, layer in _calls(model, "", set()):
            enter = module.register_forward_pre_hook(flow.entering(path, layer), with_kwargs=True)
            leave = module.register_forward_hook(flow.leaving)
            hooks.callback(enter.remove)
            hooks.callback(leave.remove)
        for tensor in inputs:
            flow.mark(tensor, Value(Form.PIXEL, Form.PIXEL))
        with flow:
            model(*inputs)
    return _numbered(flow.operations)


@contextmanager
def _unfused_attention() -> Iterator[None]:
    """Attention as plain matrix products: of the fused kind torch has no formula for every processor."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _calls(module: nn.Module, path: str, seen: set[int]) -> Iterator[tuple[nn.Module, str, bool]]:
    """Modules to watch with path and whether they are a layer; what is inside a layer is its own affair."""
    if id(module) in seen:
        return
    seen.add(id(module))
    children = dict(module.named_children())
    layer = not children or set(children) == {"parametrizations"} or isinstance(module, BoundedRectifier | Step)
    yield module, path, layer
    for name, child in () if layer else children.items():
        yield from _calls(child, f"{path}.{name}" if path else name, seen)


def _numbered(operations: list[Operation]) -> list[Operation]:
    """Every name once: the second call of a module is "name (2)"."""
    seen: Counter[str] = Counter()
    for operation in operations:
        seen[operation.name] += 1
        if seen[operation.name] > 1:
            operation.name += f" ({seen[operation.name]})"
    return operations


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


class _Flow(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Forms are kept by storage, so that views share them and changes in place replace them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []
        self._frames: list[_Frame] = []
        # The storages are held, so that none is freed and its address given to another tensor.
        self._values: dict[int, tuple[torch.UntypedStorage, Value]] = {}
        self._parameters = {_storage(parameter): parameter for parameter in model.parameters()}
        self._uncounted = {id(parameter) for parameter in model.parameters()}
        self._multiplications = 0

    def mark(self, tensor: Tensor, value: Value) -> None:
        """Say what `tensor`, and every view of it, holds."""
        self._values[_storage(tensor)] = (tensor.untyped_storage(), value)

    def value(self, tensor: Tensor) -> Value | None:
        """What `tensor` holds; None for constants: weights and what is computed from them alone."""
        found = self._values.get(_storage(tensor))
        return found[1] if found else None

    def entering(self, path: str, layer: bool) -> Any:
        """The hook that runs before a module's forward."""

        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            for tensor in _tensors((args, kwargs)):
                if self.value(tensor) is None and tensor.is_floating_point():
                    self.mark(tensor, Value(Form.REAL, Form.REAL))
            self._frames.append(_Frame(module, path, layer))

        return enter

    def leaving(self, module: nn.Module, args: Any, output: Any) -> None:
        """The hook that runs after a module's forward."""
        frame = self._frames.pop()
        result = next(iter(_tensors(output)), None)
        numbers = sum(self._claimed(module.parameters(recurse=frame.layer)))
        if frame.layer and result is not None and (frame.opaque or (numbers and not frame.operations)):
            self._record_module(frame, result)
        if frame.layer and len(frame.operations) == 1 and result is not None:
            self._name_after_module(frame, result)
        if frame.operations:
            self.operations[frame.operations[0]].parameters += numbers
        elif numbers:
            nothing = Value(Form.REAL, Form.REAL)
            self.operations.append(Operation(_path(frame), "parameters", (), nothing, parameters=numbers))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        call = _Call(func.overloadpacket, args, kwargs or {}, output)
        inputs = [value for tensor in call.tensors if (value := self.value(tensor)) is not None]
        results = _tensors(output)
        if not inputs or not results:
            return output
        value = self._result(call, func.is_view, inputs, results[0])
        opaque = bool(self._frames) and self._frames[-1].opaque
        if not opaque and call.is_recorded(len(inputs)):
            value = self._record(call, value, results[0])
        for result in results:
            self.mark(result, value)
        return output

    def _result(self, call: "_Call", rearranges: bool, inputs: list[Value], result: Tensor) -> Value:
        constants = [tensor for tensor in call.tensors if self.value(tensor) is None]
        value = resulting(call.name, rearranges, call.args, inputs, constants)
        # A comparison gives bits, whoever makes it.
        return replace(value, now=Form.BIT, hardened=Form.BIT) if result.dtype is torch.bool else value

    def _record(self, call: "_Call", value: Value, result: Tensor) -> Value:
        """Add an operation that ran inside the innermost module."""
        kind = call.kind
        frame = self._frames[-1] if self._frames else None
        path = f"{frame.path}." if frame and frame.path else ""
        operation = Operation(f"{path}{kind.replace(' ', '_')}", kind, tuple(result.shape), value)
        before = self._multiplications
        if call.macs:
            self._multiply(call, operation)
        operation.parameters = sum(self._claimed(call.tensors))
        if frame:
            frame.operations.append(len(self.operations))
        return self._append(operation, before)

    def _append(self, operation: Operation, before: int) -> Value:
        """Add an operation; what it reads is kept if it is read for weights or was waiting beside some."""
        for index in operation.value.producers:
            read = self.operations[index]
            read.readers += 1
            waited = read.readers > 1 and read.born < before
            read.kept = read.kept or bool(operation.macs) or waited
        operation.born = self._multiplications
        self.operations.append(operation)
        operation.value = replace(operation.value, producers=frozenset({len(self.operations) - 1}))
        return operation.value

    def _multiply(self, call: "_Call", operation: Operation) -> None:
        self._multiplications += 1
        known = [(tensor, channels, self.value(tensor)) for tensor, channels in factors(call.name, call.args)]
        activations = [value for *_, value in known if value is not None]
        weights = [tensor for tensor, _, value in known if value is None]
        signs = [is_sign(tensor, channels) for tensor, channels, value in known if value is None]
        operation.weights = sum(tensor.numel() for tensor in weights)
        operation.weight_bits = (1 if all(signs) else Form.REAL.bits) if weights else 0
        ends = ["±1" if sign else Form.REAL.value for sign in signs]
        operation.macs[" × ".join([value.now.value for value in activations] + ends)] += call.macs
        operation.hardened_macs[" × ".join([value.hardened.value for value in activations] + ends)] += call.macs

    def _record_module(self, frame: "_Frame", result: Tensor) -> None:
        """Add a rectifier, a step, or a layer of which only the parameters are known."""
        before = self.value(result) or Value(Form.REAL, Form.REAL)
        kind, now, hardened = type(frame.module).__name__, before.now, before.hardened
        if isinstance(frame.module, BoundedRectifier):
            kind, now, hardened = "rectifier", Form.REAL, Form.BIT
        if isinstance(frame.module, Step):
            kind, now, hardened = "step", Form.BIT, Form.BIT
        value = replace(before, now=now, hardened=hardened)
        frame.operations.append(len(self.operations))
        self.mark(
            result, self._append(Operation(_path(frame), kind, tuple(result.shape), value), self._multiplications)
        )

    def _name_after_module(self, frame: "_Frame", result: Tensor) -> None:
        (index,) = frame.operations
        operation, value = self.operations[index], self.value(result)
        operation.name = _path(frame)
        if value is not None and value.producers == {index}:
            operation.shape = tuple(result.shape)

    def _claimed(self, tensors: Iterable[Tensor]) -> Iterator[int]:
        """Sizes of the parameters among (views in) `tensors` that no operation has been given yet."""
        for tensor in tensors:
            parameter = self._parameters.get(_storage(tensor))
            if parameter is not None and id(parameter) in self._uncounted:
                self._uncounted.discard(id(parameter))
                yield parameter.numel()


@dataclass(frozen=True)
class _Call:
    """A call of an operation of torch.ops.aten."""

    packet: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any

    @property
    def name(self) -> str:
        return str(self.packet.__name__).removesuffix("_")

    @property
    def tensors(self) -> list[Tensor]:
        return _tensors((self.args, self.kwargs))

    @property
    def kind(self) -> str:
        return KINDS.get(self.name, "matmul")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch, by torch's own formulas; 0 if it multiplies no matrices."""
        if self.packet not in flop_registry:
            return 0
        return int(flop_registry[self.packet](*self.args, **self.kwargs, out_val=self.output)) // 2

    def is_recorded(self, activations: int) -> bool:
        """Whether the operation is worth a row: it multiplies, pools, normalises, activates or joins."""
        if self.name in OF_TWO:
            return activations > 1
        return self.name in KINDS or self.packet in flop_registry


def _path(frame: _Frame) -> str:
    return frame.path or type(frame.module).__name__


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
