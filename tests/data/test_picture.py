"""Single pictures: modes, orientation, size limits, resizing."""

import struct
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from firebit.data import picture
from firebit.data.crop import CentreCrop, RandomCrop
from firebit.errors import DataError

COLOURS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
GREY = COLOURS[..., 0]


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file put together chunk by chunk."""
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def header(width: int, height: int, depth: int = 8, colour: int = 0) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def test_rgb_and_grey(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "c.png")
    Image.fromarray(GREY).save(tmp_path / "g.png")
    assert picture.read_header(tmp_path / "c.png") == picture.Header(6, 4, False)
    assert picture.read_header(tmp_path / "g.png") == picture.Header(6, 4, True)
    np.testing.assert_array_equal(picture.read_pixels(tmp_path / "c.png", grey=False), COLOURS.transpose(2, 0, 1))
    np.testing.assert_array_equal(picture.read_pixels(tmp_path / "g.png", grey=True), GREY[None])
    np.testing.assert_array_equal(picture.read_pixels(tmp_path / "g.png", grey=False), np.stack([GREY] * 3))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_pictures_that_are_not_in_a_file(tmp_path: Path, kind: str) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "c", kind)
    content = (tmp_path / "c").read_bytes()
    for grey, size in ((False, None), (True, 3), (False, (2, 5))):
        expected = picture.read_pixels(tmp_path / "c", grey, size)
        np.testing.assert_array_equal(picture.decode(content, "it", grey, size, 24), expected)
    with pytest.raises(DataError, match="it claims 6 × 4 pixels"):
        picture.decode(content, "it", False, None, 23)
    with pytest.raises(DataError, match="Not a whole PNG or JPEG picture: it: "):
        picture.decode(content[:60], "it", False)


def test_thumbnails_keep_their_shape(tmp_path: Path) -> None:
    picture_ = Image.new("RGBA", (400, 100), (255, 0, 0, 0))
    picture_.save(tmp_path / "a.png")
    # Transparent is white.
    assert picture.thumbnail(tmp_path / "a.png", 80).tolist() == np.full((3, 20, 80), 255).tolist()
    upright = Image.new("L", (400, 100), 9)
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.save(tmp_path / "b.jpg", exif=exif)
    assert picture.thumbnail(tmp_path / "b.jpg", 80).shape == (3, 80, 20)
    Image.fromarray(COLOURS).save(tmp_path / "c.png")
    np.testing.assert_array_equal(picture.thumbnail(tmp_path / "c.png", 80), COLOURS.transpose(2, 0, 1))
    with pytest.raises(DataError, match="Check the path"):
        picture.thumbnail(tmp_path / "none.png", 80)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<svg/>"])
def test_what_is_no_picture_and_in_no_file(content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        picture.decode(content, "it", False)
    assert caught.value.problem == "Not a whole PNG or JPEG picture: it: cannot identify image."


def test_palette(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8))
    image.putpalette([255, 0, 0, 0, 255, 0, 1, 2, 3])
    assert image.mode == "P"
    image.save(tmp_path / "p.png")
    assert not picture.read_header(tmp_path / "p.png").grey
    expected = [[[255, 0], [0, 1]], [[0, 255], [255, 2]], [[0, 0], [0, 3]]]
    assert picture.read_pixels(tmp_path / "p.png", grey=False).tolist() == expected


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert picture.read_pixels(tmp_path / "a.png", grey=False)[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]
    Image.fromarray(np.array([[[40, 255], [40, 0]]], np.uint8)).save(tmp_path / "la.png")
    assert picture.read_header(tmp_path / "la.png").grey
    assert picture.read_pixels(tmp_path / "la.png", grey=True).tolist() == [[[40, 255]]]


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    values = [0, 257, 256, 32768, 65535, 65406]
    rows = b"\x00" + struct.pack(">6H", *values)
    path = tmp_path / "deep.png"
    path.write_bytes(png(header(6, 1, 16), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")))
    assert picture.read_header(path).grey
    # v / 257 rounded to the nearest.
    assert picture.read_pixels(path, grey=True).tolist() == [[[0, 1, 1, 128, 255, 254]]]


def test_one_bit(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "b.png")
    assert picture.read_header(tmp_path / "b.png").grey
    assert picture.read_pixels(tmp_path / "b.png", grey=True).tolist() == [[[0, 255]]]


def test_cmyk_jpeg(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "c.jpg")
    assert picture.read_pixels(tmp_path / "c.jpg", grey=False).min() > 250


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    """A dark corner goes where the EXIF standard says the stored first row and column belong."""
    stored = np.full((16, 32), 255, np.uint8)
    stored[:8, :8] = 0
    corner = ["top left", "top right", "bottom right", "bottom left"][[0, 1, 2, 3, 0, 1, 2, 3][orientation - 1]]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"o.{suffix}"
    Image.fromarray(stored).save(path, exif=exif)
    shape = (16, 32) if orientation <= 4 else (32, 16)
    head = picture.read_header(path)
    assert (head.height, head.width) == shape
    upright = picture.read_pixels(path, grey=True)[0]
    assert upright.shape == shape
    vertical, horizontal = corner.split()
    y, x = (0 if vertical == "top" else -1), (0 if horizontal == "left" else -1)
    assert upright[y, x] < 40
    assert (upright < 128).sum() == 64


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_of_pictures_in_memory(orientation: int) -> None:
    """The same for 16 bits as for 8, and with an orientation that was set in memory; the picture stays as it is."""
    for kind in (np.uint8, np.uint16):
        stored = Image.fromarray((GREY.astype(kind) * (257 if kind is np.uint16 else 1)).astype(kind))
        stored.getexif()[0x0112] = orientation
        expected = np.rot90(GREY, {3: 2, 6: -1}[orientation])
        np.testing.assert_array_equal(picture.to_pixels(stored, "it", grey=True)[0], expected)
        assert stored.size == (6, 4)
        assert stored.getexif()[0x0112] == orientation


def test_a_picture_in_memory_that_cannot_be_decoded() -> None:
    closed = Image.new("L", (4, 4))
    closed.close()
    beyond = Image.fromarray(np.array([[7, 65536]], np.int32))
    for image, reason in ((closed, "closed"), (beyond, "its pixels reach from 7 to 65536, not 0 … 65535")):
        with pytest.raises(DataError) as caught:
            picture.to_pixels(image, "number 3", grey=True)
        assert caught.value.problem.startswith("number 3 cannot be decoded: ")
        assert reason in caught.value.problem
        assert "\n" not in caught.value.problem


def test_modes_of_sixteen_bits_in_memory() -> None:
    values = np.array([[0, 257, 256, 65535]])
    for kind, mode in ((np.uint16, "I;16"), (np.int32, "I")):
        image = Image.fromarray(values.astype(kind))
        assert image.mode == mode
        assert picture.to_pixels(image, "it", grey=True).tolist() == [[[0, 1, 1, 255]]]


def test_oblong_sizes(tmp_path: Path) -> None:
    """40 × 8 covers 6 × 4 as 20 × 4: of it the middle six columns, which are 12 of the 40."""
    stripes = np.zeros((8, 40), np.uint8)
    stripes[:, 8:32] = 200
    Image.fromarray(stripes).save(tmp_path / "s.png")
    expected = [[[200] * 6] * 4]
    assert picture.read_pixels(tmp_path / "s.png", True, (6, 4)).tolist() == expected
    assert picture.to_pixels(Image.fromarray(stripes), "it", True, (6, 4)).tolist() == expected


def test_resizing_keeps_the_middle(tmp_path: Path) -> None:
    # Bicubic weights reach two result pixels far; the band is wider than the cut by more than that.
    stripes = np.zeros((8, 40), np.uint8)
    stripes[:, 12:28] = 200
    Image.fromarray(stripes).save(tmp_path / "s.png")
    assert picture.read_pixels(tmp_path / "s.png", True, 8).tolist() == [[[200] * 8] * 8]
    Image.fromarray(stripes.T.copy()).save(tmp_path / "t.png")
    assert picture.read_pixels(tmp_path / "t.png", True, 4).tolist() == [[[200] * 4] * 4]


def test_resized_arrays_follow_the_same_rule() -> None:
    images = np.stack([COLOURS, COLOURS[::-1]]).transpose(0, 3, 1, 2)
    result = picture.resized(images, 3)
    expected = picture.fit(Image.fromarray(COLOURS), 3)
    np.testing.assert_array_equal(result[0], np.asarray(expected).transpose(2, 0, 1))
    assert picture.resized(images[:, :1], 9).shape == (2, 1, 9, 9)
    assert picture.resized(result, 3) is result


@pytest.mark.parametrize("size", [(9460, 9459), (20000, 20000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs(tmp_path: Path, size: tuple[int, int]) -> None:
    """A few bytes that claim up to 4·10¹⁸ pixels: refused from the header, without a warning, without memory."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png(header(*size), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")))
    tracemalloc.start()
    with pytest.raises(DataError, match="claim"):
        picture.read_pixels(path, grey=True)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    with pytest.raises(DataError, match=r"bomb\.png claims"):
        picture.read_header(path)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_other_formats_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(COLOURS).save(path, format=kind)
    with pytest.raises(DataError, match=r"Not a whole PNG or JPEG picture: .*picture\.png"):
        picture.read_header(path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_pictures(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    for length in (0, 5, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=f"p.{suffix}") as caught:
            picture.read_pixels(path, grey=False)
        assert "\n" not in caught.value.problem
        assert caught.value.exit_code == 3


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.png", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(DataError) as caught:
            picture.read_header(path)
        assert caught.value.problem == f"Cannot read {path}: {reason}."
        assert caught.value.remedy == "Check the path."


@given(
    st.sampled_from(["png", "jpg"]),
    st.integers(0, 300),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
)
def test_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, cut: int, changes: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    Image.fromarray(COLOURS).save(path)
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[position % len(content)] = value
    path.write_bytes(bytes(content[: max(len(content) - cut, 0)]))
    try:
        assert picture.read_pixels(path, grey=False).shape[0] == 3
    except DataError as error:
        assert "\n" not in error.problem


def photo() -> Image.Image:
    """A smooth picture in colour, 320 × 240, no part of which looks like another."""
    across, down = np.meshgrid(np.linspace(0, 255, 320), np.linspace(0, 255, 240))
    return Image.fromarray(np.stack([across, down, (across + down) / 2], -1).astype(np.uint8))


def jpeg(made: Image.Image, **options: Any) -> bytes:
    file = BytesIO()
    made.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


PART = (40.0, 30.0, 280.0, 210.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 500), (64, 64), (65, 33)])
@pytest.mark.parametrize("quick", [True, False])
def test_any_part_of_a_picture_of_any_size(size: tuple[int, int], quick: bool) -> None:
    content = jpeg(Image.new("RGB", size, (200, 100, 50)))
    for cut in RandomCrop(20).cuts(0, 0, np.arange(40)):
        found = picture.decode_cut(content, "x", picture.Cut(cut.box, cut.mirrored, quick), 20)
        assert found.shape == (3, 20, 20) and found.dtype == np.uint8
        assert abs(found.astype(int) - np.array([200, 100, 50]).reshape(3, 1, 1)).max() <= 4


@pytest.mark.parametrize("quick", [True, False])
def test_a_part_is_what_cropping_and_resizing_give(quick: bool) -> None:
    content = jpeg(photo())
    whole = Image.open(BytesIO(content))
    expected = np.asarray(whole.crop((40, 30, 280, 210)).resize((60, 60), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    found = picture.decode_cut(content, "x", picture.Cut(lambda width, height: PART, quick=quick), 60)
    # Decoding at half the size changes smooth pictures by little.
    assert abs(found.astype(int) - expected.astype(int)).max() <= (6 if quick else 2)
    again = picture.decode_cut(content, "x", picture.Cut(lambda width, height: PART, quick=quick), 60)
    assert np.array_equal(found, again)
    mirrored = picture.decode_cut(content, "x", picture.Cut(lambda width, height: PART, True, quick), 60)
    assert np.array_equal(mirrored, found[..., ::-1])


def test_quick_cuts_decode_less(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    plain = Image.Image.resize

    def resize(self: Image.Image, *args: Any, **options: Any) -> Image.Image:
        sizes.append(self.size)
        return plain(self, *args, **options)

    monkeypatch.setattr(Image.Image, "resize", resize)
    for side in (10, 60, 100, 240):
        picture.decode_cut(jpeg(photo()), "x", picture.Cut(lambda width, height: PART, quick=True), side)
    # Sides of 14, 80, 134 and 320 pixels are wanted of the whole: an eighth, a half, and twice all of it.
    assert sizes == [(40, 30), (160, 120), (320, 240), (320, 240)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("quick", [True, False])
def test_parts_are_those_of_the_upright_picture(orientation: int, quick: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = jpeg(photo(), exif=exif)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(turned)))
    sizes: list[tuple[int, int]] = []

    def box(width: int, height: int) -> tuple[float, float, float, float]:
        sizes.append((width, height))
        return 0.1 * width, 0.2 * height, 0.5 * width, 0.9 * height

    found = picture.decode_cut(turned, "x", picture.Cut(box, quick=quick), 30)
    expected = upright.resize((30, 30), Image.Resampling.BICUBIC, box(*upright.size))
    assert sizes[0] == sizes[1] == upright.size
    assert abs(found.astype(int) - np.asarray(expected).transpose(2, 0, 1).astype(int)).max() <= 8


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_parts_of_pictures_of_other_kinds_are_in_colour(mode: str) -> None:
    made = Image.fromarray(np.full((30, 40), 40_000, np.uint16)) if mode == "I;16" else photo().convert(mode)
    file = BytesIO()
    made.save(file, "PNG")
    whole = picture.decode(file.getvalue(), "x", False, 16)
    (cut,) = CentreCrop(16).cuts(0, 0, np.array([0]))
    assert np.array_equal(picture.decode_cut(file.getvalue(), "x", cut, 16), whole)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"GIF89a", jpeg(photo())[:3000]])
def test_parts_of_what_is_no_picture(content: bytes) -> None:
    with pytest.raises(DataError, match=r"picture: a/b\.jpg"):
        picture.decode_cut(content, "a/b.jpg", picture.Cut(lambda width, height: PART), 8)
