"""Sets of pictures that are not in memory: an :class:`ImageSet` whose pictures are decoded when they are asked for."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.data.crop import CentreCrop, View
from firebit.data.image_set import ImageSet
from firebit.data.picture import decode_cut
from firebit.data.source import Source
from firebit.errors import DataError

_PART = 64


@dataclass(frozen=True, eq=False)
class Decoded:
    """Some pictures of a source.

    Attributes:
        images: uint8 (B, 3, side, side), those that can be read, in the order asked for.
        labels: int64 (B,).
        members: int64 (all that were asked for,), positions in the source.
        bad: what is wrong with those that cannot be read, by position.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    members: NDArray[np.int64]
    bad: dict[int, str]


def decoded(source: Source, view: View, seed: int, epoch: int, members: NDArray[np.int64]) -> Decoded:
    """Decode pictures of a source as they are seen in an epoch: a function of its arguments, without a state.

    Args:
        source: has their bytes.
        view: what is cut out of them.
        seed: 0 … 2⁶⁴ − 1.
        epoch: 0 … 2⁶⁴ − 1.
        members: int64 (B,), positions in the source.
    """
    images = np.empty((len(members), 3, view.side, view.side), np.uint8)
    good: list[int] = []
    bad: dict[int, str] = {}
    for index, cut in zip(members.tolist(), view.cuts(seed, epoch, members), strict=True):
        try:
            images[len(good)] = decode_cut(source.content(index), source.called(index), cut, view.side)
            good.append(index)
        except DataError as error:
            bad[index] = error.problem
    return Decoded(images[: len(good)], source.labels[np.array(good, np.int64)], members, bad)


class Record:
    """Which pictures of a source have been seen, and which of them cannot be read.

    Args:
        count: pictures of the source.
    """

    def __init__(self, count: int) -> None:
        self.seen = np.zeros(count, bool)
        self.bad: dict[int, str] = {}

    def add(self, members: NDArray[np.int64], bad: dict[int, str]) -> None:
        """Note that pictures were seen, and which of them cannot be read."""
        self.seen[members] = True
        self.bad |= bad


class LazyImages:
    """Stands where an array of pictures, uint8 (N, 3, side, side), is expected, and decodes what is asked for.

    Args:
        source: has their bytes.
        members: int64 (N,), positions in the source.
        view: how they are seen.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, source: Source, members: NDArray[np.int64], view: CentreCrop) -> None:
        self._source, self._members, self._view = source, members, view
        self.shape = (len(members), 3, view.side, view.side)
        self.size = len(members) * 3 * view.side**2

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, which: Any) -> NDArray[np.uint8]:
        """Pictures at positions: a number, a slice or an array; behind it, what to take of their axes.

        Raises:
            DataError: one cannot be read. :meth:`StreamedSet.readable` leaves such out.
        """
        first, *rest = which if isinstance(which, tuple) else (which,)
        chosen = self._members[first]
        found = decoded(self._source, self._view, 0, 0, np.atleast_1d(chosen))
        if found.bad:
            raise DataError(next(iter(found.bad.values())), "Replace or remove the picture.")
        images = found.images if np.ndim(chosen) else found.images[0]
        axes = (slice(None), *rest) if np.ndim(chosen) else tuple(rest)
        return images[axes] if rest else images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


@dataclass(frozen=True, eq=False)
class StreamedSet(ImageSet):
    """Labelled pictures that are decoded when they are asked for; made by :func:`streamed`.

    Attributes:
        source: has their bytes.
        members: int64 (N,), their positions in the source.
        view: how they are seen outside of training.
        workers: processes that decode batches of them; 0: the one that asks.
        record: which are known to be unreadable; of the whole source, shared by all parts of it.
    """

    source: Source = field(kw_only=True)
    members: NDArray[np.int64] = field(kw_only=True)
    view: CentreCrop = field(kw_only=True)
    workers: int = field(default=0, kw_only=True)
    record: Record = field(kw_only=True)

    def subset(self, indices: ArrayLike) -> "StreamedSet":
        """The pictures at `indices`, in that order; nothing is decoded. Raises as :meth:`ImageSet.subset`."""
        members = self.members[self._chosen(indices)]
        labels, images = self.source.labels[members], _lazy(self.source, members, self.view)
        return replace(self, images=images, labels=labels, members=members)

    def _relabelled(self, classes: tuple[str, ...], moved: NDArray[np.int64]) -> "StreamedSet":
        source = self.source.relabelled(classes, moved[self.source.labels])
        images, labels = _lazy(source, self.members, self.view), source.labels[self.members]
        return replace(self, images=images, classes=classes, labels=labels, source=source)

    def readable(self) -> "StreamedSet":
        """Those that can be read; what nobody has looked at yet is decoded now to see.

        Raises:
            DataError: none can.
        """
        unseen = self.members[~self.record.seen[self.members]]
        for start in range(0, len(unseen), _PART):
            part = decoded(self.source, self.view, 0, 0, unseen[start : start + _PART])
            self.record.add(part.members, part.bad)
        good = ~np.isin(self.members, list(self.record.bad))
        if not good.any():
            raise DataError(f"{self.name}: none of {len(self)} pictures can be read.", "Replace the pictures.")
        return self if good.all() else self.subset(good)

    @property
    def bad(self) -> tuple[str, ...]:
        """What is wrong with those that are known to be unreadable, in their order."""
        return tuple(self.record.bad[index] for index in sorted(set(self.record.bad) & set(self.members.tolist())))

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The order in which an epoch visits these pictures: positions in the source, int64 (N,)."""
        whole = self.source.order(seed, epoch)
        if len(whole) == len(self.members):
            return whole
        wanted = np.zeros(len(whole), bool)
        wanted[self.members] = True
        return whole[wanted[whole]]

    def fingerprint(self) -> str:
        """SHA-256 over names, labels, sizes of files and which of them are in this set: nothing is decoded for it."""
        members = self.members.astype("<i8").tobytes()
        return hashlib.sha256(self.source.fingerprint().encode() + members).hexdigest()


def streamed(source: Source, view: CentreCrop, workers: int = 0) -> StreamedSet:
    """All pictures of a source as a set.

    Raises:
        DataError: there are fewer than two classes.
    """
    members = np.arange(len(source.labels))
    return StreamedSet(
        _lazy(source, members, view),
        source.labels,
        source.classes,
        source.name,
        source=source,
        members=members,
        view=view,
        workers=workers,
        record=Record(len(members)),
    )


def _lazy(source: Source, members: NDArray[np.int64], view: CentreCrop) -> NDArray[np.uint8]:
    # It has of an array what the users of an ImageSet ask for.
    return cast("NDArray[np.uint8]", LazyImages(source, members, view))
