"""IDX files: correct ones in every dress, and every way to be broken."""

import gzip
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.data import idx
from firebit.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3))
Write = Callable[[np.ndarray], bytes]


@pytest.mark.parametrize("packed", [False, True])
def test_reads_what_was_written(tmp_path: Path, idx_content: Write, packed: bool) -> None:
    pack = gzip.compress if packed else bytes
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(pack(idx_content(IMAGES)))
    labels.write_bytes(pack(idx_content(np.array([3, 0, 255]))))
    read = idx.read_images(images)
    np.testing.assert_array_equal(read, IMAGES[:, None])
    assert read.dtype == np.uint8
    assert idx.read_labels(labels).tolist() == [3, 0, 255]
    assert idx.read_labels(labels).dtype == np.int64


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dotted", [False, True])
def test_reads_a_folder(tmp_path: Path, idx_folder: Callable[..., Path], packed: bool, dotted: bool) -> None:
    folder = idx_folder(tmp_path, 6, packed, dotted)
    train = idx.read(folder, "train", None, "toy-train")
    assert train.images.shape == (6, 1, 4, 5)
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert train.classes == ("0", "1", "2")
    assert len(idx.read(folder, "test", None, "toy-test")) == 3


def test_class_names_from_the_folder(tmp_path: Path, idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder(tmp_path)
    (folder / "classes.txt").write_text("cat\ndog\nbird\n\n")
    assert idx.read(folder, "test", None, "toy").classes == ("cat", "dog", "bird")
    (folder / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="label 2, but there are 2 classes"):
        idx.read(folder, "train", None, "toy")
    (folder / "classes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"classes\.txt cannot be read"):
        idx.read(folder, "train", None, "toy")


def test_test_labels_beyond_the_training_set(
    tmp_path: Path, idx_folder: Callable[..., Path], idx_content: Write
) -> None:
    folder = idx_folder(tmp_path)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_content(np.array([0, 1, 3])))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte holds label 3, but there are 3 classes"):
        idx.read(folder, "test", None, "toy")


def test_labels_out_of_range(tmp_path: Path, idx_folder: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="holds label 2, but there are 2 classes"):
        idx.read(idx_folder(tmp_path), "train", ("a", "b"), "toy")


def test_counts_that_differ(tmp_path: Path, idx_folder: Callable[..., Path], idx_content: Write) -> None:
    folder = idx_folder(tmp_path)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_content(np.arange(5) % 3))
    with pytest.raises(DataError, match=r"holds 6 pictures, .*train-labels-idx1-ubyte 5 labels"):
        idx.read(folder, "train", None, "toy")


def test_a_missing_file(tmp_path: Path, idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder(tmp_path)
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match=r"no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte\.gz in"):
        idx.read(folder, "test", None, "toy")


def header(*sizes: int, magic: int | None = None) -> bytes:
    return struct.pack(f">{1 + len(sizes)}I", 0x800 + len(sizes) if magic is None else magic, *sizes)


BROKEN = {
    "empty": (b"", "is empty"),
    "half a header": (header(5, 4, 3)[:9], "shorter than an IDX header"),
    "truncated": (header(5, 4, 3) + bytes(59), "75 bytes"),
    "garbage at the end": (header(5, 4, 3) + bytes(61), "77 bytes"),
    "another magic": (header(5, 4, 3, magic=0x0D03) + bytes(60), "0x00000d03"),
    "labels instead": (header(60) + bytes(60), "0x00000801"),
    "no pictures": (header(0, 4, 3), "claims to hold nothing"),
    "no pixels": (header(5, 0, 3), "claims to hold nothing"),
    "terabytes": (header(2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(60), "76 bytes long, but its header claims"),
    "broken gzip header": (b"\x1f\x8b" + bytes(30), "cannot be read"),
    "truncated gzip": (gzip.compress(header(5, 4, 3) + bytes(60))[:-12], "cannot be read"),
    "gzip without its checksum": (gzip.compress(header(5, 4, 3) + bytes(60))[:-8], "cannot be read"),
    "gzip of nothing": (gzip.compress(b""), "is empty"),
    "gzip of too little": (gzip.compress(header(5, 4, 3) + bytes(59)), "ends before the 60 values"),
    "gzip of too much": (gzip.compress(header(5, 4, 3) + bytes(61)), "goes on after the 60 values"),
    "garbage after gzip": (gzip.compress(header(5, 4, 3) + bytes(60)) + b"garbage", "cannot be read"),
    "a second gzip": (gzip.compress(header(5, 4, 3) + bytes(60)) * 2, "goes on after"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(tmp_path: Path, case: str) -> None:
    content, words = BROKEN[case]
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        idx.read_images(path)
    assert str(path) in caught.value.problem
    assert caught.value.exit_code == 3


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        idx.read_images(tmp_path)


def peak_and_seconds(act: Callable[[], object]) -> tuple[int, float]:
    start = time.process_time()
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1], time.process_time() - start
    finally:
        tracemalloc.stop()


def refused(path: Path, words: str) -> None:
    with pytest.raises(DataError, match=words):
        idx.read_images(path)


def bomb(path: Path, head: bytes, zeros: int) -> Path:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(packer.compress(head))
        for _ in range(zeros >> 20):
            file.write(packer.compress(bytes(1 << 20)))
        file.write(packer.flush())
    return path


def test_a_gzip_that_claims_terabytes(tmp_path: Path) -> None:
    """48 kB on the disk, 50 MB inside, 1.7 TB claimed: refused on the claim alone."""
    path = bomb(tmp_path / "bomb.gz", header(2**20, 1290, 1290), 48 << 20)
    assert path.stat().st_size < 60_000
    peak, seconds = peak_and_seconds(lambda: refused(path, "but its header claims 1048576 × 1290 × 1290"))
    assert peak < 1_000_000
    assert seconds < 1


def test_a_gzip_that_goes_on_for_long(tmp_path: Path) -> None:
    """48 MB inside, 60 bytes claimed: read to the claim and one byte further."""
    path = bomb(tmp_path / "bomb.gz", header(5, 4, 3), 48 << 20)
    peak, seconds = peak_and_seconds(lambda: refused(path, "goes on after"))
    assert peak < 1_000_000
    assert seconds < 1


def test_a_gzip_that_does_not_keep_a_possible_promise(tmp_path: Path) -> None:
    """What is claimed but not there is never allocated: noise cannot inflate a thousandfold."""
    noise = np.random.default_rng(0).bytes(100_000)
    path = tmp_path / "claim.gz"
    path.write_bytes(gzip.compress(header(1000, 100, 1000) + noise))
    peak, _ = peak_and_seconds(lambda: refused(path, "ends before"))
    assert peak < 2_000_000


@given(
    st.booleans(),
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4),
    st.binary(max_size=8),
)
def test_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    packed: bool,
    cut: int,
    changes: list[tuple[int, int]],
    tail: bytes,
) -> None:
    content = bytearray(header(5, 4, 3) + IMAGES.astype(np.uint8).tobytes())
    if packed:
        content = bytearray(gzip.compress(content, mtime=0))
    for position, value in changes:
        content[position % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(bytes(content[: len(content) - cut]) + tail)

    def act() -> None:
        try:
            assert idx.read_images(path).shape[1] == 1
        except DataError as error:
            assert str(path) in error.problem

    peak, _ = peak_and_seconds(act)
    assert peak < 1_000_000
