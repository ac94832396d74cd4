"""The training loop of one stage: deterministic, stoppable at any step, resumable with the same numbers."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from firebit.data import ImageSet
from firebit.data.streamed import StreamedSet
from firebit.errors import DivergedError
from firebit.nn.growth import EntropyPenalty, SlopeGrowth, rectifiers
from firebit.nn.noise import PreActivationNoise
from firebit.nn.weights import WeightGrowth
from firebit.train.average import Average
from firebit.train.checkpoint import Progress
from firebit.train.distributed import ALONE, Ranks
from firebit.train.evaluate import as_input
from firebit.train.feed import Batch, Feed, make_feed
from firebit.train.hold import Hold
from firebit.train.inductor import compiled_network
from firebit.train.interrupt import Stop
from firebit.train.loss import training_loss
from firebit.train.precision import FLOAT32, Precision
from firebit.train.recipe import Recipe
from firebit.train.settle import Settling
from firebit.train.stage import Stage, begin_training, options_of, set_rates
from firebit.train.synchronise import Synchronised


class Reporter(Protocol):
    """Who is told how training goes: a progress bar, plain lines, or nobody."""

    def stage(self, stage: Stage, batches: int) -> None:
        """A stage begins, or goes on after a resume; it has `batches` batches per epoch."""

    def batch(self, progress: Progress, loss: float) -> None:
        """A batch is done."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch is done; `record` is what the journal holds of it."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A reporter that says nothing."""

    def stage(self, stage: Stage, batches: int) -> None: ...

    def batch(self, progress: Progress, loss: float) -> None: ...

    def epoch(self, record: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass
class Loop:
    """One stage's model with everything that changes while it trains.

    Attributes:
        recipe: the run's recipe.
        stage: the stage.
        data: the training pictures.
        model: the network, in training mode while :meth:`run_epoch` runs.
        optimizer: its optimizer.
        growth: its slope growth, if it has any.
        weight_growth: the growth of its bounded weights, if it has any.
        feed: the batches of its epochs.
        progress: the run's progress, advanced in place.
        teacher: the network, in eval mode, whose logits are learned along with the labels; None: no teacher.
        answers: what the teacher says of every picture of `data`, (N, classes); None: it is asked for every batch.
        average: the average of the model over the stage's later steps; None: no averaging.
        hold: says when growth waits; None: never.
        arrivals: the step of the stage at which each rectifier settles; empty: all learn to the end.
        precision: the device, and what convolutions and linear layers compute in on it.
        ranks: the processes that train; each computes its part of every batch.
        stop: a request to stop, made of this process.
        stopped: the signal on which all ranks stop, behind the present batch; None: they go on.
    """

    recipe: Recipe
    stage: Stage
    data: ImageSet
    model: nn.Module
    optimizer: torch.optim.Optimizer
    growth: SlopeGrowth | None
    progress: Progress
    teacher: nn.Module | None = None
    answers: Tensor | None = None
    average: Average | None = None
    hold: Hold | None = None
    weight_growth: WeightGrowth | None = None
    arrivals: Mapping[str, float] = field(default_factory=dict)
    precision: Precision = FLOAT32
    ranks: Ranks = ALONE
    stop: Stop = field(default_factory=Stop)
    stopped: int | None = None
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.feed = make_feed(self.data, self.recipe, self.ranks.rank, self.ranks.size)
        self._synchronised = Synchronised(self.model) if self.recipe.sync_batch_norm else None
        if self._synchronised is not None:
            self.model = self._synchronised.network
        # Where ranks meet, each waits for the gradients of all parameters.
        self._settling = Settling(self.model, self.arrivals, frozen=self.ranks.size == 1)
        self._wrapped = self.ranks.wrap(self.model)
        place = self.precision.device
        self._network = compiled_network(self._wrapped, place) if self.recipe.compile else self._wrapped

    @property
    def batches(self) -> int:
        """Batches per epoch."""
        return self.feed.batches

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole stage."""
        return self.stage.epochs * self.batches

    @property
    def averaged(self) -> nn.Module | None:
        """The averaged network; None where averaging is off or has not begun."""
        return self.average.network if self.average else None

    @property
    def outcome(self) -> nn.Module:
        """The network to measure and to hand on: the averaged one where there is one, else the one that trains."""
        found = self.model if self.averaged is None else self.averaged
        return found if self._synchronised is None else self._synchronised.plain(found)

    def run_epoch(self, after_batch: Callable[[float], None]) -> dict[str, Any]:
        """Train the rest of the present epoch.

        Args:
            after_batch: called after each batch with its loss; may raise to stop.

        Returns:
            Training loss, learning rate and images/s of the epoch; of streamed pictures the share of time that was
            waited for them, and how many cannot be read; with a hold the stage's steps so far after which growth
            waited.

        Raises:
            DivergedError: the loss is not finite; the parameters are those from before that batch.
        """
        begin_training(self.stage, self.model)
        began, seen, waited = time.perf_counter(), 0, self.feed.waited
        for batch in self.feed.epoch(self._order_seed, self.progress.epoch, self.progress.batch):
            loss = self._train_batch(batch)
            seen += len(batch) * self.ranks.size
            after_batch(loss)
        seconds = max(1e-9, time.perf_counter() - began)
        record = {
            "train_loss": self.progress.loss_sum / self.batches,
            "lr": max(group["lr"] for group in self.optimizer.param_groups),
            "images_per_second": round(seen / seconds, 1),
        }
        if isinstance(self.data, StreamedSet):
            record |= {"waited": round((self.feed.waited - waited) / seconds, 3), "unreadable": len(self.data.bad)}
        if self.hold is not None:
            record["held"] = self.hold.held
        self.progress.epoch += 1
        self.progress.batch, self.progress.loss_sum = 0, 0.0
        return record

    def forward_loss(self) -> Tensor:
        """The loss of the first micro-batch of the first epoch, which no step follows."""
        begin_training(self.stage, self.model)
        return self._loss(next(iter(self.feed.epoch(self._order_seed, 0))).parts(self.recipe.accumulate)[0], 0)

    def check_parameters(self) -> None:
        """See that every parameter is finite, so that no checkpoint holds a network that is lost.

        Raises:
            DivergedError: one is not.
        """
        for name, parameter in self.model.named_parameters():
            if not parameter.isfinite().all():
                raise self.diverged(f"{name} is no longer finite", f"step {self.progress.steps} of the run")

    def diverged(self, what: str, where: str) -> DivergedError:
        """The error that says `what` happened, and where in this stage."""
        table = "baseline" if self.stage.name == "relu" else self.stage.name
        growth = "" if self.growth is None else " or the growth"
        return DivergedError(
            f"{what} in {self.stage.name}, {where}.",
            f"Lower the learning rate ({table}.lr){growth}, and start again.",
        )

    @property
    def _order_seed(self) -> int:
        # Each stage has orders of its own; the baseline shares those of phase 1, as the networks start alike.
        return self.recipe.seed + 2**32 * {"phase2": 1, "classifier": 2, "weights": 3}.get(self.stage.name, 0)

    def _train_batch(self, batch: Batch) -> float:
        progress = self.progress
        done = progress.epoch * self.batches + progress.batch
        set_rates(self.optimizer, self.stage, options_of(self.recipe, self.stage), done, self.steps)
        self._settling.at(done)
        self.optimizer.zero_grad()
        parts = batch.parts(self.recipe.accumulate)
        own = sum(
            self._learn(part, done, batch.weight * len(part) / len(batch), last=part is parts[-1]) for part in parts
        )
        value = self._agreed(own)
        if not math.isfinite(value):
            raise self.diverged(f"The loss is {value}", f"epoch {progress.epoch + 1}, batch {progress.batch + 1}")
        self.optimizer.step()
        self.ranks.share_statistics(self.model)
        if self._grows_after(value):
            self._grow()
        if self.average is not None and done >= int(self.recipe.average.start * self.steps):
            self.average.update()
        progress.batch += 1
        progress.steps += 1
        progress.loss_sum += value
        return value

    def _learn(self, part: Batch, done: int, share: float, *, last: bool) -> float:
        """Add a micro-batch's share to the gradients, and return its share of the loss; behind the last, ranks meet."""
        wrapped = self._wrapped
        with wrapped.no_sync() if isinstance(wrapped, DistributedDataParallel) and not last else nullcontext():
            loss = self._loss(part, done) * share
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def _loss(self, part: Batch, done: int) -> Tensor:
        """The loss of a micro-batch, when so many steps of the stage are done."""
        place = next(self.model.parameters())
        images = as_input(part.images.to(place.device)).to(place.dtype)
        labels = part.labels.to(place.device)
        with self.precision.context():
            logits, penalty = self._answer(images, self.stage.noise_width(done, self.steps))
            taught = self._taught(images, part.members)
        return (
            training_loss(logits.float() if self.precision.half else logits, labels, self.recipe.loss, taught) + penalty
        )

    def _agreed(self, loss: float) -> float:
        """The mean loss over the ranks; and whether one of them was asked to stop, so that all stop at one step."""
        told = self.ranks.gathered([loss, self.stop.signal or 0])
        self.stopped = int(max(signal for _, signal in told)) or None
        return sum(own for own, _ in told) / len(told)

    def _answer(self, images: Tensor, noise: float) -> tuple[Tensor, Tensor | float]:
        """The logits of a batch, with noise of that width on pre-activations, and the entropy penalty."""
        with PreActivationNoise(self.model, noise):
            if not (self.stage.entropy and rectifiers(self.model)):
                return self._network(images), 0.0
            with EntropyPenalty(self.model, self.stage.entropy) as penalty:
                return self._network(images), penalty.total()

    @torch.no_grad()
    def _taught(self, images: Tensor, members: Tensor | None) -> Tensor | None:
        if self.answers is not None and members is not None:
            return self.answers[members.to(self.answers.device)]
        return None if self.teacher is None else self.teacher(images).float()

    def _grow(self) -> None:
        for growth in (self.growth, self.weight_growth):
            if growth is not None:
                growth.step()

    def _grows_after(self, loss: float) -> bool:
        return self.hold is None or self.hold.grows_after(loss)
