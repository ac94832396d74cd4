"""How good predictions are: loss and accuracies, from logits and labels. NumPy only."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError

TOP = 5


@dataclass(frozen=True)
class Metrics:
    """Figures of one pass over a data set.

    Attributes:
        loss: mean cross-entropy in nats.
        top1: share of pictures whose label has the largest logit, 0 … 1.
        top5: share of pictures whose label is among the five largest, 0 … 1.
        count: pictures seen.
    """

    loss: float
    top1: float
    top5: float
    count: int

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-able values."""
        return asdict(self)


def measure(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> Metrics:
    """Loss and accuracies of logits, computed in float64.

    Of equal logits, the one of the smaller index counts as the larger, as for argmax.

    Args:
        logits: real numbers (N, classes), N ≥ 1.
        labels: whole numbers (N,), 0 ≤ label < classes.

    Raises:
        UsageError: the shapes do not fit each other, a logit is not finite, or a label is none of the classes.

    Example:
        >>> measure(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1])).top1
        0.5
    """
    _check(logits, labels)
    exact = logits.astype(np.float64)
    own = exact[np.arange(len(labels)), labels]
    first = np.arange(exact.shape[1]) < labels[:, None]
    rank = ((exact > own[:, None]) | ((exact == own[:, None]) & first)).sum(axis=1)
    loss = float((log_sum_exp(exact) - own).mean())
    return Metrics(loss, float((rank < 1).mean()), float((rank < TOP).mean()), len(labels))


def log_sum_exp(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln Σ exp(logit) of each row, float64 (N,) of finite (N, classes), without overflow."""
    largest = logits.max(axis=1)
    total: NDArray[np.float64] = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
    return total


def _check(logits: NDArray[Any], labels: NDArray[Any]) -> None:
    whole = logits.ndim == 2 and logits.size > 0 and logits.dtype.kind == "f"
    if not whole or labels.shape != logits.shape[:1] or labels.dtype.kind not in "iu":
        raise UsageError(
            f"logits {logits.dtype} {logits.shape} and labels {labels.dtype} {labels.shape} do not fit each other.",
            "Give logits (N, classes) of one picture or more, and one whole number as label for each.",
        )
    if not np.isfinite(logits).all():
        raise UsageError("A logit is not a finite number.", "Look for the layer that overflows.")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise UsageError(
            f"Labels reach from {labels.min()} to {labels.max()}; there are {logits.shape[1]} classes.",
            f"Give labels from 0 to {logits.shape[1] - 1}.",
        )
