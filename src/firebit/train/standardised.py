"""Features brought to mean 0 and deviation 1, as the first layer of a head."""

import torch
from torch import Tensor, nn


class Standardised(nn.Module):
    """(x − mean) / deviation of each feature, as its training set has them."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def fit(self, features: Tensor) -> None:
        """Take mean and deviation from features (N, F); one that never changes is left at its size."""
        deviation = features.std(0)
        self.mean.copy_(features.mean(0))
        self.scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-6), 1.0))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.scale
