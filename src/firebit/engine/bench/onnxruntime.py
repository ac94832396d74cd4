"""ONNX Runtime as a contender: float, and 8-bit integers by static quantisation."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from firebit.data.transforms import to_float
from firebit.engine.bench.contender import BATCH, ONNX_INPUT
from firebit.machine import has_vnni


def prepare(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Pixels over 255."""
    return {ONNX_INPUT: to_float(pictures)}


def load(file: Path, threads: int, batch: int) -> Callable[[Any], NDArray[np.floating[Any]]]:
    """A session on the CPU with all graph optimisations, whose idle threads sleep."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    # Otherwise its threads go on spinning into the turns of the others.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_free_dimension_override_by_name(BATCH, batch)
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(given: Any) -> NDArray[np.floating[Any]]:
        found: NDArray[np.floating[Any]] = session.run(None, given)[0]
        return found

    return run


def quantize(onnx: Path, target: Path, pictures: NDArray[np.uint8]) -> None:
    """QDQ nodes, unsigned activations, signed weights per channel; of 7 bits where 8 could saturate (no VNNI)."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._pictures: Iterator[Any] = (prepare(pictures[at : at + 1]) for at in range(len(pictures)))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self._pictures, None)

    with TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(onnx, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=not has_vnni(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
