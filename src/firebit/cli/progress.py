"""How training shows itself: a bar with the time left on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from firebit.train.checkpoint import Progress as TrainingProgress
    from firebit.train.stage import Stage

_PLAIN_SECONDS = 20.0


def epoch_line(record: dict[str, Any]) -> str:
    """What an epoch's record says, in one line."""
    parts = [f"{record['stage']} {record['epoch']}", f"loss {record['train_loss']:.4f}"]
    if "soft" in record:
        parts.append(f"{record['measured_on']} {100 * record['soft']['top1']:.2f} %")
    if "steps" in record:
        parts.append(f"with steps {100 * record['steps']['top1']:.2f} %")
    if "census" in record:
        parts.append(f"binary {100 * record['census']['level']:.1f} %")
    if "waited" in record:
        parts.append(f"{record['images_per_second']:,.0f} pictures/s, waited {100 * record['waited']:.0f} % for them")
    return " · ".join(parts)


class PlainLines:
    """A line per epoch, and one every twenty seconds in between."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._spoke = time.monotonic()
        self._batches = 1
        self._name = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, stage: "Stage", batches: int) -> None:
        self._name, self._batches = f"{stage.name} {{}}/{stage.epochs}", batches

    def batch(self, progress: "TrainingProgress", loss: float) -> None:
        if time.monotonic() - self._spoke > _PLAIN_SECONDS:
            self.note(
                f"{self._name.format(progress.epoch + 1)} · batch {progress.batch}/{self._batches} · loss {loss:.4f}"
            )

    def epoch(self, record: dict[str, Any]) -> None:
        self.note(epoch_line(record))

    def note(self, text: str) -> None:
        self._spoke = time.monotonic()
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Bar:
    """A rich progress bar per stage, with the time left."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None
        self._batches = 1

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, stage: "Stage", batches: int) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._batches = batches
        self._task = self._progress.add_task(stage.name, total=stage.epochs * batches, loss=0.0)

    def batch(self, progress: "TrainingProgress", loss: float) -> None:
        if self._task is not None:
            done = progress.epoch * self._batches + progress.batch
            self._progress.update(self._task, completed=done, loss=loss)

    def epoch(self, record: dict[str, Any]) -> None:
        self.note(epoch_line(record))

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


def reporter(console: Console) -> Bar | PlainLines:
    """A bar on a terminal, plain lines elsewhere."""
    return Bar(console) if console.is_terminal else PlainLines(console)
