"""Writers of small files that are correct, for tests to break."""

import gzip
import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def idx_bytes(values: np.ndarray) -> bytes:
    """The IDX format by its description: 0, 0, type 8 (unsigned byte), dimensions; sizes in big-endian; values."""
    sizes = b"".join(struct.pack(">I", size) for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def write_idx_folder(folder: Path, count: int = 6, packed: bool = False, dotted: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    for prefix, number in (("train", count), ("t10k", count // 2)):
        for kind, values in (
            ("images-idx3", rng.integers(0, 256, (number, 4, 5))),
            ("labels-idx1", np.arange(number) % 3),
        ):
            name = f"{prefix}-{kind.replace('-idx', '.idx') if dotted else kind}-ubyte{'.gz' if packed else ''}"
            content = idx_bytes(values)
            (folder / name).write_bytes(gzip.compress(content) if packed else content)
    return folder


def write_picture(path: Path, value: int = 0, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    shape = (height, width) if mode == "L" else (height, width, 3)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)
    return path


@pytest.fixture
def idx_content() -> Callable[[np.ndarray], bytes]:
    return idx_bytes


@pytest.fixture
def idx_folder() -> Callable[..., Path]:
    return write_idx_folder


@pytest.fixture
def picture() -> Callable[..., Path]:
    return write_picture


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def tar() -> Callable[..., Path]:
    return write_tar
