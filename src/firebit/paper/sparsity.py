"""How many units are on (§4.1): the share of ones in every layer, and of values above zero in the ReLU network."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from firebit.data import ImageSet, to_float
from firebit.engine.network import Network
from firebit.nn.census import evaluating

_BATCH = 500


@dataclass(frozen=True)
class Sparsity:
    """Of one layer.

    Attributes:
        layer: its name.
        units: bits per picture.
        ones: share of bits that are 1 over all units and pictures, 0 … 1.
        relu: share of values of the ReLU in its place that are above 0; None where there is no such ReLU.
    """

    layer: str
    units: int
    ones: float
    relu: float | None


def sparsity(network: Network, pictures: ImageSet, relu: nn.Module | None) -> list[Sparsity]:
    """Of every hidden layer, in order.

    Args:
        network: compiled.
        pictures: to measure on.
        relu: the ReLU network of the same architecture, in eval mode; None for none.
    """
    positive = {} if relu is None else _positive(relu, pictures)
    found = []
    for layer in network.layers:
        # Bit by bit in packed codes; what is behind the last unit is 0.
        codes = (network.codes(pictures.images[at : at + _BATCH], layer) for at in range(0, len(pictures), _BATCH))
        ones = sum(int(np.bitwise_count(code).sum(dtype=np.int64)) for code in codes)
        units = int(np.prod(network.units(layer)))
        found.append(Sparsity(layer, units, ones / (units * len(pictures)), positive.get(layer)))
    return found


def _positive(model: nn.Module, pictures: ImageSet) -> dict[str, float]:
    """Share of the values of every ReLU that are above 0, by its name."""
    counts: dict[str, list[int]] = {}

    def count(name: str, values: torch.Tensor) -> None:
        ones, all_ = counts.setdefault(name, [0, 0])
        counts[name] = [ones + int((values > 0).sum()), all_ + values.numel()]

    hooks = [
        module.register_forward_hook(lambda _m, _i, output, name=name: count(name, output))
        for name, module in model.named_modules()
        if isinstance(module, nn.ReLU)
    ]
    with evaluating(model):
        for at in range(0, len(pictures), _BATCH):
            model(torch.from_numpy(to_float(pictures.images[at : at + _BATCH])))
    for hook in hooks:
        hook.remove()
    return {name: ones / all_ for name, (ones, all_) in counts.items()}


def table(found: list[Sparsity]) -> list[str]:
    """Lines of a Markdown table, in per cent."""
    lines = ["| layer | units | ones | zeros | zeros of the ReLU network |", "|---|---|---|---|---|"]
    for each in found:
        relu = "–" if each.relu is None else f"{100 - 100 * each.relu:.1f} %"
        cells = (each.layer, f"{each.units:,}", f"{100 * each.ones:.1f} %", f"{100 - 100 * each.ones:.1f} %", relu)
        lines.append(f"| {' | '.join(cells)} |")
    return lines
