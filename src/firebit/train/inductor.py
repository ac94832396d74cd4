"""torch.compile around a network while it trains; its parameters and their names stay those of the network."""

import importlib.util
from typing import cast

import torch
from torch import nn

from firebit.errors import UsageError


def check_compiler(device: torch.device) -> None:
    """See that what torch.compile needs is there: a C++ compiler for the processor, Triton for a GPU.

    Raises:
        UsageError: it is not.
    """
    if device.type == "cuda":
        missing = None if importlib.util.find_spec("triton") else "Triton"
    else:
        missing = None if _has_cpp_compiler() else "a C++ compiler"
    if missing:
        raise UsageError(
            f"compile = true needs {missing}, which is not here.", f"Install {missing}, or set compile=false."
        )


def compiled_network(model: nn.Module, device: torch.device) -> nn.Module:
    """The network as it has to be called: the same functions, in fewer passes over memory.

    Raises:
        UsageError: there is no compiler for it.
    """
    check_compiler(device)
    return cast(nn.Module, torch.compile(model))


def _has_cpp_compiler() -> bool:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True
