"""OpenVINO as a contender: float, and 8-bit integers by NNCF."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from firebit.data.transforms import to_float


def prepare(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels over 255."""
    return to_float(pictures)


def load(file: Path, threads: int, batch: int) -> Callable[[Any], NDArray[np.floating[Any]]]:
    """A compiled model of a fixed batch, for the shortest time of one call."""
    core = openvino.Core()
    model = core.read_model(file)
    shape = model.input(0).partial_shape
    shape[0] = batch
    model.reshape(shape)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        # On some processors it would compute in bfloat16, and call that float.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()

    def run(given: Any) -> NDArray[np.floating[Any]]:
        found: NDArray[np.floating[Any]] = request.infer(given, share_inputs=True)[0]
        return found

    return run


def quantize(onnx: Path, target: Path, pictures: NDArray[np.uint8]) -> None:
    """NNCF's post-training quantisation with its defaults, calibrated on all of these pictures."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    batches = nncf.Dataset([prepare(pictures[at : at + 1]) for at in range(len(pictures))])
    model = nncf.quantize(openvino.Core().read_model(onnx), batches, subset_size=len(pictures))
    openvino.save_model(model, target, compress_to_fp16=False)
