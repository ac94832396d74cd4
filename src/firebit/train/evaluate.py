"""Loss, accuracy and census of a network over a data set."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from firebit.data import Augmentation, ImageSet, to_float
from firebit.metrics import TOP, Metrics
from firebit.nn.census import Census, counting, evaluating
from firebit.nn.growth import rectifiers
from firebit.nn.rectifier import Step

_BATCH = 500


def as_input(
    images: NDArray[np.uint8],
    augment: Augmentation | None = None,
    seed: int = 0,
    epoch: int = 0,
    indices: NDArray[np.int64] | None = None,
) -> Tensor:
    """uint8 pictures (B, C, H, W) as the networks see them: augmented if asked, x/255 in float32 (§3.3)."""
    if augment is not None and indices is not None:
        images = augment(images, seed, epoch, indices)
    return torch.from_numpy(to_float(images))


class Batches:
    """The pictures of a set in order, as (input, label) batches; can be read any number of times.

    Args:
        data: the pictures.
        batch: pictures per batch.
        limit: stop after that many pictures; None: all.
    """

    def __init__(self, data: ImageSet, batch: int = _BATCH, limit: int | None = None) -> None:
        self.data = data
        self.batch = batch
        self.count = min(len(data), limit or len(data))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, self.count, self.batch):
            part = slice(start, min(start + self.batch, self.count))
            yield as_input(self.data.images[part]), torch.from_numpy(self.data.labels[part])

    def __len__(self) -> int:
        return -(-self.count // self.batch)


def has_bits(model: nn.Module) -> bool:
    """Whether the model has bounded rectifiers or steps to count."""
    return bool(rectifiers(model)) or any(isinstance(module, Step) for module in model.modules())


def evaluate(model: nn.Module, data: ImageSet) -> tuple[Metrics, Census | None]:
    """Metrics and, where the model has rectifiers or steps, the census, in one pass in eval mode.

    Every module's training flag is afterwards what it was.
    """
    if not has_bits(model):
        return _measure(model, data), None
    with counting(model) as counters:
        metrics = _measure(model, data)
    return metrics, counters.census()


def _measure(model: nn.Module, data: ImageSet) -> Metrics:
    loss, top1, top5 = 0.0, 0, 0
    with evaluating(model):
        for images, labels in Batches(data):
            logits = model(images)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            ranked = logits.topk(min(TOP, logits.shape[1])).indices == labels[:, None]
            top1 += int(ranked[:, 0].sum())
            top5 += int(ranked.any(1).sum())
    count = len(data)
    return Metrics(loss / count, top1 / count, top5 / count, count)
