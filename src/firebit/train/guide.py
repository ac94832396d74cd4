"""A guide for a layer of codes: where it begins and what it is pulled towards, to serve classes that nobody taught."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from firebit.search.evaluate import itq, within
from firebit.search.evaluate.projection import Metric, Projection
from firebit.train.standardised import Standardised
from firebit.zoo.block import CODE

FC, NORM = f"fc_{CODE}", f"norm_{CODE}"


@dataclass(frozen=True)
class Guide:
    """A linear code in a metric of features, which a head is trained in.

    Attributes:
        metric: what the head sees of features.
        projection: the code, of what it sees.
    """

    metric: Metric
    projection: Projection

    def begin(self, model: nn.Module) -> None:
        """Give the layer of codes of an untrained head the weights of the guide."""
        standard, linear = _layers(model)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(self.projection.weight).float() / standard.scale)

    def aims(self, seen: Tensor) -> Tensor:
        """What the layer of codes is pulled towards, float32 (N, bits): sums of the guide, of deviation 1."""
        weight = torch.from_numpy(self.projection.weight).float()
        sums = seen @ weight.T - torch.from_numpy(self.projection.threshold).float()
        return sums / sums.std(0)

    def folded(self, model: nn.Module) -> nn.Sequential:
        """The same hardened head, as one of the features themselves."""
        standard, linear = _layers(model)
        weight = (linear.weight * standard.scale).double() @ torch.from_numpy(self.metric.matrix.T.copy())
        features = len(self.metric.centre)
        whole = nn.Linear(features, len(weight), bias=False)
        whole.weight = nn.Parameter(weight.float(), requires_grad=False)
        moved = Standardised(features)
        moved.mean.copy_(torch.from_numpy(self.metric.centre))
        placed: dict[str, nn.Module] = {"standard": moved, FC: whole}
        found = nn.Sequential()
        for name, layer in model.named_children():
            found.add_module(name, placed.get(name, layer))
        return found.eval()


def guide(features: NDArray[np.float32], labels: NDArray[np.int64], bits: int, seed: int) -> Guide:
    """The guide of a head: ITQ where differences within classes count little.

    Raises:
        UsageError: there are more bits than principal components or rows.
    """
    metric = within(features, labels)
    return Guide(metric, itq(metric.of(features), bits, seed))


def _layers(model: nn.Module) -> tuple[Standardised, nn.Linear]:
    standard, linear = model.get_submodule("standard"), model.get_submodule(FC)
    assert isinstance(standard, Standardised) and isinstance(linear, nn.Linear)
    return standard, linear


@contextmanager
def watched(model: nn.Module) -> Iterator[list[Tensor]]:
    """What the layer of codes adds up, normalised, of the last batch: a list of one tensor (N, bits)."""
    found: list[Tensor] = []

    def take(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found[:] = [output]

    handle = model.get_submodule(NORM).register_forward_hook(take)
    try:
        yield found
    finally:
        handle.remove()
