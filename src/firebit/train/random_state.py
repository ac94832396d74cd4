"""The state of torch's random numbers, of the processor and of the GPU that a rank computes on, as one tensor."""

import torch
from torch import Tensor


def get_random_state(device: torch.device) -> Tensor:
    """uint8: the processor's state, and behind it, of a GPU, its own."""
    state = torch.get_rng_state()
    return state if device.type == "cpu" else torch.cat([state, torch.cuda.get_rng_state(device)])


def put_random_state(state: Tensor, device: torch.device) -> None:
    """Restore what :func:`get_random_state` gave; on another kind of device the part that both have."""
    length = torch.get_rng_state().numel()
    # Copies: torch reads a part of a larger tensor from the beginning of that.
    torch.set_rng_state(state[:length].clone())
    if device.type == "cuda" and state.numel() > length:
        torch.cuda.set_rng_state(state[length:].clone(), device)
