"""What activations reach on data: the largest pre-activation per channel, and units that leave the range."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from firebit.errors import UsageError
from firebit.nn.graph import location, operand, undisturbed
from firebit.nn.rectifier import BoundedRectifier, per_channel


def largest_activations(
    graph: fx.GraphModule,
    inputs: tuple[Tensor, ...],
    sites: Mapping[str, fx.Node],
    dim: int,
    loader: Iterable[Any],
) -> dict[str, Tensor]:
    """The largest pre-activation of every channel of every site over all batches, (C,) in float64.

    Args:
        graph: a traced model; it runs in evaluation mode.
        inputs: the example, for number, device and floating dtype of the inputs.
        sites: activations by name.
        dim: the dimension that holds the channels.
        loader: batches `x` or `(x, …)`; a model of n inputs takes the first n entries.

    Raises:
        UsageError: the loader is empty or gives no tensors, or a pre-activation is not finite.
    """
    watch = _Watch(graph, {operand(node): name for name, node in sites.items()}, dim)
    with undisturbed(graph, inputs[0].device):
        for batch in loader:
            entries = _entries(batch, len(inputs))
            watch.run(*(_like(x, example) for x, example in zip(entries, inputs, strict=True)))
    if not watch.largest:
        raise UsageError("The loader given as exact= has no batches.", "Give at least one batch of real inputs.")
    found = {name: watch.largest[source] for name, node in sites.items() if (source := operand(node))}
    for name, largest in found.items():
        if not largest.isfinite().all():
            raise UsageError(
                f"The input of activation {name} ({location(sites[name])}) is not finite on the loader's data.",
                "Check the model's weights and the data for NaN and infinity.",
            )
    return found


def clipped_units(model: nn.Module, loader: Iterable[Any]) -> dict[str, int]:
    """How many activations exceed a rectifier's range (k·y + ½ > 1), where an exact network stops being ReLU.

    Args:
        model: a model with bounded rectifiers, e.g. from ``rectify(…, exact=loader)``; it runs in evaluation mode.
        loader: batches `x` or `(x, …)` on the model's device.

    Returns:
        Per rectifier the number of clipped activations over samples, channels and positions. Rectifiers made from
        ReLU6, which is cut off itself, are left out.

    Raises:
        UsageError: the model has no bounded rectifier, or the loader gives no tensors.
    """
    capped = model.meta.get("relu6", ()) if isinstance(model, fx.GraphModule) else ()
    modules = {n: m for n, m in model.named_modules() if isinstance(m, BoundedRectifier) and n not in capped}
    if not modules and not capped:
        raise UsageError(
            f"{type(model).__name__} has no bounded rectifier.", "Convert it first: firebit.nn.rectify(…)."
        )
    counts = dict.fromkeys(modules, 0)
    inputs = len(model.graph.find_nodes(op="placeholder")) if isinstance(model, fx.GraphModule) else 1

    def watch(name: str, module: BoundedRectifier) -> Any:
        def count(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            f = args[0] * per_channel(module.slope, args[0], module.dim) + 0.5
            # A unit that is exactly 1 may be rounded above it.
            counts[name] += int((f > 1 + 8 * torch.finfo(f.dtype).eps).sum())

        return module.register_forward_pre_hook(count)

    handles = [watch(name, module) for name, module in modules.items()]
    try:
        with undisturbed(model):
            for batch in loader:
                model(*_entries(batch, inputs))
    finally:
        for handle in handles:
            handle.remove()
    return counts


class _Watch(fx.Interpreter):
    """Runs a graph and remembers the largest value per channel of some nodes."""

    def __init__(self, graph: fx.GraphModule, watched: Mapping[fx.Node | None, str], dim: int) -> None:
        super().__init__(graph)
        self.largest: dict[fx.Node, Tensor] = {}
        self._watched = watched
        self._dim = dim

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n in self._watched:
            top = result.movedim(self._dim, 0).flatten(1).double().amax(1)
            before = self.largest.get(n)
            self.largest[n] = top if before is None else torch.maximum(before, top)
        return result


def _entries(batch: Any, count: int) -> tuple[Tensor, ...]:
    entries = (batch,) if isinstance(batch, Tensor) else batch
    taken = tuple(entries[:count]) if isinstance(entries, tuple | list) else ()
    if len(taken) < count or not all(isinstance(x, Tensor) for x in taken):
        raise UsageError(
            f"A batch of the loader is a {type(batch).__name__} without {count} input tensors.",
            "Give batches x or (x, labels), x as the model receives it.",
        )
    return taken


def _like(x: Tensor, example: Tensor) -> Tensor:
    floating = x.is_floating_point() and example.is_floating_point()
    return x.to(example.device, example.dtype if floating else x.dtype)
