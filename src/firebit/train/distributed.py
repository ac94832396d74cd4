"""Training over several processes: the ranks that torchrun has started, what they share and what they tell each other.

What ranks tell each other goes over gloo as numbers and text, nothing is unpickled. Gradients go over NCCL on GPUs and
over gloo on processors.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from inspect import signature
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from firebit.errors import DivergedError, FirebitError, UnavailableError, UsageError
from firebit.train.meeting import meet

T = TypeVar("T")
# One rank may measure and write for a while before it meets the others.
_PATIENCE = timedelta(hours=2)
_ARRIVAL = timedelta(minutes=10)
# What keeps buffers as they are is called otherwise from torch 2.13 on.
_RENAMED = "forward_sync_buffers" in signature(DistributedDataParallel).parameters
_BUFFERS: dict[str, Any] = {"forward_sync_buffers" if _RENAMED else "broadcast_buffers": False}


def part_of(count: int, part: int, parts: int) -> slice:
    """Where a part of `count` things lies that are dealt out in a row as evenly as can be."""
    return slice(count * part // parts, count * (part + 1) // parts)


@dataclass(frozen=True)
class Ranks:
    """The processes that train one network together, as one of them sees them.

    Every method but :meth:`part` and :meth:`wrap` has to be called by all ranks, in the same order.

    Attributes:
        rank: which of them this one is, from 0.
        size: how many there are, over all machines.
        local: which of them it is on its machine, from 0.
        restarts: how often torchrun has started them anew.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    restarts: int = 0

    @property
    def first(self) -> bool:
        """Whether this rank writes files and talks to the user."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """This rank's stretch of `count` things; the stretches of all ranks follow each other and cover them."""
        return part_of(count, self.rank, self.size)

    def gathered(self, values: Sequence[float]) -> list[list[float]]:
        """The numbers of every rank, in float64, by rank."""
        if self.size == 1:
            return [list(values)]
        return [found.tolist() for found in _all(torch.tensor(values, dtype=torch.float64), self.size)]

    def mean(self, value: float) -> float:
        """The mean of a number over the ranks, the same to the last bit on all of them."""
        return self.total([value])[0] / self.size

    def total(self, values: Sequence[float]) -> list[float]:
        """The sums of numbers over the ranks, the same to the last bit on all of them."""
        return [sum(column) for column in zip(*self.gathered(values), strict=True)]

    def texts(self, text: str) -> list[str]:
        """The text of every rank, by rank."""
        if self.size == 1:
            return [text]
        content = text.encode()
        lengths = [int(length) for (length,) in self.gathered([len(content)])]
        padded = torch.zeros(max(1, *lengths), dtype=torch.uint8)
        padded[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else 0
        parts = _all(padded, self.size)
        return [bytes(part[:length].tolist()).decode() for part, length in zip(parts, lengths, strict=True)]

    def stacked(self, values: Tensor) -> Tensor:
        """Tensors of the same shape and type of all ranks, (ranks, …), on the CPU; alone the tensor itself."""
        return values if self.size == 1 else torch.stack(_all(values.cpu().contiguous(), self.size))

    def together(self, act: Callable[[], T]) -> T:
        """What `act`, in which ranks do not meet, returns on this rank, once it has succeeded on all.

        Raises:
            FirebitError: it has failed, on this rank or on another.
        """
        if self.size == 1:
            return act()
        failed: FirebitError | None = None
        try:
            found = act()
        except FirebitError as error:
            failed = error
        told = [json.loads(text) for text in self.texts(json.dumps(_told(failed)))]
        if failed is not None:
            raise failed
        for rank, problem in enumerate(told):
            if problem:
                raise _elsewhere(rank, problem)
        return found

    def from_first(self, decide: Callable[[], str]) -> str:
        """The text that `decide` returns on the first rank, on every rank.

        Raises:
            FirebitError: it has failed there.
        """
        return self.texts(self.together(lambda: decide() if self.first else ""))[0]

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network as it has to be called, so that gradients are the means over all ranks after each backward pass.

        Alone it is the network itself. Parameters that are already in place are those of the first rank.
        """
        trains = any(parameter.requires_grad for parameter in model.parameters())
        if self.size == 1 or not trains:
            return model
        # Batch statistics are averaged by share_statistics, in place of those of the first rank for all.
        return DistributedDataParallel(model, **_BUFFERS)

    def share_statistics(self, model: nn.Module) -> None:
        """Replace running statistics of batch norms that train by their means over the ranks."""
        found = [] if self.size == 1 else _statistics(model)
        if not found:
            return
        flat = torch.cat([values.flatten() for values in found])
        distributed.all_reduce(flat)
        flat /= self.size
        for values, mean in zip(found, torch.split(flat, [values.numel() for values in found]), strict=True):
            values.copy_(mean.view_as(values))

    def check_replicas(self, model: nn.Module, when: str) -> None:
        """See that the network is the same to the last bit on every rank.

        Raises:
            DivergedError: it is not.
        """
        if self.size == 1:
            return
        digests = self.texts(_digest(model))
        for rank, digest in enumerate(digests):
            if digest != digests[0]:
                raise DivergedError(
                    f"The networks of ranks 0 and {rank} are no longer the same {when}.",
                    "Continue with --resume from the last checkpoint; look for faulty memory or mixed machines.",
                )


ALONE = Ranks()


def _all(values: Tensor, size: int) -> list[Tensor]:
    found = [torch.empty_like(values) for _ in range(size)]
    distributed.all_gather(found, values)
    return found


def _told(error: FirebitError | None) -> list[object]:
    return [] if error is None else [error.problem, error.exit_code]


def _elsewhere(rank: int, problem: Sequence[object]) -> FirebitError:
    error = FirebitError(f"Rank {rank} cannot go on: {problem[0]}", f"See what rank {rank} advises.")
    error.exit_code = int(str(problem[1]))
    return error


def _statistics(model: nn.Module) -> list[Tensor]:
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.training]
    return [values for norm in norms for values in (norm.running_mean, norm.running_var) if values is not None]


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for values in model.state_dict().values():
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def launched() -> Ranks:
    """What torchrun (or Slurm with the same variables) says of this process; alone without it.

    Raises:
        UsageError: RANK, WORLD_SIZE, … are no ranks.
    """
    if "WORLD_SIZE" not in os.environ:
        return ALONE
    rank, size, local = (_number(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if not 0 <= rank < size or local < 0:
        raise UsageError(f"RANK={rank} is none of WORLD_SIZE={size} ranks.", "Start the ranks with torchrun.")
    return Ranks(rank, size, local, _number("TORCHELASTIC_RESTART_COUNT", "0"))


def _number(name: str, default: str = "") -> int:
    text = os.environ.get(name, default)
    if not text.isdecimal():
        raise UsageError(f"The environment has {name}={text!r}, which is no number.", "Start the ranks with torchrun.")
    return int(text)


@contextmanager
def joined() -> Iterator[Ranks]:
    """Meet the other ranks, if there are any, and leave them at the end.

    Raises:
        UsageError: the variables of torchrun are not right.
        UnavailableError: the others do not come, or one of them is lost meanwhile.
    """
    ranks = launched()
    if ranks.size == 1 or distributed.is_initialized():
        yield ranks
        return
    try:
        if torch.cuda.is_available():
            torch.cuda.set_device(ranks.local % torch.cuda.device_count())
        store, _, _ = next(rendezvous("env://", timeout=_ARRIVAL))
        store = meet(store, ranks.rank, ranks.size, _ARRIVAL)
        distributed.init_process_group(store=store, rank=ranks.rank, world_size=ranks.size, timeout=_PATIENCE)
        # Launchers count restarts for their own machine.
        restarts = max(int(count) for (count,) in ranks.gathered([ranks.restarts]))
        yield replace(ranks, restarts=restarts)
        distributed.destroy_process_group()
    except (distributed.DistError, RuntimeError) as error:
        if isinstance(error, NotImplementedError | RecursionError) or not _is_loss(error):
            raise
        raise UnavailableError(
            f"Rank {ranks.rank} has lost the other ranks: {' '.join(str(error).split())[:200]}",
            "Look at the first rank that failed; then continue with --resume, or let torchrun do it (--max-restarts).",
        ) from error


def _is_loss(error: Exception) -> bool:
    """Whether an error tells of another process rather than of this one."""
    signs = ("gloo", "nccl", "closed by peer", "connection", "timed out", "tcpstore")
    return isinstance(error, distributed.DistError) or any(sign in str(error).lower() for sign in signs)
