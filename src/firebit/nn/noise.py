"""Noise on pre-activations while training, which drives units away from their thresholds."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from firebit.nn.growth import rectifiers
from firebit.nn.hooked import Hooked


class PreActivationNoise(Hooked):
    """Adds uniform noise to what every bounded rectifier reads, in training mode, inside the `with` statement.

    f(y + ε), ε ~ U(−width/2, width/2), independent per unit and picture. The mean over ε of a step is a bounded
    rectifier of slope 1/width, so units that steps would decide by chance cost loss already while slopes are small:
    pre-activations leave the neighbourhood of the threshold, and steps change little. The gradient is the exact one of
    f at y + ε. After Salakhutdinov and Hinton 2009, *Semantic hashing*, who made codes binary by noise.

    Args:
        model: a network with bounded rectifiers.
        width: of the noise, in units of the pre-activation (behind batch norm, of its standard deviation), ≥ 0; may be
            set anew at any time. 0: none, and no random number is drawn.

    Example:
        >>> from firebit.nn import BoundedRectifier
        >>> layer = BoundedRectifier(1)
        >>> with PreActivationNoise(layer, width=0.5):
        ...     noisy = layer(torch.zeros(1000, 1))
        >>> bool((noisy - 0.5).abs().max() <= 0.25)
        True
    """

    def __init__(self, model: nn.Module, width: float) -> None:
        self.layers = list(rectifiers(model).values())
        self.width = width

    def _attach(self) -> Iterable[RemovableHandle]:
        return [layer.register_forward_pre_hook(self._disturb) for layer in self.layers]

    def _disturb(self, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor] | None:
        (y,) = inputs
        if not (layer.training and self.width):
            return None
        return (torch.add(y, torch.rand_like(y).sub_(0.5), alpha=self.width),)
