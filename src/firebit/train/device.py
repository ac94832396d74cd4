"""Where a network trains: the processor, or a GPU that is really there."""

import torch

from firebit.errors import UsageError


def device_named(name: str, local: int = 0, ranks: int = 1) -> torch.device:
    """The device that a recipe names.

    Args:
        name: "cpu", "cuda" or "cuda:N".
        local: which of the ranks on this machine asks; "cuda" is the GPU of that number.
        ranks: how many ranks there are.

    Raises:
        UsageError: there is no such GPU here, or several ranks would share one.
    """
    device = torch.device(name)
    if device.type == "cpu":
        return device
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise UsageError(
            f"device = {name}: this machine has no GPU that torch {torch.__version__} can use.",
            "Set device=cpu, or install a build of torch for the GPU.",
        )
    if device.index is not None and ranks > 1:
        raise UsageError(f"device = {name} is one GPU for {ranks} ranks.", "Set device=cuda: every rank takes its own.")
    index = local if device.index is None else device.index
    if index >= count:
        raise UsageError(
            f"device = {name}: GPU {index} is asked for, and this machine has {count}.",
            "Name one that is there, or start as many ranks as there are GPUs (torchrun --nproc-per-node).",
        )
    return torch.device("cuda", index)
