"""How weights start: Xavier or He, the same for all layers (§3.3)."""

import torch
from torch import nn

from firebit.errors import UsageError


def initialise(model: nn.Module, method: str = "xavier") -> None:
    """Fill the weights of every convolution and linear layer in place; biases become 0.

    Args:
        model: the network.
        method: "xavier" (Glorot & Bengio 2010, uniform) or "he" (He et al. 2015, normal, fan in).

    Raises:
        UsageError: another method.
    """
    for layer in model.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            _fill(layer.weight, method)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _fill(weight: torch.Tensor, method: str) -> None:
    if method == "xavier":
        nn.init.xavier_uniform_(weight)
    elif method == "he":
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
    else:
        raise UsageError(f"Unknown initialisation {method!r}.", 'Choose "xavier" or "he".')
