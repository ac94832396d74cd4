"""The batches of an epoch, from memory or decoded by worker processes: the same for any number of them.

Which pictures a step sees, and how each is cut, follows from (seed, epoch, step) alone. With several ranks each gets a
part of every step, so that a run on `world` ranks sees the same steps as one on a single rank.
"""

import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from firebit.data import Augmentation, ImageSet, epoch_order
from firebit.data.crop import RandomCrop, View
from firebit.data.source import Source
from firebit.data.streamed import Decoded, StreamedSet, decoded
from firebit.errors import DataError, FirebitError
from firebit.train.distributed import part_of
from firebit.train.recipe import Recipe


@dataclass(frozen=True)
class Batch:
    """A rank's part of the pictures of a step, on the CPU.

    Attributes:
        images: uint8 (B, C, H, W), augmented.
        labels: int64 (B,).
        weight: of its mean loss in the mean over ranks, so that every picture of the step counts alike: B × ranks / the
            step's pictures. 1 where all ranks have as many.
        members: int64 (B,), which pictures of the set these are, where every epoch shows them as they are; else None.
    """

    images: Tensor
    labels: Tensor
    weight: float = 1.0
    members: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def parts(self, count: int) -> list["Batch"]:
        """The batch in so many parts, sizes of which differ by one at most; fewer where it has fewer pictures."""
        count = min(count, len(self))
        members = [None] * count if self.members is None else self.members.tensor_split(count)
        parts = zip(self.images.tensor_split(count), self.labels.tensor_split(count), members, strict=True)
        return [Batch(images, labels, members=own) for images, labels, own in parts]


class Feed(Protocol):
    """Batches, epoch by epoch.

    Attributes:
        waited: seconds that the reader of :meth:`epoch` has waited for batches so far.
    """

    waited: float

    @property
    def still(self) -> bool:
        """Whether every epoch shows the pictures as they are, so that what is said of one holds ever after."""

    @property
    def batches(self) -> int:
        """Steps per epoch, ≥ 1, the same on every rank."""

    def epoch(self, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from step `start` on."""


def make_feed(data: ImageSet, recipe: Recipe, rank: int = 0, world: int = 1) -> Feed:
    """The feed for training on a set.

    Args:
        data: in memory or streamed.
        recipe: says the batch, which is that of a step over all ranks, and the augmentation.
        rank: 0 … world − 1.
        world: ranks that share each step.
    """
    if isinstance(data, StreamedSet):
        view = RandomCrop(data.view.side, recipe.input.area, recipe.input.aspect, recipe.augment.flip)
        return StreamedFeed(data, recipe.batch, view, recipe.input.bad_pictures, rank, world)
    return MemoryFeed(data, recipe.batch, Augmentation(recipe.augment.flip, recipe.augment.crop), rank, world)


def batches_per_epoch(recipe: Recipe, data: ImageSet) -> int:
    """Steps per epoch: of pictures in memory full batches, and those beyond the last wait for the next epoch's order;
    of streamed ones as many as it takes for every picture to be seen once."""
    return make_feed(data, recipe).batches


@dataclass
class MemoryFeed:
    """Pictures in memory, in full batches (:class:`Feed`)."""

    data: ImageSet
    batch: int
    augmentation: Augmentation
    rank: int = 0
    world: int = 1
    waited: float = 0.0

    @property
    def still(self) -> bool:
        return self.augmentation == Augmentation()

    @property
    def batches(self) -> int:
        return max(1, len(self.data) // self.batch)

    def epoch(self, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
        order = epoch_order(len(self.data), seed, epoch)
        for step in range(start, self.batches):
            began = time.perf_counter()
            step_of = order[step * self.batch : (step + 1) * self.batch]
            chosen = step_of[part_of(len(step_of), self.rank, self.world)]
            images = self.augmentation(self.data.images[chosen], seed, epoch, chosen)
            weight = len(chosen) * self.world / len(step_of)
            labels = torch.from_numpy(self.data.labels[chosen])
            members = torch.from_numpy(chosen) if self.still else None
            batch = Batch(torch.from_numpy(np.ascontiguousarray(images)), labels, weight, members)
            self.waited += time.perf_counter() - began
            yield batch


@dataclass
class StreamedFeed:
    """Pictures that are decoded as they are needed (:class:`Feed`), each of them once per epoch.

    The pictures of an epoch are dealt out evenly over its steps, and those of a step over the ranks: batches differ in
    size by one at most. A picture that cannot be read is left out of its batch and noted in the record of the set.

    Args:
        data: the set.
        batch: pictures of a step over all ranks, at most.
        view: what is cut out of each.
        bad_pictures: "skip" or "fail".
        rank: 0 … world − 1.
        world: ranks that share each step.
    """

    data: StreamedSet
    batch: int
    view: View
    bad_pictures: str = "skip"
    rank: int = 0
    world: int = 1
    waited: float = 0.0

    @property
    def still(self) -> bool:
        return False

    @property
    def batches(self) -> int:
        return max(1, -(-len(self.data) // self.batch))

    def epoch(self, seed: int, epoch: int, start: int = 0) -> Iterator[Batch]:
        order = self.data.order(seed, epoch)
        steps = [order[part_of(len(order), step, self.batches)] for step in range(start, self.batches)]
        requests = [_Request(seed, epoch, step[part_of(len(step), self.rank, self.world)]) for step in steps]
        weights = iter([len(own.members) * self.world / len(step) for own, step in zip(requests, steps, strict=True)])
        parts = _decoded_in_turn(self.data.source, self.view, requests, self.data.workers)
        while True:
            began = time.perf_counter()
            part = next(parts, None)
            self.waited += time.perf_counter() - began
            if part is None:
                return
            note(self.data, part, self.bad_pictures)
            yield Batch(part.images, part.labels, next(weights))


def still_batches(data: StreamedSet, batch: int, start: int, stop: int) -> Iterator[Batch]:
    """The pictures from `start` to `stop` of a set, in order, as they are seen outside of training.

    Unreadable ones are left out.
    """
    parts = (data.members[at : min(at + batch, stop)] for at in range(start, stop, batch))
    requests = [_Request(0, 0, members) for members in parts]
    for part in _decoded_in_turn(data.source, data.view, requests, data.workers):
        note(data, part, "skip")
        yield Batch(part.images, part.labels)


@dataclass(frozen=True)
class _Request:
    seed: int
    epoch: int
    members: NDArray[np.int64]


@dataclass(frozen=True)
class _Part:
    """What a worker sends: :class:`firebit.data.streamed.Decoded` with tensors, which go through shared memory."""

    images: Tensor
    labels: Tensor
    members: NDArray[np.int64]
    bad: dict[int, str]


class _Decoding(Dataset[_Part]):
    def __init__(self, source: Source, view: View) -> None:
        self.source, self.view = source, view

    def __getitem__(self, request: Any) -> _Part:
        part = decoded(self.source, self.view, request.seed, request.epoch, request.members)
        return _Part(torch.from_numpy(part.images), torch.from_numpy(part.labels), part.members, part.bad)


def _decoded_in_turn(source: Source, view: View, requests: Sequence[_Request], workers: int) -> Iterator[_Part]:
    """The answers to requests, in their order."""
    with warnings.catch_warnings():
        # It would advise against as many workers as were asked for.
        warnings.simplefilter("ignore", UserWarning)
        loader = DataLoader(
            _Decoding(source, view),
            batch_size=None,
            sampler=requests,
            num_workers=min(workers, len(requests)),
            collate_fn=_as_it_is,
            worker_init_fn=_leave_signals,
            # Else it would draw from torch's random numbers, and with them change what is trained.
            generator=torch.Generator(),
        )
        parts = iter(loader)
    try:
        yield from parts
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise FirebitError(
            f"A process that decodes pictures has ended: {' '.join(str(error).split())[:200]}",
            "If memory ran out, set fewer: --set input.workers=1. Then go on with --resume.",
        ) from error


def _as_it_is(part: Any) -> Any:
    return part


def _leave_signals(worker: int) -> None:
    """Whoever stops a run stops the process that trains; it still wants batches while it comes to an end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def note(data: StreamedSet, part: Decoded | _Part, bad_pictures: str) -> None:
    """Note what became of some pictures of a set.

    Raises:
        DataError: one cannot be read and `bad_pictures` is "fail"; or none of them can.
    """
    data.record.add(part.members, part.bad)
    if part.bad and (bad_pictures == "fail" or len(part.bad) == len(part.members)):
        first = next(iter(part.bad.values()))
        if bad_pictures == "fail":
            raise DataError(first, "Replace the picture, or leave such out: --set input.bad_pictures=skip.")
        raise DataError(f"{data.name}: none of {len(part.bad)} pictures in a row can be read; {first}", "Replace them.")
