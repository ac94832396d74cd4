"""Where pictures come from that are not held in memory: their labels, their bytes, and the order of an epoch."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Source(Protocol):
    """Pictures as encoded bytes, by position; labels and sizes are known, pixels are not.

    Sources are read by several processes at once: they can be pickled, and hold no Python object per picture, whose
    counter of references would copy pages of memory into every process that looks at it.
    """

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """int64 (N,), 0 ≤ label < len(classes)."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth a line: the order of the classes, shards that were cut short."""

    def content(self, index: int) -> bytes:
        """The file of the picture at a position, whole.

        Raises:
            DataError: it cannot be read.
        """

    def called(self, index: int) -> str:
        """What an error calls the picture at a position."""

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The order in which an epoch visits all pictures: int64 (N,), a permutation."""

    def relabelled(self, classes: tuple[str, ...], labels: NDArray[np.int64]) -> "Source":
        """The same with classes in another order, and labels that go with it."""

    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) over names and labels; of pixels only as far as sizes of files tell."""


class Names:
    """Many texts in one piece of memory.

    Args:
        texts: what to hold; what file systems give that is no UTF-8 comes back as it was.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
        self._content = b"".join(encoded)
        self._ends = np.cumsum([0, *map(len, encoded)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        return self._content[self._ends[index] : self._ends[index + 1]].decode("utf-8", "surrogateescape")

    @property
    def content(self) -> bytes:
        """All of them, one behind the other."""
        return self._content


def digest(kind: str, classes: Sequence[str], labels: NDArray[np.int64], *parts: bytes) -> str:
    """The fingerprint of a source: its kind, its classes, its labels, and what else tells it from others."""
    header = json.dumps({"kind": kind, "classes": list(classes), "count": len(labels)}).encode()
    found = hashlib.sha256(b"firebit source 1\n" + header + b"\n")
    found.update(labels.astype("<i8").tobytes())
    for part in parts:
        found.update(hashlib.sha256(part).digest())
    return found.hexdigest()
