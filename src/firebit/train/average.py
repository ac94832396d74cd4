"""The exponential moving average of a network: what is measured, saved and hardened instead of its last state."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from firebit.nn.growth import rectifiers


class Average:
    """Averages a network's parameters and buffers over the steps: A ← d·A + (1 − d)·network.

    The first :meth:`update` takes the network as it is. Of slopes the size is averaged and the sign is the latest, so
    that no average of two signs comes near a slope of 0. Whole numbers are the latest too.

    Args:
        model: the network that trains; it is read, never changed.
        decay: d, 0 ≤ d < 1.

    Attributes:
        network: the averaged network, of the same kind as `model`; None before the first update.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> average = Average(model, 0.75)
        >>> for value in (1.0, 3.0):
        ...     _ = nn.init.constant_(model.weight, value)
        ...     average.update()
        >>> average.network.weight.item()
        1.5
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.network: nn.Module | None = None

    @torch.no_grad()
    def update(self) -> None:
        """Take in the network as it is now."""
        if self.network is None:
            self.network = _copy(self.model)
            return
        slopes = {id(layer.slope) for layer in rectifiers(self.model).values()}
        latest = _tensors(self.model)
        for name, average in _tensors(self.network).items():
            mix = _mixed_sizes if id(latest[name]) in slopes else _mixed
            average.copy_(mix(average, latest[name], 1 - self.decay))

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged network's state; empty before the first update."""
        return {} if self.network is None else self.network.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.network = _copy(self.model) if state else None
        if self.network is not None:
            self.network.load_state_dict(state)


def _copy(model: nn.Module) -> nn.Module:
    copied = copy.deepcopy(model)
    for parameter in copied.parameters():
        parameter.grad = None
    return copied


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _mixed(average: Tensor, latest: Tensor, share: float) -> Tensor:
    if not average.is_floating_point():
        return latest
    # What has not changed stays as it is, to the last bit and also where it is infinite, as thresholds may be.
    return torch.where(average == latest, average, average.lerp(latest, share))


def _mixed_sizes(average: Tensor, latest: Tensor, share: float) -> Tensor:
    return _mixed(average.abs(), latest.abs(), share).copysign(latest)
