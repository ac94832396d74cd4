"""Networks at work: answers worked out by hand or in plain Python, and pictures that arrive in every way."""

import io
import math
import re
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

import firebit
from firebit.data.folder import read
from firebit.engine.network import CONSTANT_MARGIN, Network
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.term import Term
from firebit.errors import DataError, ModelFileError, UsageError

WEIGHTS = [[1, 2, 3, 4], [1, -1, 0, 0], [0, 0, 0, 7], [-1, -1, -1, -1]]
THRESHOLDS, DIRECTIONS = [20, -3, 5, -10], [1, -1, 0, 1]
VOTES, SCALE, BIAS = [[1, 2, 0, -1], [0, 1, 1, 3]], 0.5, [0.25, -0.75]


def linear(votes: bool = True, shape: tuple[int, ...] = (1, 2, 2), classes: tuple[str, ...] = ()) -> Plan:
    """Four units that see every pixel: one that fires from 20 on, one up to −3, one always, one from −10 on."""
    step = (np.array([THRESHOLDS], np.int32), np.array(DIRECTIONS, np.int8))
    logits = Logits("out", (Term("fire", np.array(VOTES, np.int16)),), SCALE, np.array(BIAS))
    layer = Layer("fire", (Term("input", np.array(WEIGHTS, np.int16)),), *step)
    return Plan(Input(shape), (layer,), logits if votes else None, classes)


def pooled() -> Plan:
    """A convolution of two channels, summed over windows of 4, 2 and 1 cells; its bits pooled; a linear layer."""
    weights = np.array([[[[1, -2]]], [[[-3, 1]]]], np.int16)
    pool = Pool("sum", (2, 2), (2, 2), ceil=True)
    term = Term("input", weights, padding=(0, 0, 0, 1), pool=pool)
    # Windows of 1, 2 and 4 cells.
    threshold = np.array([[1, 0], [5, -10], [-20, 7]], np.int32)
    first = Layer("conv", (term,), threshold, np.array([1, -1], np.int8), post=Pool("max", (2, 2), (1, 1)))
    last = Layer("code", (Term("conv", np.array([[1, -1]], np.int16)),), np.array([[0]], np.int32), np.int8([1]))
    return Plan(Input((1, 3, 3), (9,)), (first, last))


def picture_plan(channels: int, height: int, width: int) -> Plan:
    """A network of that input, whose only unit fires where the first pixel is at least 128."""
    weights = np.zeros((1, channels * height * width), np.int16)
    weights[0, 0] = 1
    layer = Layer("first", (Term("input", weights),), np.array([[128]], np.int32), np.array([1], np.int8))
    return Plan(Input((channels, height, width)), (layer,))


def sums(pixels: list[int]) -> list[int]:
    return [sum(w * x for w, x in zip(row, pixels, strict=True)) for row in WEIGHTS]


def bits(pixels: list[int]) -> list[int]:
    fires = {1: lambda s, t: s >= t, -1: lambda s, t: s <= t, 0: lambda s, t: True}
    return [int(fires[d](s, t)) for s, t, d in zip(sums(pixels), THRESHOLDS, DIRECTIONS, strict=True)]


def logits(pixels: list[int]) -> list[float]:
    return [
        SCALE * sum(v * bit for v, bit in zip(row, bits(pixels), strict=True)) + b
        for row, b in zip(VOTES, BIAS, strict=True)
    ]


def test_one_picture_by_hand() -> None:
    """Sums 1·1 + 2·4 + 3·1 + 4·2 = 20, 1 − 4 = −3, 7·2 = 14 and −8: all four units fire, two of them just so."""
    net = Network(linear())
    image = np.array([[1, 4], [1, 2]], np.uint8)
    assert net.bits(image).tolist() == [[1, 1, 1, 1]]
    assert net.codes(image).tolist() == [[0b1111]]
    assert net.margins(image).tolist() == [[0, 0, CONSTANT_MARGIN, 2]]
    # 0.5 · (1 + 2 + 0 − 1) + 0.25 and 0.5 · (0 + 1 + 1 + 3) − 0.75.
    assert net.logits(image).tolist() == [[1.25, 1.75]]
    assert net.predict(image).tolist() == [1]
    assert net.probabilities(image)[0, 1] == pytest.approx(1 / (1 + math.exp(-0.5)), rel=1e-15)


@given(arrays(np.uint8, st.tuples(st.integers(0, 7), st.just(1), st.just(2), st.just(2)), elements=st.integers(0, 9)))
def test_many_pictures_against_plain_python(images: np.ndarray) -> None:
    net = Network(linear())
    rows: list[list[int]] = images.reshape(len(images), 4).tolist() if len(images) else []
    assert net.bits(images).tolist() == [bits(row) for row in rows]
    assert net.codes(images).tolist() == [[sum(bit << i for i, bit in enumerate(bits(row)))] for row in rows]
    assert net.logits(images).tolist() == [logits(row) for row in rows]
    assert net.predict(images).tolist() == [int(logits(row)[1] > logits(row)[0]) for row in rows]
    distances = net.margins(images, "fire")
    assert np.array_equal(distances >= 0, net.bits(images, "fire") == 1)
    assert distances[:, 0].tolist() == [sums(row)[0] - 20 for row in rows]
    assert distances[:, 1].tolist() == [-3 - sums(row)[1] for row in rows]


def window_sums(image: list[list[int]], channel: list[int]) -> list[list[tuple[int, int]]]:
    """Sum and cells of each window, in plain Python: kernel (1, 2), one column of nines to the right of the picture."""
    wide = [[*row, 9] for row in image]
    cells = [[channel[0] * row[x] + channel[1] * row[x + 1] for x in range(3)] for row in wide]
    found = []
    for top in (0, 2):
        inside = [
            [cells[y][x] for y in range(top, min(top + 2, 3)) for x in range(left, min(left + 2, 3))] for left in (0, 2)
        ]
        found.append([(sum(window), len(window)) for window in inside])
    return found


@given(arrays(np.uint8, (1, 3, 3), elements=st.integers(0, 9)))
def test_units_of_a_pooled_convolution(image: np.ndarray) -> None:
    """Codes and margins are those of the bits before the post-pooling, with the threshold of each window's size."""
    net, rows = Network(pooled()), image[0].astype(int).tolist()
    at = ({1: 1, 2: 5, 4: -20}, {1: 0, 2: -10, 4: 7})
    first = [s - at[0][n] for row in window_sums(rows, [1, -2]) for s, n in row]
    second = [at[1][n] - s for row in window_sums(rows, [-3, 1]) for s, n in row]
    expected = first + second
    assert net.units("conv") == (2, 2, 2)
    assert net.margins(image, "conv").reshape(1, 8).tolist() == [expected]
    assert net.margins(image, "conv", units=[7, 0, 7]).tolist() == [[expected[7], expected[0], expected[7]]]
    fires = [int(value >= 0) for value in expected]
    assert net.bits(image, "conv").reshape(1, 8).tolist() == [fires]
    assert net.codes(image, "conv").tolist() == [[sum(bit << i for i, bit in enumerate(fires))]]
    # The only cell of each pooled channel is the OR of its four bits; the last unit fires from 0 on.
    assert net.bits(image).tolist() == [[int(max(fires[:4]) - max(fires[4:]) >= 0)]]


def test_bits_are_packed_little_endian_with_zeros_behind() -> None:
    weights = np.eye(11, dtype=np.int16)
    layer = Layer("eye", (Term("input", weights),), np.ones((1, 11), np.int32), np.ones(11, np.int8))
    net = Network(Plan(Input((11,)), (layer,)))
    vector = np.array([1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], np.uint8)
    assert net.codes(vector).tolist() == [[0b00000001, 0b00000110]]
    assert net.codes(vector[None].repeat(3, 0)).shape == (3, 2)


def test_margins_beyond_int32() -> None:
    weights = np.array([[32767] * 257], np.int16)
    bound = 32767 * 257 * 255
    layer = Layer("far", (Term("input", weights),), np.array([[-bound]], np.int32), np.array([1], np.int8))
    net = Network(Plan(Input((257,)), (layer,)))
    assert net.margins(np.full(257, 255, np.uint8)).tolist() == [[2 * bound]]
    assert 2 * bound > CONSTANT_MARGIN


def test_equal_logits_go_to_the_smaller_index() -> None:
    plan = linear()
    assert plan.logits is not None
    tie = Logits("out", plan.logits.terms, 1e-3, np.zeros(2))
    net = Network(Plan(plan.input, plan.layers, tie))
    # Only the constant unit and the last fire: votes −1 and 4; nothing but units 1 and 2: votes 2 and 2.
    image = np.array([[0, 5], [2, 4]], np.uint8)
    assert net.bits(image).tolist() == [[1, 1, 1, 0]]
    assert net.predict(np.array([[1, 5], [0, 0]], np.uint8)).tolist() == [1]
    assert net.predict(np.array([[0, 5], [6, 0]], np.uint8)).tolist() == [0]
    both = Logits("out", (Term("fire", np.zeros((2, 4), np.int16)),), 1.0, np.array([3.0, 3.0]))
    assert Network(Plan(plan.input, plan.layers, both)).predict(image).tolist() == [0]


def test_probabilities_of_large_logits_are_stable() -> None:
    plan = linear()
    assert plan.logits is not None
    large = Logits("out", plan.logits.terms, 1e6, np.array([1e300, -1e300]))
    found = Network(Plan(plan.input, plan.layers, large)).probabilities(np.zeros((2, 1, 2, 2), np.uint8))
    assert found.tolist() == [[1.0, 0.0]] * 2


def test_logits_that_overflow_are_no_plan() -> None:
    plan = linear()
    assert plan.logits is not None
    with pytest.raises(ModelFileError, match="'out': its logits reach"):
        Plan(plan.input, plan.layers, Logits("out", plan.logits.terms, 1e308, np.array([1.7e308, 0])))


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 100, np.int64(4)])
@pytest.mark.parametrize("plan", [linear(), pooled()], ids=["linear", "pooled"])
def test_results_do_not_depend_on_the_batch(plan: Plan, batch: int) -> None:
    net = Network(plan)
    images = np.random.default_rng(0).integers(0, 10, (7, *net.input_shape), np.uint8)
    methods = [net.bits, net.codes, net.margins]
    methods += [] if net.is_encoder else [net.logits, net.probabilities, net.predict]
    for method in methods:
        whole, parts = method(images), method(images, batch=batch)
        assert whole.dtype == parts.dtype
        assert np.array_equal(whole, parts)
        single = np.concatenate([method(image) for image in images])
        assert np.array_equal(whole, single)


@pytest.mark.parametrize("batch", [0, -1, 2.0, "8", True])
def test_batches_that_are_none(batch: Any) -> None:
    with pytest.raises(UsageError, match="batch="):
        Network(linear()).predict(np.zeros((1, 1, 2, 2), np.uint8), batch=batch)


def test_memory_stays_bounded() -> None:
    """Of 32 channels of 64 × 64, 3,000 pictures would take 1.6 GB of sums at once."""
    weights = np.ones((32, 1, 1, 1), np.int16)
    layer = Layer("wide", (Term("input", weights),), np.ones((1, 32), np.int32), np.ones(32, np.int8))
    net = Network(Plan(Input((1, 64, 64)), (layer,)))
    images = np.zeros((3000, 1, 64, 64), np.uint8)
    tracemalloc.start()
    found = net.margins(images, units=[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == (3000, 1)
    assert peak < 300e6


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 1, 2, 2), np.uint8), np.zeros((0, 2, 2), np.uint8)])
def test_no_pictures_give_empty_results(nothing: Any) -> None:
    net = Network(linear())
    for found, shape, kind in (
        (net.logits(nothing), (0, 2), np.float64),
        (net.probabilities(nothing), (0, 2), np.float64),
        (net.predict(nothing), (0,), np.int64),
        (net.bits(nothing), (0, 4), np.uint8),
        (net.codes(nothing), (0, 1), np.uint8),
        (net.margins(nothing), (0, 4), np.int64),
        (net.margins(nothing, units=[1]), (0, 1), np.int64),
        (net.pixels(nothing), (0, 1, 2, 2), np.uint8),
    ):
        assert (found.shape, found.dtype) == (shape, kind)


def test_what_a_network_says_of_itself() -> None:
    plan = linear(classes=("cat", "dog"))
    net = Network(plan)
    assert (net.plan, net.layers, net.classes, net.input_shape) == (plan, ("fire",), ("cat", "dog"), (1, 2, 2))
    assert net.fingerprint == plan.fingerprint
    assert repr(net) == f"<Network 1×2×2 → 1 layer of 4 bits → 2 classes, {plan.fingerprint[:12]}>"
    coder = Network(pooled())
    assert coder.layers == ("conv", "code")
    assert repr(coder) == f"<Network 1×3×3 → 2 layers of 9 bits → encoder, {coder.fingerprint[:12]}>"
    assert (net.is_encoder, coder.is_encoder, coder.classes) == (False, True, ())


def test_an_encoder_gives_codes_and_no_classes() -> None:
    net = Network(linear(votes=False))
    image = np.array([[1, 4], [1, 2]], np.uint8)
    assert net.codes(image).tolist() == [[0b1111]]
    for method in (net.predict, net.logits, net.probabilities):
        with pytest.raises(UsageError, match="is an encoder") as caught:
            method(image)
        assert "codes(images)" in caught.value.remedy


@pytest.mark.parametrize("name", ["fir", "out", "input", "", 3])
def test_layers_that_are_not_there(name: Any) -> None:
    net = Network(linear())
    for method in (net.bits, net.codes, net.margins):
        with pytest.raises(UsageError, match="no hidden layer") as caught:
            method(np.zeros((2, 2), np.uint8), name)
        assert "Choose one of: fire." in caught.value.remedy


@pytest.mark.parametrize("units", [[4], [-1], [0.0], [True], [[0]], 2, "1", [2**70]])
def test_units_that_are_not_there(units: Any) -> None:
    with pytest.raises(UsageError, match="do not choose among the 4 of layer 'fire'"):
        Network(linear()).margins(np.zeros((2, 2), np.uint8), units=units)


def test_no_units_give_no_margins() -> None:
    assert Network(linear()).margins(np.zeros((3, 2, 2), np.uint8), units=[]).shape == (3, 0)


@pytest.mark.parametrize(
    ("shape", "given", "count"),
    [
        ((1, 4, 5), (2, 1, 4, 5), 2),
        ((1, 4, 5), (2, 4, 5), 2),
        ((1, 4, 5), (1, 4, 5), 1),
        ((1, 4, 5), (4, 5), 1),
        ((1, 4, 4), (4, 4, 4), 4),
        ((3, 4, 5), (2, 3, 4, 5), 2),
        ((3, 4, 5), (3, 4, 5), 1),
        ((3, 3, 3), (3, 3, 3), 1),
        ((20,), (2, 20), 2),
        ((20,), (20,), 1),
        ((5, 2, 2), (3, 5, 2, 2), 3),
    ],
)
def test_arrays_are_taken_as_they_are(shape: tuple[int, ...], given: tuple[int, ...], count: int) -> None:
    weights = np.ones((1, math.prod(shape)), np.int16)
    layer = Layer("sum", (Term("input", weights),), np.array([[0]], np.int32), np.array([1], np.int8))
    net = Network(Plan(Input(shape), (layer,)))
    images = np.random.default_rng(0).integers(0, 256, given, np.uint8)
    found = net.margins(images)
    assert net.pixels(images).tobytes() == images.tobytes()
    assert found.tolist() == images.astype(int).reshape(count, -1).sum(1, keepdims=True).tolist()


@pytest.mark.parametrize(
    ("shape", "given"),
    [
        ((1, 4, 5), (2, 1, 5, 4)),
        ((1, 4, 5), (5, 4)),
        ((1, 4, 5), (20,)),
        ((1, 4, 5), ()),
        ((1, 4, 5), (0,)),
        ((3, 4, 5), (4, 5)),
        ((3, 4, 5), (2, 4, 5)),
        ((3, 4, 5), (4, 5, 3)),
        ((3, 4, 5), (1, 4, 5, 3)),
        ((3, 4, 5), (1, 1, 3, 4, 5)),
    ],
)
def test_wrong_shapes_are_named(shape: tuple[int, int, int], given: tuple[int, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        Network(picture_plan(*shape)).codes(np.zeros(given, np.uint8))
    assert str(given) in caught.value.problem
    assert str(shape) in caught.value.problem
    assert "\n" not in caught.value.problem + caught.value.remedy


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint16, np.int8, bool, object])
@pytest.mark.parametrize("in_list", [False, True])
def test_pixels_are_uint8(kind: Any, in_list: bool) -> None:
    image = np.zeros((4, 5), kind)
    with pytest.raises(UsageError, match=r"they must be uint8, 0…255") as caught:
        Network(picture_plan(1, 4, 5)).codes([image] if in_list else image)
    assert str(np.dtype(kind)) in caught.value.problem
    assert ("multiply them by 255 if they are 0…1" in caught.value.remedy) == (np.dtype(kind).kind == "f")
    assert ("divide them by 257" in caught.value.remedy) == (kind is np.uint16)


@pytest.mark.parametrize("given", [(1, 4, 5), (4, 5, 2), (4, 5, 1), (0, 5), (5,), (1, 4, 5, 3)])
def test_arrays_in_a_list_have_their_channels_last(given: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"images\[1\] has the shape"):
        Network(picture_plan(1, 4, 5)).codes([np.zeros((4, 5), np.uint8), np.zeros(given, np.uint8)])


@pytest.mark.parametrize("wrong", [3, None, b"a.png", {1: 2}, object(), iter([])])
def test_what_is_no_picture(wrong: Any) -> None:
    net = Network(picture_plan(1, 4, 5))
    for images in (wrong, [wrong]):
        with pytest.raises(UsageError, match="of type") as caught:
            net.codes(images)
        assert "Give a uint8 array" in caught.value.remedy


def test_pictures_of_floating_point_are_refused() -> None:
    with pytest.raises(UsageError, match="mode F"):
        Network(picture_plan(1, 4, 5)).codes(Image.fromarray(np.zeros((4, 5), np.float32)))


@pytest.mark.parametrize("shape", [(20,), (2, 4, 5)])
def test_networks_that_see_no_pictures(shape: tuple[int, ...], tmp_path: Path) -> None:
    weights = np.ones((1, math.prod(shape)), np.int16)
    layer = Layer("sum", (Term("input", weights),), np.array([[0]], np.int32), np.array([1], np.int8))
    with pytest.raises(UsageError, match="which no picture has"):
        Network(Plan(Input(shape), (layer,))).codes(tmp_path / "a.png")


def test_pictures_that_cannot_be_read(tmp_path: Path) -> None:
    net = Network(picture_plan(1, 4, 5))
    (tmp_path / "text.png").write_text("no picture")
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50), np.uint8)).save(content, "PNG")
    torn = Image.open(io.BytesIO(content.getvalue()[:1000]))
    closed = Image.new("L", (4, 4))
    closed.close()
    for wrong, name in (
        (tmp_path / "none.png", r"Cannot read .*none\.png: No such file"),
        (tmp_path / "text.png", r"text\.png"),
        (tmp_path, "Is a directory"),
        ("a\0b.png", "Not a whole"),
        (torn, r"images\[0\] cannot be decoded"),
        (closed, r"images\[0\] cannot be decoded"),
    ):
        with pytest.raises(DataError, match=name) as caught:
            net.codes(wrong)
        assert "\n" not in caught.value.problem
        assert "on_bad_image" not in caught.value.remedy


NOISE = np.random.default_rng(1).integers(0, 256, (64, 64, 4), np.uint8)


def stored(mode: str, width: int, height: int) -> Image.Image:
    """A picture of noise in one of the modes of PNG and JPEG."""
    pixels = NOISE[:height, :width]
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257 + pixels[..., 1] // 2)
    if mode == "P with transparency":
        image = Image.fromarray(pixels[..., :3].copy()).quantize(16)
        image.info["transparency"] = bytes(range(0, 160, 10))
        return image
    image = Image.fromarray(pixels.copy())
    if mode == "LA":
        return Image.fromarray(np.ascontiguousarray(pixels[..., :2]))
    return image if mode == "RGBA" else image.convert("RGB").quantize(16) if mode == "P" else image.convert(mode)


GREY_MODES = ["L", "1", "LA", "I;16"]
COLOUR_MODES = ["RGB", "RGBA", "P", "P with transparency", *GREY_MODES]
SIZES = [(8, 8), (13, 9), (9, 30), (3, 5), (8, 20), (64, 64)]


def write(folder: Path, modes: list[str]) -> None:
    """Two classes of pictures: every mode in every size, and every EXIF orientation."""
    for part in ("train/a", "train/b"):
        (folder / part).mkdir(parents=True)
    for mode in modes:
        for width, height in SIZES:
            stored(mode, width, height).save(folder / "train" / "a" / f"{modes.index(mode)}-{width}x{height}.png")
    exif = Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        for suffix in ("png", "jpg"):
            stored("L", 21, 10).save(folder / "train" / "b" / f"{orientation}.{suffix}", exif=exif)
    stored("I;16", 21, 10).save(folder / "train" / "b" / "deep.png", exif=exif)


@pytest.mark.parametrize(("channels", "modes"), [(1, GREY_MODES), (3, COLOUR_MODES)])
def test_pixels_are_those_of_the_folder_loader(channels: int, modes: list[str], tmp_path: Path) -> None:
    write(tmp_path, modes)
    trained_on = read(tmp_path, "train", "all", size=8).images
    assert trained_on.shape[1:] == (channels, 8, 8)
    files = [path for part in "ab" for path in sorted((tmp_path / "train" / part).iterdir())]
    net = Network(picture_plan(channels, 8, 8))
    opened = [Image.open(file) for file in files]
    copies = [Image.open(file).copy() for file in files]
    ways: list[Any] = [files, [str(file) for file in files], opened, copies]
    for images in ways:
        np.testing.assert_array_equal(net.pixels(images), trained_on)
    np.testing.assert_array_equal(np.concatenate([net.pixels(file) for file in files]), trained_on)
    np.testing.assert_array_equal(net.codes(files, batch=5), (trained_on[:, 0, :1, 0] >= 128).astype(np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", SIZES)
def test_arrays_of_any_size_are_fitted_as_files_are(
    channels: int, mode: str, size: tuple[int, int], tmp_path: Path
) -> None:
    image = stored(mode, *size)
    image.save(tmp_path / "p.png")
    net = Network(picture_plan(channels, 8, 8))
    np.testing.assert_array_equal(net.pixels([np.asarray(image)]), net.pixels(tmp_path / "p.png"))


@pytest.mark.parametrize("size", SIZES)
def test_oblong_networks_see_the_middle(size: tuple[int, int]) -> None:
    image = stored("RGB", *size)
    seen = Network(picture_plan(3, 6, 11)).pixels(image)
    expected = np.asarray(ImageOps.fit(image, (11, 6), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    np.testing.assert_array_equal(seen, expected[None])


def test_pictures_are_left_as_they_were() -> None:
    image = stored("I;16", 13, 9)
    image.info["transparency"] = 5
    before = (image.mode, image.size, image.tobytes(), dict(image.info))
    Network(picture_plan(1, 8, 8)).pixels(image)
    assert (image.mode, image.size, image.tobytes(), dict(image.info)) == before


def test_load_runs_a_file_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "a.firebit"
    linear(classes=("cat", "dog")).save(path)
    net = firebit.load(path)
    assert isinstance(net, Network)
    assert (net.classes, net.predict(np.array([[1, 4], [1, 2]], np.uint8)).tolist()) == (("cat", "dog"), [1])
    code = (
        "import sys, numpy, firebit\n"
        f"print(firebit.load({str(path)!r}).predict(numpy.zeros((3, 2, 2), numpy.uint8)).tolist())\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'torch'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    zero = logits([0, 0, 0, 0])
    assert result.stdout.splitlines() == [str([int(zero[1] > zero[0])] * 3), "[]"], result.stderr


def test_load_refuses_what_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "text.firebit").write_text("no network")
    for path in (tmp_path / "none.firebit", tmp_path / "text.firebit", tmp_path):
        with pytest.raises(ModelFileError, match=path.name):
            firebit.load(path)


def lenet() -> Plan:
    """A plan of the size of LeNet: 20 and 50 kernels of 5 × 5, 500 units, 10 classes."""
    rng = np.random.default_rng(0)
    pool = Pool("max", (2, 2), (2, 2))

    def layer(name: str, source: str, shape: tuple[int, ...], pool: Pool | None = None) -> Layer:
        term = Term(source, rng.integers(-300, 301, shape, np.int16), pool=pool)
        return Layer(name, (term,), np.zeros((1, shape[0]), np.int32), np.ones(shape[0], np.int8))

    layers = (
        layer("act1", "input", (20, 1, 5, 5), pool),
        layer("act2", "act1", (50, 20, 5, 5), pool),
        layer("act3", "act2", (500, 800)),
    )
    last = Term("act3", rng.integers(-300, 301, (10, 500), np.int16))
    return Plan(Input((1, 28, 28)), layers, Logits("fc2", (last,), 1e-3, np.zeros(10)))


def test_code_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "predict.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    plan = lenet()
    named = Plan(plan.input, plan.layers, plan.logits, tuple("0123456789"))
    named.save(tmp_path / "runs" / "digits" / "model.firebit")
    Image.new("L", (50, 40), 7).save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "predict.md", "exec"), names)
    assert len(blocks) == 7
    # Below the names and the accuracy of the first block.
    assert capsys.readouterr().out.splitlines()[2].startswith("<Network 1×28×28 → 3 layers of ")


def test_load_is_quick(tmp_path: Path) -> None:
    """About 5 ms on one core of 2020; the best of some, and of the processor's time: others may use the machine."""
    path = tmp_path / "lenet.firebit"
    lenet().save(path)
    seconds = []
    for _ in range(10):
        start = time.process_time()
        firebit.load(path)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.05
