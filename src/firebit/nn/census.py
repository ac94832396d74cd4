"""How binary every unit is: count saturation over a data set (§3.3 and figures 2 and 4 of the paper)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, cast

import torch
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.saturation import Census, LayerCensus

__all__ = ["Census", "Counters", "LayerCensus", "census", "counting", "device_of", "evaluating", "pictures_of"]

_BYTE = 255


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module's training flag is what it was."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, flag in training.items():
            module.training = flag


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's first parameter or buffer; the CPU if it has neither."""
    first = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


class Counters:
    """The running counters that :func:`counting` yields."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def add(self, name: str, output: Tensor, dim: int) -> None:
        """Count a batch of outputs (N, …) of the rectifier `name`, its channels in dimension `dim`."""
        if name not in self._tallies:
            self._tallies[name] = _Tally(name, output, dim)
        self._tallies[name].add(output.detach())

    def census(self) -> Census:
        """What was counted so far.

        Raises:
            UsageError: no picture has passed through a rectifier yet.
        """
        layers = {name: tally.layer() for name, tally in self._tallies.items() if tally.count}
        if not layers:
            raise UsageError(
                "No picture has passed through a rectifier of the model.",
                "Run the model on at least one batch; is the loader empty?",
            )
        return Census(layers)


@contextmanager
def counting(model: nn.Module) -> Iterator[Counters]:
    """Count saturation in every forward pass made inside the `with` block, whatever the passes are for.

    So that accuracy and census come from one pass over the data. The model's mode is left alone: call
    `eval()` first. Counters are integers on the activations' device, exact for any batch size.

    Args:
        model: a module with :class:`BoundedRectifier` or :class:`Step` modules inside, not compiled. Names
            are relative to it: give the network, not a DistributedDataParallel around it.

    Raises:
        UsageError: the model has no rectifiers; in a forward pass, a layer's positions differ between calls.

    Example:
        >>> with counting(model.eval()) as counters, torch.no_grad():
        ...     correct = sum((model(x).argmax(1) == y).sum() for x, y in loader)
        >>> counters.census().level
    """
    found = {name: module for name, module in model.named_modules() if isinstance(module, BoundedRectifier | Step)}
    if not found:
        raise UsageError(
            f"{type(model).__name__} has no rectifiers or steps to count.",
            "Make them with firebit.nn.rectify(model, example).",
        )
    counters = Counters()
    hooks = [module.register_forward_hook(_hook(counters, name)) for name, module in found.items()]
    try:
        yield counters
    finally:
        for hook in hooks:
            hook.remove()


def _hook(counters: Counters, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        counters.add(name, output, cast(BoundedRectifier | Step, module).dim)

    return count


class _Tally:
    """The running counters of one layer, in the layout of its output."""

    def __init__(self, name: str, first: Tensor, dim: int) -> None:
        self.name = name
        self.channel_dim = dim % first.dim()
        if self.channel_dim == 0:
            raise UsageError(
                f"The output of {name!r} has its channels in dimension 0, where a batch has its samples.",
                "Run the model on a batch (N, C, …).",
            )
        self.zeros = torch.zeros(first.shape[1:], dtype=torch.int64, device=first.device)
        self.ones = torch.zeros_like(self.zeros)
        self.count = 0

    @torch.no_grad()
    def add(self, f: Tensor) -> None:
        if f.shape[1:] != self.zeros.shape:
            raise UsageError(
                f"{self.name!r} has outputs of shape {tuple(self.zeros.shape)} and of {tuple(f.shape[1:])}.",
                "Use pictures of one size, and give every call site a rectifier of its own.",
            )
        for part in torch.split(f, _BYTE):
            self.zeros += _occurrences(part, 0)
            self.ones += _occurrences(part, 1)
        self.count += len(f)

    def layer(self) -> LayerCensus:
        zeros, ones = (counts.movedim(self.channel_dim - 1, 0).cpu().numpy() for counts in (self.zeros, self.ones))
        return LayerCensus(zeros, ones, self.count)


def _occurrences(f: Tensor, value: int) -> Tensor:
    """How often each unit equals `value` in at most 255 samples, so that the counts fit a byte."""
    return (f == value).view(torch.uint8).sum(0, dtype=torch.uint8)


def census(model: nn.Module, loader: Iterable[Any], *, max_batches: int | None = None) -> Census:
    """Count for every unit how often it saturates at 0, at 1, or lies between (figures 2 and 4).

    "Saturated" is exact: the rectifier's output equals 0 or 1, the boundary k·y + ½ = 0 or 1 included. A unit
    is a channel at a position. Runs in evaluation mode without gradients on the model's device, and restores
    every training flag. Soft and hardened models both work.

    Args:
        model: a module with :class:`BoundedRectifier` or :class:`Step` modules; names are relative to it.
        loader: yields batches x, or tuples (x, y, …) whose first element is x, samples in dimension 0.
        max_batches: stop after so many batches; None reads all.

    Returns:
        The census, layers in execution order.

    Raises:
        UsageError: no rectifiers, no batch, a batch that is no tensor, or a layer whose positions change.

    Example:
        >>> level = census(model, loader)
        >>> level.layers["act1"].binary_share(at_least=0.99)
    """
    if max_batches is not None and max_batches < 1:
        raise UsageError(f"max_batches={max_batches} is no number of batches.", "Give a positive integer, or None.")
    device = device_of(model)
    with counting(model) as counters, evaluating(model):
        for batch in islice(loader, max_batches):
            model(pictures_of(batch).to(device, non_blocking=True))
    return counters.census()


def pictures_of(batch: Any) -> Tensor:
    """The pictures of a loader's batch: x itself, or the first of (x, y, …).

    Raises:
        UsageError: that is no tensor.
    """
    first = batch[0] if isinstance(batch, tuple | list) and batch else batch
    if not isinstance(first, Tensor):
        raise UsageError(
            f"The loader gave a batch of type {type(first).__name__}, not a tensor.",
            "Let it yield x, or tuples (x, y, …).",
        )
    return first
