"""A copy of a network as a graph that knows its shapes: torch.fx, shared by rectify, harden and summary."""

import copy
import fnmatch
import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves

from firebit.errors import UsageError
from firebit.nn.aliasing import follow_in_place
from firebit.nn.centre import CentredConv2d, CentredDropout, CentredLinear
from firebit.nn.functional import apart_from_mode, follows_mode, own_modules
from firebit.nn.graph import (
    Example,
    as_inputs,
    buffers_kept,
    location,
    module_at,
    operand,
    propagate,
    random_devices,
    undisturbed,
)
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.scale import Scale

Leaves = str | type[nn.Module] | Iterable[str | type[nn.Module]]

LEAVES: tuple[type[nn.Module], ...] = (BoundedRectifier, Step, Scale, CentredConv2d, CentredDropout, CentredLinear)

_TORCH = str(Path(torch.__file__).parent)
_INSTALLED = tuple({p for p in map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")) if p})


def trace(model: nn.Module, example: Example, *, leaves: Leaves = ()) -> fx.GraphModule:
    """A copy of `model` as a graph whose nodes know their shapes; `model` itself is untouched.

    Modules of torch.nn, rectifiers, steps, scales and centred layers stay calls; containers are traced through.
    Both modes are traced: F.dropout(training=self.training) becomes a module, and so does F.batch_norm in the forward
    of a batch norm of one's own (and F.conv2d, F.linear in that of such a layer); any other difference is refused.
    nn.Identity is left out. Values changed in place are
    followed, so that no node depends on the order of side effects.

    Args:
        model: any module whose forward torch.fx can follow.
        example: an input tensor with its batch dimension, or a sequence of them, one per positional argument.
        leaves: module classes, or patterns (fnmatch) of module paths, that stay calls.

    Returns:
        A graph module in the mode of `model`. `node.meta["tensor_meta"]` holds shape and dtype,
        `node.meta["value"]` sizes and numbers, `node.meta["owner"]` the path of the module whose forward made the
        call, `node.meta["place"]` file and line.

    Raises:
        UsageError: the model cannot run on the example or cannot be traced (file and line are named), or a
            pattern of `leaves` matches nothing.
    """
    inputs = as_inputs(example)
    work = _private_copy(model)
    modes = {name: module.training for name, module in work.named_modules(remove_duplicate=False)}
    expected = _run(work, inputs)
    _separate_activations(work)
    recorded = _record_both_modes(work, inputs, _leaf_test(work, leaves))
    graph = Traced(work, recorded, class_name=type(model).__name__)
    own_modules(graph, work)
    _leave_out_identities(graph)
    _restore_modes(graph, modes)
    propagate(graph, inputs)
    follow_in_place(graph)
    graph.recompile()
    _compare(model, expected, _run(graph, inputs))
    return graph


class Traced(fx.GraphModule):
    """torch.fx's graph module, in which a layer may be called `code`: there that is the text of the forward."""

    @property
    def code(self) -> Any:
        return self._modules.get("code") or super().code


class Tracer(fx.Tracer):
    """torch.fx's tracer with Firebit's leaves; every node remembers its owner and its line."""

    def __init__(self, inputs: int, is_leaf: Callable[[nn.Module, str], bool]) -> None:
        super().__init__()
        self._inputs = inputs
        self._is_leaf = is_leaf

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        named = isinstance(m, LEAVES) or self._is_leaf(m, module_qualified_name)
        return named or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        made_in_forward = m not in (self.submodule_paths or {})
        if made_in_forward and not any(True for _ in m.parameters()):
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        # Arguments the example does not give keep their Python defaults, so `mask is None` stays true.
        parameters = list(inspect.signature(root_fn).parameters.values())[1:]
        named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        names = [*named, *(f"input_{i}" for i in range(len(named), self._inputs))][: self._inputs]
        return root_fn, [self.root, *(self.create_proxy("placeholder", name, (), {}) for name in names)]

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta["owner"] = self.scope.module_path
        frames = ((f.f_code, line) for f, line in traceback.walk_stack(sys._getframe(1)))
        place = _place((code.co_filename, code.co_name, line) for code, line in frames)
        if place:
            node.meta["place"] = place
        return node


def _private_copy(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise UsageError(
            f"{type(model).__name__} cannot be copied: {_first_line(error)}",
            "Remove what cannot be deep-copied from the module (weight_norm: use the parametrization).",
        ) from error


def _run(model: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    try:
        with undisturbed(model, inputs[0].device):
            return model(*(x.clone() for x in inputs))
    except Exception as error:
        shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
        raise UsageError(
            f"{type(model).__name__} cannot run on the example of shape {shapes}: {_first_line(error)}",
            "Give an example the model accepts, with its batch dimension, of its dtype and on its device.",
        ) from error


def _compare(model: nn.Module, expected: Any, found: Any) -> None:
    pairs = zip(tree_leaves(expected), tree_leaves(found), strict=False)
    tensors = [(a, b) for a, b in pairs if isinstance(a, Tensor)]
    if all(torch.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True) for a, b in tensors):
        return
    raise UsageError(
        f"The trace of {type(model).__name__} gives other outputs than the model: its forward draws random "
        "numbers or changes values outside torch's sight.",
        "Move that part into a module and name it in leaves=, or place firebit.nn.BoundedRectifier by hand.",
    )


def _separate_activations(model: nn.Module) -> None:
    """One ReLU instance under many names becomes many, so that each call has the name of its own place."""
    seen: set[int] = set()
    for parent in model.modules():
        for name, child in list(parent._modules.items()):
            if child is None or type(child) not in (nn.ReLU, nn.ReLU6):
                continue
            if id(child) in seen:
                setattr(parent, name, copy.deepcopy(child))
            seen.add(id(child))


def _leaf_test(model: nn.Module, leaves: Leaves) -> Callable[[nn.Module, str], bool]:
    wanted = [leaves] if isinstance(leaves, str | type) else list(leaves)
    classes = tuple(leaf for leaf in wanted if isinstance(leaf, type))
    patterns = [leaf for leaf in wanted if isinstance(leaf, str)]
    names = [name for name, _ in model.named_modules() if name]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise UsageError(
                f"leaves={pattern!r} matches no module of {type(model).__name__}.",
                f"Its modules are {', '.join(names)}.",
            )
    return lambda m, name: isinstance(m, classes) or any(fnmatch.fnmatchcase(name, p) for p in patterns)


def _record(
    model: nn.Module, inputs: tuple[Tensor, ...], is_leaf: Callable[[nn.Module, str], bool], train: bool
) -> fx.Graph:
    model.train(train)
    try:
        with torch.random.fork_rng(random_devices(inputs[0].device)), buffers_kept(model):
            # Numbers drawn while tracing become constants; they must differ from those of the run compared with.
            torch.rand(1, device=inputs[0].device)
            return Tracer(len(inputs), is_leaf).trace(model)
    except Exception as error:
        frames = [(f.f_code, line) for f, line in traceback.walk_tb(error.__traceback__)]
        place = _place([(c.co_filename, c.co_name, line) for c, line in reversed(frames)])
        where = f" at {place}" if place else ""
        raise UsageError(
            f"{type(model).__name__} cannot be traced{where}: {_first_line(error)}",
            "Rewrite that line with torch.where, name its submodule in leaves=, or place "
            "firebit.nn.BoundedRectifier by hand.",
        ) from error


def _place(frames: Iterable[tuple[str, str, int]]) -> str | None:
    """file:line of the user's forward among (file, function, line) frames, innermost first."""
    inside: list[tuple[str, str, int]] = []
    for file, function, line in frames:
        if file.startswith(_TORCH) and function == "trace":
            break
        # Code that torch.fx wrote, of a network that was traced before, is nobody's to look up.
        if file != __file__ and not file.startswith((_TORCH, "<")):
            inside.append((file, function, line))
    own = [frame for frame in inside if not frame[0].startswith(_INSTALLED)]
    forwards = [frame for frame in inside if frame[1] == "forward"]
    best = (own or forwards or inside)[:1]
    return f"{best[0][0]}:{best[0][2]}" if best else None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _record_both_modes(
    model: nn.Module, inputs: tuple[Tensor, ...], is_leaf: Callable[[nn.Module, str], bool]
) -> fx.Graph:
    """The graph in training mode; calls that follow the mode are marked, other differences are refused.

    A difference inside a module that holds nothing (stochastic depth, DropPath) makes leaves of all of its class: as
    calls they follow the mode by themselves.
    """
    bare: set[type[nn.Module]] = set()
    while True:

        def is_call(module: nn.Module, name: str) -> bool:
            return type(module) in bare or is_leaf(module, name)

        training = _record(model, inputs, is_call, train=True)
        node = _first_difference(model, training, _record(model, inputs, is_call, train=False))
        if node is None:
            return training
        owner = model.get_submodule(node.meta["owner"])
        if owner is model or any(True for _ in (*owner.children(), *owner.parameters(), *owner.buffers())):
            _refuse_mode(model, node)
        bare.add(type(owner))


def _first_difference(model: nn.Module, training: fx.Graph, evaluating: fx.Graph) -> fx.Node | None:
    """The first node in training that is another in evaluation, but for those that are told the mode."""
    here: list[fx.Node] = list(training.nodes)
    there: list[fx.Node] = list(evaluating.nodes)
    order = {node: i for nodes in (here, there) for i, node in enumerate(nodes)}
    for a, b in zip(here, there, strict=False):
        if _described(a, order) == _described(b, order):
            continue
        if not follows_mode(model, a, b) or _written(apart_from_mode(a), order) != _written(apart_from_mode(b), order):
            return a
        a.meta["follows_mode"] = True
    return None if len(here) == len(there) else here[-1]


def _described(node: fx.Node, order: dict[fx.Node, int]) -> tuple[Any, ...]:
    target = re.sub(r"^_tensor_constant\d+$", "constant", node.target) if isinstance(node.target, str) else node.target
    return node.op, target, _written(node.args, order), _written(node.kwargs, order)


def _written(arguments: Any, order: dict[fx.Node, int]) -> str:
    return repr(fx.node.map_arg(arguments, lambda n: f"%{order[n]}"))


def _refuse_mode(model: nn.Module, node: fx.Node) -> None:
    raise UsageError(
        f"{type(model).__name__} computes something else in training than in evaluation at {location(node)}.",
        "Use modules that follow the mode (nn.Dropout, nn.BatchNorm2d) in place of self.training, or name "
        "the submodule in leaves=.",
    )


def _leave_out_identities(graph: fx.GraphModule) -> None:
    """What reads an nn.Identity reads what comes before it, as what follows looks at neighbours."""
    for node in [n for n in graph.graph.nodes if type(module_at(graph, n)) is nn.Identity]:
        source, module = operand(node), module_at(graph, node)
        if source is not None and module is not None and not module._forward_hooks and not module._forward_pre_hooks:
            node.replace_all_uses_with(source)
            graph.graph.erase_node(node)


def _restore_modes(graph: fx.GraphModule, modes: dict[str, bool]) -> None:
    for name, module in graph.named_modules(remove_duplicate=False):
        owner = name
        while owner not in modes:
            owner = owner.rpartition(".")[0]
        module.training = modes[owner]
