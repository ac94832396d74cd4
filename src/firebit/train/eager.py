"""torch as a contender of a benchmark: the ReLU network as it is, fused, in channels-last memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from firebit.compiler.fuse import fuse
from firebit.data import to_float
from firebit.train.run import load_model_file


def prepare(pictures: NDArray[np.uint8]) -> Tensor:
    """Pixels over 255."""
    return torch.from_numpy(to_float(pictures)).contiguous(memory_format=torch.channels_last)


def load(file: Path, threads: int, batch: int) -> Callable[[Any], NDArray[np.floating[Any]]]:
    """The network of a model file in eager mode, batch norms folded into convolutions."""
    torch.set_num_threads(threads)
    loaded = load_model_file(file)
    model = fuse(loaded.model, loaded.example).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(given: Any) -> NDArray[np.floating[Any]]:
        with torch.inference_mode():
            logits: NDArray[np.floating[Any]] = model(given).numpy()
        return logits

    return run
