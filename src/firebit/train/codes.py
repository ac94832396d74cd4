"""The codes of a network in torch: the bits of its layer of codes, packed, and how much of their length they use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.nn.census import evaluating
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.search.codes import pack
from firebit.search.evaluate import Balance, balance
from firebit.train.evaluate import Batches
from firebit.zoo.block import CODE


class Recorded:
    """Outputs of one module, batch by batch, while :func:`recording` watches it."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.float32]] = []

    def take(self, output: Tensor) -> None:
        """Keep a batch (N, units); what has more dimensions is flattened."""
        self._parts.append(output.detach().float().flatten(1).cpu().numpy().copy())

    @property
    def values(self) -> NDArray[np.float32]:
        """All batches, float32 (pictures, units)."""
        return np.concatenate(self._parts)

    def balance(self) -> Balance:
        """Balance of the bits, of a module whose outputs are 0 or 1."""
        values = self.values
        return balance(pack(values > 0), values.shape[1])


@contextmanager
def recording(model: nn.Module, layer: str = CODE) -> Iterator[Recorded]:
    """Watch the outputs of a module by name while the network runs.

    Raises:
        UsageError: the network has no such module.
    """
    found = Recorded()
    handle = _module(model, layer).register_forward_hook(lambda module, inputs, output: found.take(output))
    try:
        yield found
    finally:
        handle.remove()


def outputs(model: nn.Module, data: ImageSet, layer: str = CODE) -> NDArray[np.float32]:
    """What a module of the network gives for every picture, float32 (N, units), in eval mode.

    Raises:
        UsageError: the network has no such module.
    """
    with recording(model, layer) as found, torch.inference_mode(), evaluating(model):
        for images, _ in Batches(data):
            model(images)
    return found.values


def codes(model: nn.Module, data: ImageSet, layer: str = CODE) -> NDArray[np.uint8]:
    """Packed codes uint8 (N, ⌈bits / 8⌉) of a hardened network in torch; of compiled ones `net.codes` is quicker.

    Raises:
        UsageError: the network has no such layer, or it is not hardened.
    """
    if not isinstance(_module(model, layer), Step):
        what = "rectifiers" if isinstance(_module(model, layer), BoundedRectifier) else "no steps"
        raise UsageError(
            f"{layer} gives no bits yet: it has {what}.", "Harden the network first: firebit.nn.harden(model, example)."
        )
    return pack(outputs(model, data, layer) > 0)


def _module(model: nn.Module, layer: str) -> nn.Module:
    found: dict[str, Any] = dict(model.named_modules())
    if not layer or layer not in found:
        raise UsageError(
            f"The network has no layer {layer!r}.",
            f"Train one with --set net.code=48, or choose one of: {', '.join(_with_bits(found))}.",
        )
    module: nn.Module = found[layer]
    return module


def _with_bits(modules: dict[str, Any]) -> list[str]:
    return [name for name, module in modules.items() if isinstance(module, Step | BoundedRectifier)] or ["none"]
