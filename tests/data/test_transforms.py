"""Order and augmentation: against a plain-integer implementation, hand-made cases and statistics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firebit.data.transforms import (
    COLUMN,
    FLIP,
    ORDER,
    ROW,
    Augmentation,
    epoch_order,
    random_words,
    to_float,
    uniforms,
)
from firebit.errors import UsageError

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


def finalise(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def word(seed: int, epoch: int, index: int, stream: int) -> int:
    """The definition in the docstring, in unbounded integers."""
    key = finalise((seed + GAMMA) & MASK)
    key = finalise((key + GAMMA * (epoch + 1)) & MASK)
    key = finalise((key + GAMMA * (stream + 1)) & MASK)
    return finalise((key + GAMMA * (index + 1)) & MASK)


def pictures(count: int, channels: int = 3, height: int = 6, width: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (count, channels, height, width), dtype=np.uint8)


def test_finaliser_is_that_of_splitmix64() -> None:
    # The published first outputs of SplitMix64 started at 1234567.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [finalise((1234567 + GAMMA * (n + 1)) & MASK) for n in range(4)] == published


@given(
    st.integers(0, MASK), st.integers(0, MASK), st.lists(st.integers(0, 2**63 - 1), max_size=4), st.integers(0, 1000)
)
def test_words_follow_their_definition(seed: int, epoch: int, indices: list[int], stream: int) -> None:
    words = random_words(seed, epoch, np.array(indices, np.int64), stream)
    assert words.dtype == np.uint64
    assert words.tolist() == [word(seed, epoch, index, stream) for index in indices]


def test_words_never_change() -> None:
    """Runs made with an older version must stay repeatable: values of the plain-integer definition, written down."""
    words = [0x2130748AAAC80268, 0x0CC78FB979CE5090, 0xAB9AA3DAFBA6B4AC]
    assert random_words(0, 0, np.arange(3), 0).tolist() == words
    assert int(random_words(2015, 3, np.array([59999]), 4)[0]) == 0x8C1A37924A630501


def test_words_look_random() -> None:
    count = 20000
    words = random_words(7, 3, np.arange(count), ORDER)
    assert len(set(words.tolist())) == count
    bits = np.unpackbits(words.view(np.uint8).reshape(count, 8), axis=1)
    # Five standard deviations of a fair coin thrown 20,000 times.
    assert np.abs(bits.mean(0) - 0.5).max() < 5 * 0.5 / count**0.5
    for other in (random_words(8, 3, np.arange(count), ORDER), random_words(7, 4, np.arange(count), ORDER),
                  random_words(7, 3, np.arange(count), FLIP), np.roll(words, 1)):  # fmt: skip
        differing = np.bitwise_count(words ^ other).mean()
        assert abs(differing - 32) < 5 * 4 / count**0.5


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, 0, np.arange(2), 0),
        (2**64, 0, np.arange(2), 0),
        (0, -1, np.arange(2), 0),
        (0, 0, np.array([-1]), 0),
        (0, 0, np.array([0.5]), 0),
    ],
)
def test_words_refuse_what_does_not_fit(arguments: tuple[int, int, np.ndarray, int]) -> None:
    with pytest.raises(UsageError):
        random_words(*arguments)


@given(st.integers(0, 300), st.integers(0, MASK), st.integers(0, 10**6))
def test_order_is_a_permutation(count: int, seed: int, epoch: int) -> None:
    order = epoch_order(count, seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(count))
    assert order.tolist() == sorted(range(count), key=lambda index: word(seed, epoch, index, ORDER))


def test_order_differs_between_epochs_and_seeds() -> None:
    orders = {epoch_order(50, seed, epoch).tobytes() for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
    with pytest.raises(UsageError):
        epoch_order(-1, 0, 0)


def test_augmentation_against_one_picture_at_a_time() -> None:
    """The definition, written with loops and plain integers."""
    images, indices = pictures(40), np.arange(100, 140)
    result = Augmentation(flip=True, crop=2)(images, 5, 9, indices)
    for image, index, actual in zip(images, indices.tolist(), result, strict=True):
        top = ((word(5, 9, index, ROW) >> 32) * 5) >> 32
        left = ((word(5, 9, index, COLUMN) >> 32) * 5) >> 32
        expected = np.zeros_like(image)
        for row in range(6):
            for column in range(5):
                y, x = row + top - 2, column + left - 2
                if 0 <= y < 6 and 0 <= x < 5:
                    expected[:, row, column] = image[:, y, x]
        if word(5, 9, index, FLIP) >> 63:
            expected = expected[:, :, ::-1]
        np.testing.assert_array_equal(actual, expected)


@given(st.permutations(range(12)), st.integers(1, 12), st.booleans(), st.integers(0, 3))
@settings(max_examples=50)
def test_augmentation_does_not_depend_on_the_batch(order: list[int], size: int, flip: bool, crop: int) -> None:
    images, augment = pictures(12, channels=1), Augmentation(flip, crop)
    before = images.copy()
    whole = augment(images, 1, 2, np.arange(12))
    for start in range(0, 12, size):
        chosen = np.array(order[start : start + size])
        np.testing.assert_array_equal(augment(images[chosen], 1, 2, chosen), whole[chosen])
    np.testing.assert_array_equal(images, before)
    assert whole.dtype == np.uint8
    assert whole.shape == images.shape


def test_augmentation_draws_evenly() -> None:
    """Every place of the window and both directions come up as often as they should, independently."""
    count = 18000
    image = np.zeros((1, 1, 3, 3), np.uint8)
    image[0, 0, 1, 1], image[0, 0, 1, 2] = 1, 2
    result = Augmentation(flip=True, crop=1)(np.repeat(image, count, 0), 0, 0, np.arange(count))
    outcomes, counts = np.unique(result.reshape(count, 9), axis=0, return_counts=True)
    assert len(outcomes) == 18
    assert np.abs(counts - 1000).max() < 5 * 1000**0.5


def test_augmentation_of_nothing_and_nothing_to_do() -> None:
    images = pictures(3)
    assert Augmentation()(images, 0, 0, np.arange(3)) is images
    assert Augmentation(True, 4)(images[:0], 0, 0, np.arange(0)).shape == (0, 3, 6, 5)


def test_augmentation_refuses_bad_arguments() -> None:
    with pytest.raises(UsageError, match="crop=-1"):
        Augmentation(crop=-1)
    with pytest.raises(UsageError, match="do not fit"):
        Augmentation(flip=True)(pictures(3), 0, 0, np.arange(2))
    with pytest.raises(UsageError, match="float32"):
        Augmentation(flip=True)(pictures(3).astype(np.float32), 0, 0, np.arange(3))


def test_uniform_numbers_are_the_upper_bits_of_words() -> None:
    words = random_words(7, 3, np.arange(1000), COLUMN)
    found = uniforms(7, 3, np.arange(1000), COLUMN)
    assert [int(number * 2**53) for number in found] == [int(word) >> 11 for word in words]
    assert found.dtype == np.float64 and found.min() >= 0 and found.max() < 1


def test_to_float_by_hand() -> None:
    images = np.array([0, 51, 255, 1], np.uint8).reshape(1, 2, 1, 2)
    plain = to_float(images)
    assert plain.dtype == np.float32
    np.testing.assert_array_equal(plain.ravel(), np.array([0, 0.2, 1, 1 / 255], np.float32))
    scaled = to_float(images, (0.5, 1.0), (0.25, 2.0))
    np.testing.assert_allclose(scaled.ravel(), [-2.0, -1.2, 0.0, (1 / 255 - 1) / 2], rtol=1e-6, atol=1e-7)


def test_to_float_is_exactly_rounded_and_contiguous() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    exact = (np.arange(256) / 255.0).astype(np.float32)
    np.testing.assert_array_equal(to_float(values).ravel(), exact)
    assert to_float(pictures(2).transpose(0, 1, 3, 2)).flags.c_contiguous


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.5,), None), (None, (1.0,)), (None, (1.0, 0.0, 1.0)), ((float("nan"), 0, 0), None), (None, (1, -1, 1))],
)
def test_to_float_refuses_statistics_that_do_not_fit(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="3 channels"):
        to_float(pictures(1), mean, std)


def test_to_float_refuses_floats() -> None:
    with pytest.raises(UsageError):
        to_float(np.zeros((1, 1, 2, 2), np.float32))  # type: ignore[arg-type]
