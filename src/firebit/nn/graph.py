"""Questions about a traced network: shapes, places, neighbours, names."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.utils._pytree import tree_leaves

from firebit.errors import UsageError

Example = Tensor | Sequence[Tensor]

_METADATA = {"size", "dim", "numel", "shape", "ndim", "dtype", "device", "stride", "is_floating_point"}


def as_inputs(example: Example) -> tuple[Tensor, ...]:
    """The example as a tuple of positional inputs; UsageError when it is no tensor."""
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    if not inputs or not all(isinstance(x, Tensor) for x in inputs):
        raise UsageError(
            "The example is not a tensor or a sequence of tensors.",
            "Give one batch as the model receives it, e.g. example=torch.zeros(1, 3, 32, 32).",
        )
    return inputs


def random_devices(device: torch.device | None) -> list[torch.device]:
    """The devices beside the CPU whose random numbers running on `device` may use."""
    return [] if device is None or device.type == "cpu" else [device]


@contextmanager
def undisturbed(module: nn.Module, device: torch.device | None = None) -> Iterator[None]:
    """Evaluation mode without gradients; modes, buffers and random numbers are afterwards as they were."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        with torch.random.fork_rng(random_devices(device)), buffers_kept(module), torch.no_grad():
            yield
    finally:
        for m, training in modes:
            m.training = training


@contextmanager
def buffers_kept(module: nn.Module) -> Iterator[None]:
    """Buffers of `module` are afterwards what they were, whatever was written into them."""
    buffers = [(b, b.clone()) for b in module.buffers() if not nn.parameter.is_lazy(b)]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


def propagate(graph: fx.GraphModule, inputs: tuple[Tensor, ...]) -> None:
    """Fill `tensor_meta`, `value`, `device` and `storage` of every node by running `inputs` through."""
    with undisturbed(graph, inputs[0].device):
        _Shapes(graph).propagate(*(x.clone() for x in inputs))


def location(node: fx.Node) -> str:
    """file:line of the call in the user's forward, or the node's name where that is unknown."""
    return str(node.meta.get("place", f"node {node.name}"))


def module_at(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module a node calls, or None for other nodes."""
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """The shape of a node that is one tensor, or None."""
    shape = getattr(node.meta.get("tensor_meta"), "shape", None)
    return None if shape is None else tuple(shape)


def operand(node: fx.Node) -> fx.Node | None:
    """The node a call reads first: its first argument, or `input=`."""
    first = node.args[0] if node.args else node.kwargs.get("input")
    return first if isinstance(first, fx.Node) else None


def sole_batch_norm_before(graph: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """The batch norm that alone feeds `node` and feeds nothing else, or None."""
    before = operand(node)
    if before is None or len(before.users) != 1:
        return None
    module = module_at(graph, before)
    return before if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) else None


def torch_name(node: fx.Node) -> str | None:
    """The name of the torch function, operator or method a node calls ("max_pool2d", "add"), or None."""
    if node.op == "call_method":
        return str(node.target)
    home = getattr(node.target, "__module__", None) or "torch"
    if node.op != "call_function" or not home.startswith(("torch", "_operator", "math")):
        return None
    return str(getattr(node.target, "__name__", None))


def reads_metadata(node: fx.Node) -> bool:
    """Whether a call looks only at the shape or dtype of its operand."""
    name = str(node.args[1]) if node.target is getattr else torch_name(node)
    return name in _METADATA


def free_name(graph: fx.GraphModule, base: str, taken: Iterable[str] = ()) -> str:
    """`base`, or `base_1`, `base_2`, … : the first that no module, parameter or buffer of the graph has."""
    used = {name for name, _ in graph.named_modules(remove_duplicate=False)} | set(taken)
    used |= {name for name, _ in graph.named_parameters(remove_duplicate=False)}
    used |= {name for name, _ in graph.named_buffers(remove_duplicate=False)}
    name, number = base, 0
    while name in used:
        number += 1
        name = f"{base}_{number}"
    return name


class _Shapes(ShapeProp):
    """Also keeps sizes and numbers, devices, and which values share memory."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        # Memory that is never freed is never reused: equal addresses then mean shared memory.
        self.garbage_collect_values = False

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["device"] = result.device
            n.meta["storage"] = result.untyped_storage().data_ptr()
        elif not any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            n.meta["value"] = result
        return result
