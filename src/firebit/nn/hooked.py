"""A `with` statement that hooks into layers of a model, and leaves nothing behind."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from torch.utils.hooks import RemovableHandle


class Hooked(ABC):
    """Hooks that are in place inside a `with` statement."""

    _handles: tuple[RemovableHandle, ...] = ()

    @abstractmethod
    def _attach(self) -> Iterable[RemovableHandle]:
        """Hook into the layers; what is returned is removed at the end."""

    def __enter__(self) -> Self:
        self._handles = tuple(self._attach())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = ()
