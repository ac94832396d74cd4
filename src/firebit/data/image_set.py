"""A labelled set of pictures in memory, and how to hold some of them out."""

import hashlib
import json
import sys
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firebit.data.transforms import HELD_OUT, random_words
from firebit.errors import DataError, UsageError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled pictures, checked when made.

    Args:
        images: uint8 (N, C, H, W), N ≥ 1, C 1 (grey) or 3 (RGB).
        labels: int64 (N,), 0 ≤ label < len(classes).
        classes: names of the classes, two or more, all different.
        name: what reports call the set, such as "mnist-train".
        skipped: pictures that were left out because they could not be read.

    Raises:
        DataError: the parts are not as described above.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    name: str
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for wrong, remedy in (
            (self._wrong_images(), "Give uint8 pictures of shape (N, C, H, W), N at least 1, C 1 or 3."),
            (self._wrong_classes(), "Give two or more classes, each with its own name."),
            (self._wrong_labels(), "Give one int64 label for each picture, from 0 to the number of classes - 1."),
        ):
            if wrong:
                raise DataError(f"{self.name}: {wrong}", remedy)

    def _wrong_images(self) -> str | None:
        images = self.images
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or not images.size:
            return f"images of dtype {images.dtype} and shape {images.shape}."
        return None

    def _wrong_classes(self) -> str | None:
        if len(self.classes) < 2:
            return f"{len(self.classes)} class{'' if self.classes else 'es'}: there is nothing to tell apart."
        twice = sorted(name for name in set(self.classes) if self.classes.count(name) > 1)
        return f"two classes are called {twice[0]!r}." if twice else None

    def _wrong_labels(self) -> str | None:
        labels = self.labels
        if labels.dtype != np.int64 or labels.shape != self.images.shape[:1]:
            return f"labels of dtype {labels.dtype} and shape {labels.shape} for {len(self.images)} pictures."
        outside = np.flatnonzero((labels < 0) | (labels >= len(self.classes)))
        if outside.size:
            return f"label {labels[outside[0]]} of picture {outside[0]} is none of {len(self.classes)} classes."
        return None

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: ArrayLike) -> "ImageSet":
        """The pictures at `indices`, copied, in that order.

        Args:
            indices: whole numbers (M,), 0 ≤ index < N, or booleans (N,); at least one picture.

        Raises:
            UsageError: an index is out of range or nothing is chosen.
        """
        chosen = self._chosen(indices)
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def _chosen(self, indices: ArrayLike) -> NDArray[np.int64]:
        chosen = np.asarray(indices)
        if chosen.dtype == bool and chosen.shape == self.labels.shape:
            chosen = np.flatnonzero(chosen)
        whole = chosen.ndim == 1 and chosen.size and chosen.dtype.kind in "iu"
        if not whole or chosen.min() < 0 or chosen.max() >= len(self):
            raise UsageError(
                f"{self.name}: {chosen.dtype} indices {chosen.shape} do not choose among {len(self)} pictures.",
                f"Give one or more whole numbers from 0 to {len(self) - 1}.",
            )
        return chosen.astype(np.int64)

    def ordered(self, classes: tuple[str, ...]) -> "ImageSet":
        """The same pictures with their classes in another order, as a network may have them.

        Args:
            classes: the names of :attr:`classes`, in any order.

        Raises:
            DataError: they are others.
        """
        if classes == self.classes:
            return self
        if set(classes) != set(self.classes) or len(classes) != len(self.classes):
            raise DataError(f"{self.name} has other classes.", "Give pictures of the same classes.")
        moved = np.array([classes.index(name) for name in self.classes], np.int64)
        return self._relabelled(classes, moved)

    def _relabelled(self, classes: tuple[str, ...], moved: NDArray[np.int64]) -> "ImageSet":
        return replace(self, classes=classes, labels=moved[self.labels])

    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) over shape, classes, pixels and labels; the same on every machine."""
        header = json.dumps({"shape": self.images.shape, "classes": self.classes}).encode()
        digest = hashlib.sha256(b"firebit image set 1\n" + header + b"\n")
        digest.update(np.ascontiguousarray(self.images).data)
        labels = np.ascontiguousarray(self.labels)
        digest.update((labels if sys.byteorder == "little" else labels.byteswap()).data)
        return digest.hexdigest()


def held_out(labels: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which pictures a stratified split holds out.

    Of a class of n pictures, fraction·n are held out, rounded to the nearest number (half up); of every class with two
    or more at least one is held out and one kept. Which ones follows from (seed, position) alone.

    Args:
        labels: int64 (N,).
        fraction: share to hold out, above 0 and below 1.
        seed: 0 … 2⁶⁴ − 1.

    Returns:
        bool (N,), true where held out.

    Raises:
        UsageError: `fraction` or `seed` is out of range.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"fraction={fraction} is no share of a data set.", "Give a number above 0 and below 1.")
    words = random_words(seed, 0, np.arange(len(labels)), HELD_OUT)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(int(fraction * len(members) + 0.5), 1), len(members) - 1)
        chosen[members[np.argsort(words[members], kind="stable")[:count]]] = True
    return chosen


def split(data: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split a data set in two, class by class, always in the same way for the same seed.

    Args:
        data: what to split. Both parts keep its order.
        fraction: share of every class to hold out, above 0 and below 1 (:func:`held_out` says how it is rounded).
        seed: 0 … 2⁶⁴ − 1.

    Returns:
        (kept, held out), named `NAME/kept` and `NAME/held-out`.

    Raises:
        UsageError: `fraction` or `seed` is out of range.
        DataError: no class has two pictures, so that nothing can be held out.
    """
    chosen = held_out(data.labels, fraction, seed)
    if not chosen.any():
        raise DataError(
            f"{data.name}: no class has two pictures, so none can be held out.", "Give more pictures for each class."
        )
    kept, held = data.subset(~chosen), data.subset(chosen)
    return replace(kept, name=f"{data.name}/kept"), replace(held, name=f"{data.name}/held-out")
