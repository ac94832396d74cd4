"""Loss, accuracy and census of a network over a data set."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firebit.data import ImageSet
from firebit.data.streamed import StreamedSet
from firebit.metrics import TOP, Metrics
from firebit.nn.census import Census, counting, device_of, evaluating
from firebit.nn.growth import rectifiers
from firebit.nn.rectifier import Step
from firebit.train.distributed import ALONE, Ranks
from firebit.train.feed import still_batches

_BATCH = 500


def as_input(images: Tensor) -> Tensor:
    """uint8 pictures (B, C, H, W) as the networks see them: x/255 in float32 (§3.3), on the device that they are on."""
    return images.to(torch.float32).div_(255)


class Batches:
    """The pictures of a set in order, as (input, label) batches; can be read any number of times.

    Args:
        data: the pictures.
        batch: pictures per batch.
        limit: stop after that many pictures; None: all.
        ranks: give only this rank's part of them.
    """

    def __init__(self, data: ImageSet, batch: int = _BATCH, limit: int | None = None, ranks: Ranks = ALONE) -> None:
        self.data = data
        self.batch = batch
        part = ranks.part(min(len(data), limit or len(data)))
        self.start: int = part.start
        self.stop: int = part.stop

    @property
    def count(self) -> int:
        """Pictures in all batches."""
        return len(range(self.start, self.stop))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if isinstance(self.data, StreamedSet):
            for batch in still_batches(self.data, self.batch, self.start, self.stop):
                yield as_input(batch.images), batch.labels
            return
        for start in range(self.start, self.stop, self.batch):
            part = slice(start, min(start + self.batch, self.stop))
            images = torch.from_numpy(self.data.images[part])
            yield as_input(images), torch.from_numpy(self.data.labels[part])

    def __len__(self) -> int:
        return -(-self.count // self.batch)


def has_bits(model: nn.Module) -> bool:
    """Whether the model has bounded rectifiers or steps to count."""
    return bool(rectifiers(model)) or any(isinstance(module, Step) for module in model.modules())


def evaluate(model: nn.Module, data: ImageSet, ranks: Ranks = ALONE) -> tuple[Metrics, Census | None]:
    """Metrics and, where the model has rectifiers or steps, the census, in one pass in eval mode on the model's device.

    Every module's training flag is afterwards what it was.

    Args:
        model: the network.
        data: the pictures.
        ranks: each of them measures its part, and all get the figures of the whole: counts are exact, losses the same
            on every rank. With fewer pictures than ranks each measures all.
    """
    sharing = ranks if len(data) >= ranks.size else ALONE
    if not has_bits(model):
        return _measure(model, data, sharing), None
    with counting(model) as counters:
        metrics = _measure(model, data, sharing)
    census = counters.census()
    return metrics, census if sharing.size == 1 else census.all_reduce()


def _measure(model: nn.Module, data: ImageSet, ranks: Ranks) -> Metrics:
    loss, top1, top5, seen = 0.0, 0, 0, 0
    device = device_of(model)
    with evaluating(model):
        for images, labels in Batches(data, ranks=ranks):
            logits, truth = model(images.to(device)), labels.to(device)
            loss += F.cross_entropy(logits, truth, reduction="sum").item()
            ranked = logits.topk(min(TOP, logits.shape[1])).indices == truth[:, None]
            top1 += int(ranked[:, 0].sum())
            top5 += int(ranked.any(1).sum())
            seen += len(labels)
    loss, first, five, count = ranks.total([loss, top1, top5, seen])
    return Metrics(loss / count, first / count, five / count, int(count))
