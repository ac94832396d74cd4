"""Whether a plan does what its network does, picture by picture: what snapping changed."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from firebit.compiler.outline import layer_names
from firebit.engine import reference
from firebit.engine.batch import batch_size
from firebit.engine.plan import Plan
from firebit.nn.census import evaluating
from firebit.nn.rectifier import Step

_MOST_AT_ONCE = 500


@dataclass(frozen=True)
class LayerAgreement:
    """Bits of a hidden layer over all pictures: how many there are, and how many differ."""

    bits: int
    differ: int


@dataclass(frozen=True)
class Agreement:
    """How a plan agrees with its network on some pictures.

    Attributes:
        pictures: how many.
        layers: by name, hidden layers that both have.
        predictions_differ: pictures whose largest logit is another class; None for an encoder.
        largest_logit_change: the largest difference of a logit; None for an encoder.
    """

    pictures: int
    layers: dict[str, LayerAgreement]
    predictions_differ: int | None
    largest_logit_change: float | None

    @property
    def bits(self) -> int:
        """Bits compared."""
        return sum(layer.bits for layer in self.layers.values())

    @property
    def bits_differ(self) -> int:
        """Bits that differ."""
        return sum(layer.differ for layer in self.layers.values())

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-able values."""
        return {
            "pictures": self.pictures,
            "predictions_differ": self.predictions_differ,
            "largest_logit_change": self.largest_logit_change,
            "bits": self.bits,
            "bits_differ": self.bits_differ,
            "layers": {name: {"bits": layer.bits, "differ": layer.differ} for name, layer in self.layers.items()},
        }


def agreement(
    model: nn.Module, plan: Plan, pixels: NDArray[np.uint8], seen: Callable[[slice], Tensor] | None = None
) -> Agreement:
    """Run a hardened network and its plan on the same pictures.

    Args:
        model: the hardened network, on the CPU.
        plan: what it was compiled to.
        pixels: uint8 (N, C, H, W) or (N, F), N ≥ 1.
        seen: what the network sees of a part of them; None: x / 255 in the dtype of its weights.

    Returns:
        Bits and predictions that differ.
    """
    of_part = seen or _scaled(model, pixels)
    batch = min(_MOST_AT_ONCE, batch_size(plan))
    tally = _Tally()
    with evaluating(model), torch.no_grad(), _recorded(model) as record:
        for start in range(0, len(pixels), batch):
            part = slice(start, start + batch)
            record.clear()
            output = model(of_part(part))
            names = layer_names([name for name, _ in record])
            by_layer = {name: theirs for name, (_, theirs) in zip(names, record, strict=True)}
            walk = reference.Walk(plan, pixels[part])
            for state in walk.states():
                theirs = by_layer.get(state.layer.name)
                if theirs is not None:
                    tally.add_bits(state.layer.name, state.bits, theirs)
            if plan.logits is not None:
                tally.add_logits(walk.logits(), output.double().numpy().reshape(len(output), -1))
    return tally.result(len(pixels), plan.logits is not None)


def rounding(exact: Plan, fast: Plan, pixels: NDArray[np.uint8]) -> Agreement:
    """Run an exact plan and the fast one that was made of it on the same pictures, uint8 (N, *shape), N ≥ 1."""
    batch = min(_MOST_AT_ONCE, batch_size(exact), batch_size(fast))
    tally = _Tally()
    for start in range(0, len(pixels), batch):
        walks = [reference.Walk(plan, pixels[start : start + batch]) for plan in (exact, fast)]
        for theirs, ours in zip(*(walk.states() for walk in walks), strict=True):
            tally.add_bits(ours.layer.name, ours.bits, theirs.bits)
        if fast.logits is not None:
            tally.add_logits(walks[1].logits(), walks[0].logits())
    return tally.result(len(pixels), fast.logits is not None)


@dataclass
class _Tally:
    """What differs, batch by batch."""

    bits: Counter[str] = field(default_factory=Counter)
    differ: Counter[str] = field(default_factory=Counter)
    predictions: int = 0
    change: float = 0.0

    def add_bits(self, name: str, ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> None:
        self.bits[name] += ours.size
        self.differ[name] += int((theirs.reshape(ours.shape) != ours).sum())

    def add_logits(self, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> None:
        self.predictions += int((ours.argmax(1) != theirs.argmax(1)).sum())
        self.change = max(self.change, float(np.abs(ours - theirs).max()))

    def result(self, pictures: int, has_logits: bool) -> Agreement:
        layers = {name: LayerAgreement(self.bits[name], self.differ[name]) for name in self.bits}
        if not has_logits:
            return Agreement(pictures, layers, None, None)
        return Agreement(pictures, layers, self.predictions, self.change)


def _scaled(model: nn.Module, pixels: NDArray[np.uint8]) -> Callable[[slice], Tensor]:
    real = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    return lambda part: torch.from_numpy(pixels[part]).to(real) / 255


@contextmanager
def _recorded(model: nn.Module) -> Iterator[list[tuple[str, NDArray[np.uint8]]]]:
    """Module paths and outputs of all steps, in the order of their calls."""
    record: list[tuple[str, NDArray[np.uint8]]] = []
    hooks = [
        module.register_forward_hook(
            lambda _m, _i, output, name=name: record.append((name, output.to(torch.uint8).numpy()))
        )
        for name, module in model.named_modules()
        if isinstance(module, Step)
    ]
    try:
        yield record
    finally:
        for hook in hooks:
            hook.remove()
