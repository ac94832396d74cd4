"""Order and augmentation of pictures as pure functions of (seed, epoch, index).

Nothing here has a state. A picture is changed in the same way whatever batch, worker or process it is drawn in, so a
run that was interrupted continues with the very same pictures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from firebit.errors import UsageError

Words = NDArray[np.uint64]
Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]

# What a stream of random words decides. Numbers are never given a new meaning: runs must stay repeatable.
ORDER, FLIP, ROW, COLUMN, HELD_OUT, SHARD, BUFFER, AREA, ASPECT = range(9)

_WORD = 2**64
_GAMMA = 0x9E3779B97F4A7C15
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def _mix(words: Words) -> Words:
    """The finaliser of SplitMix64: a bijection of 64-bit words that spreads every bit over all others."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_MULTIPLIERS[0])
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_MULTIPLIERS[1])
    return words ^ (words >> np.uint64(31))


def random_words(seed: int, epoch: int, indices: Indices, stream: int) -> Words:
    """One random 64-bit word for every index: a hash of (seed, epoch, stream, index), counter-based.

    With m the finaliser of SplitMix64 and γ = 0x9E3779B97F4A7C15, all modulo 2⁶⁴:
    key = m(m(m(seed + γ) + γ·(epoch + 1)) + γ·(stream + 1)), word = m(key + γ·(index + 1)). The words of indices
    0, 1, 2 … are therefore the outputs of SplitMix64 (Steele, Lea, Flood 2014) started at `key`.

    Args:
        seed: 0 … 2⁶⁴ − 1.
        epoch: 0 … 2⁶⁴ − 1.
        indices: whole numbers ≥ 0, any shape.
        stream: what the words are for; words of different streams are independent.

    Returns:
        uint64 words, of the shape of `indices`.

    Raises:
        UsageError: a number is negative or does not fit 64 bits, or `indices` are not whole numbers.
    """
    for name, value in (("seed", seed), ("epoch", epoch), ("stream", stream)):
        if not 0 <= value < _WORD:
            raise UsageError(f"{name}={value} does not fit 64 bits.", "Give a whole number from 0 to 2**64 - 1.")
    positions = np.asarray(indices)
    if positions.dtype.kind not in "iu" or (positions.size and positions.min() < 0):
        raise UsageError(
            f"indices of dtype {positions.dtype} are not all whole numbers from 0.",
            "Give the positions of the pictures in the data set.",
        )
    key = np.zeros(1, np.uint64)
    for value in (seed + _GAMMA, _GAMMA * (epoch + 1), _GAMMA * (stream + 1)):
        key = _mix(key + np.uint64(value % _WORD))
    return _mix(key[0] + np.uint64(_GAMMA) * (positions.astype(np.uint64) + np.uint64(1)))


def _draws(seed: int, epoch: int, indices: Indices, stream: int, sides: int) -> NDArray[np.int64]:
    """Whole numbers 0 … sides − 1, every one equally likely up to 2⁻³²."""
    high = random_words(seed, epoch, indices, stream) >> np.uint64(32)
    return ((high * np.uint64(sides)) >> np.uint64(32)).astype(np.int64)


def uniforms(seed: int, epoch: int, indices: Indices, stream: int) -> NDArray[np.float64]:
    """One number in [0, 1) for every index, a multiple of 2⁻⁵³: the upper bits of :func:`random_words`."""
    words = random_words(seed, epoch, indices, stream)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def epoch_order(count: int, seed: int, epoch: int) -> Indices:
    """The order in which an epoch visits `count` pictures.

    Args:
        count: number of pictures, ≥ 0.
        seed: 0 … 2⁶⁴ − 1.
        epoch: 0 … 2⁶⁴ − 1.

    Returns:
        int64 (count,), a permutation of 0 … count − 1.

    Raises:
        UsageError: a number is negative or does not fit 64 bits.
    """
    if count < 0:
        raise UsageError(f"count={count} is not a number of pictures.", "Give a whole number from 0.")
    words = random_words(seed, epoch, np.arange(count), ORDER)
    return np.argsort(words, kind="stable").astype(np.int64)


@dataclass(frozen=True)
class Augmentation:
    """Random flips and shifts of pictures, decided by (seed, epoch, index) alone.

    Args:
        flip: mirror left and right with probability ½.
        crop: pixels of padding (value 0) put around a picture before a window of its own size is cut out at a random
            place; every one of the (2·crop + 1)² places is equally likely. 0 cuts nothing.

    Raises:
        UsageError: `crop` is negative.

    Example:
        >>> Augmentation(flip=True, crop=4)(images, seed=0, epoch=3, indices=order[:128])
    """

    flip: bool = False
    crop: int = 0

    def __post_init__(self) -> None:
        if self.crop < 0:
            raise UsageError(f"crop={self.crop} is not a number of pixels.", "Give 0 for none, or 4 for CIFAR.")

    def __call__(self, images: Pixels, seed: int, epoch: int, indices: Indices) -> Pixels:
        """Augment a batch.

        Args:
            images: uint8 (B, C, H, W); never written to.
            seed: 0 … 2⁶⁴ − 1.
            epoch: 0 … 2⁶⁴ − 1.
            indices: int64 (B,), the position of every picture in its data set.

        Returns:
            uint8 (B, C, H, W). With nothing to do, `images` itself.

        Raises:
            UsageError: `images` and `indices` do not fit each other.
        """
        if images.ndim != 4 or images.dtype != np.uint8 or np.shape(indices) != images.shape[:1]:
            raise UsageError(
                f"images {images.dtype} {images.shape} and indices {np.shape(indices)} do not fit each other.",
                "Give uint8 pictures (B, C, H, W) and one index for each of them.",
            )
        if self.crop:
            images = self._shifted(images, seed, epoch, indices)
        if self.flip:
            mirrored = _draws(seed, epoch, indices, FLIP, 2).astype(bool)
            images = np.where(mirrored[:, None, None, None], images[..., ::-1], images)
        return images

    def _shifted(self, images: Pixels, seed: int, epoch: int, indices: Indices) -> Pixels:
        edge = (self.crop, self.crop)
        padded = np.pad(images, ((0, 0), (0, 0), edge, edge))
        windows = sliding_window_view(padded, images.shape[2:], axis=(2, 3))
        top = _draws(seed, epoch, indices, ROW, 2 * self.crop + 1)
        left = _draws(seed, epoch, indices, COLUMN, 2 * self.crop + 1)
        cut: Pixels = windows[np.arange(len(images)), :, top, left]
        return cut


def to_float(
    images: Pixels, mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None
) -> NDArray[np.float32]:
    """Pixels as a network sees them: x/255, and with statistics (x/255 − mean)/std per channel.

    Args:
        images: uint8 (B, C, H, W).
        mean: C numbers in units of x/255, or None for 0.
        std: C numbers above 0 in units of x/255, or None for 1.

    Returns:
        float32 (B, C, H, W), C-contiguous. Without statistics in [0, 1].

    Raises:
        UsageError: the pictures are no uint8 (B, C, H, W), or the statistics do not fit their channels.
    """
    if images.ndim != 4 or images.dtype != np.uint8:
        raise UsageError(
            f"images {images.dtype} {images.shape} are no pictures.", "Give uint8 pictures of shape (B, C, H, W)."
        )
    result = np.empty(images.shape, np.float32)
    np.divide(images, np.float32(255), out=result)
    if mean is not None:
        result -= _per_channel("mean", mean, images)
    if std is not None:
        result /= _per_channel("std", std, images)
    return result


def _per_channel(name: str, values: tuple[float, ...], images: Pixels) -> NDArray[np.float32]:
    numbers = np.asarray(values, np.float32)
    channels = images.shape[1]
    wrong = numbers.shape != (channels,) or not np.isfinite(numbers).all()
    if wrong or (name == "std" and not (numbers > 0).all()):
        raise UsageError(
            f"{name}={values} does not fit pictures of {channels} channels.",
            f"Give {channels} finite numbers" + (" above 0." if name == "std" else "."),
        )
    return numbers.reshape(1, channels, 1, 1)
