"""The journal of a run in TensorBoard's event files; the extra `tensorboard` brings what writes them."""

import shutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from firebit.extras import missing
from firebit.train.checkpoint import Progress
from firebit.train.loop import Reporter
from firebit.train.run import RunFolder
from firebit.train.stage import Stage

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class Board:
    """Hands on what it is told, and mirrors every record of the journal into RUN/tensorboard.

    The journal is the truth: when training begins or goes on, the event files are written anew from it.

    Args:
        reporter: who is told else.
        folder: the run directory.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, reporter: Reporter, folder: RunFolder) -> None:
        self.reporter = reporter
        self.folder = folder
        self._make = _writer_class()
        self._writer: SummaryWriter | None = None

    def stage(self, stage: Stage, batches: int) -> None:
        """A stage begins; before the first, what the journal holds already is written."""
        if self._writer is None:
            place = self.folder.path / FOLDER
            shutil.rmtree(place, ignore_errors=True)
            self._writer = self._make(str(place))
            for record in self.folder.journal.records():
                self._add(record)
        self.reporter.stage(stage, batches)

    def batch(self, progress: Progress, loss: float) -> None:
        """A batch is done."""
        self.reporter.batch(progress, loss)

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch is done; its record is on the disk when this returns."""
        self._add(record)
        self.reporter.epoch(record)

    def note(self, text: str) -> None:
        """Something worth a line."""
        self.reporter.note(text)

    def _add(self, record: Mapping[str, Any]) -> None:
        assert self._writer is not None
        for name, value in scalars(record):
            self._writer.add_scalar(f"{record['stage']}/{name}", value, record["step"])
        self._writer.flush()


def _writer_class() -> "type[SummaryWriter]":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise missing(error, "--tensorboard") or error from error
    return SummaryWriter


def scalars(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a journal's record by path, as in ``soft/top1``; text, epoch and step are left out.

    Example:
        >>> dict(scalars({"stage": "relu", "step": 6, "lr": 0.1, "soft": {"top1": 0.5}}))
        {'lr': 0.1, 'soft/top1': 0.5}
    """
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and (prefix or name not in _PLACE):
            yield f"{prefix}{name}", float(value)


_PLACE = ("epoch", "step")
