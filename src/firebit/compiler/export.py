"""A network of real values as an ONNX file, which other libraries read."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from firebit.compiler.fuse import fuse
from firebit.engine.bench.contender import BATCH, ONNX_INPUT
from firebit.errors import FirebitError, UsageError
from firebit.extras import missing

_LOGGER = "torch.onnx"


def to_onnx(model: nn.Module, example: Tensor, path: Path) -> None:
    """Write the fused network (:func:`firebit.compiler.fuse.fuse`) as one ONNX file.

    Its input is called "pictures" and is float32 (N, …) of any N; its output is called "logits".

    Args:
        model: a network of real values; untouched.
        example: a batch as the model receives it.
        path: the file.

    Raises:
        UsageError: onnx or onnxscript is not installed, or the model cannot be traced.
        FirebitError: torch cannot export it.
    """
    fused = fuse(model.float().cpu(), example)
    # A batch of one would be taken for a constant.
    batch = example.float().cpu().expand(2, *example.shape[1:]) if len(example) == 1 else example.float().cpu()
    with _quiet():
        try:
            program = torch.onnx.export(
                fused,
                (batch,),
                input_names=[ONNX_INPUT],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            program.save(path, external_data=False)
        except ModuleNotFoundError as error:
            raise missing(error, "An ONNX file") or error from error
        except UsageError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise FirebitError(
                f"torch cannot write {type(model).__name__} as ONNX: {reason}",
                "Measure it without peers that read ONNX.",
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's notes on what it is doing."""
    logger = logging.getLogger(_LOGGER)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
