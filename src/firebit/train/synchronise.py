"""Batch norms that see the whole batch of all ranks while they train, and ordinary ones again behind that."""

import copy

from torch import nn


class Synchronised:
    """A network with :class:`torch.nn.SyncBatchNorm` in place of its batch norms.

    Args:
        model: the network. Its parameters and buffers are shared with :attr:`network`, their names stay.

    Attributes:
        network: what trains, on GPUs.
    """

    def __init__(self, model: nn.Module) -> None:
        self._ordinary = copy.deepcopy(model)
        self.network: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]

    def plain(self, model: nn.Module) -> nn.Module:
        """A copy of the network, or of an average of it, with ordinary batch norms, which work anywhere."""
        found = copy.deepcopy(self._ordinary)
        found.load_state_dict(model.state_dict())
        return found.train(model.training)
