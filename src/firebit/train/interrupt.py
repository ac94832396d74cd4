"""What a run asks of its process for as long as it lasts: an answer to signals, and a number of threads."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import torch


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run after its state was saved."""


@dataclass
class Stop:
    """A request to stop: the signal that made it, None as long as there is none."""

    signal: int | None = None


@contextmanager
def signals() -> Iterator[Stop]:
    """Turn SIGINT and SIGTERM into a request that the loop answers after the present batch, once it has saved."""
    stop = Stop()

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.signal is not None:
            raise KeyboardInterrupt
        stop.signal = number

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: the caller handles signals
        before = {}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch compute with so many threads; None: as many as it does already."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
