"""Builds the digits that ship inside the package: a balanced part of MNIST, chosen by a fixed seed.

usage: python scripts/build_digits.py MNIST_FOLDER [OUTPUT_FOLDER]

MNIST_FOLDER holds the four IDX files of MNIST. The same versions of Python and zlib write the same files
again, byte for byte; any version writes the same pictures.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit.data import idx
from firebit.data.transforms import random_words

SEED = 2015
PER_DIGIT = {"train": 600, "test": 200}
STREAM = 1000
OUTPUT = Path(__file__).parents[1] / "src" / "firebit" / "data" / "digits"


def choose(labels: NDArray[np.int64], per_digit: int) -> NDArray[np.int64]:
    """Positions of `per_digit` pictures of every digit, in the order of the original file."""
    words = random_words(SEED, 0, np.arange(len(labels)), STREAM)
    members = (np.flatnonzero(labels == digit) for digit in range(10))
    return np.sort(np.concatenate([m[np.argsort(words[m], kind="stable")[:per_digit]] for m in members]))


def write(path: Path, values: NDArray[np.uint8]) -> None:
    """Write an IDX file, gzipped without a time stamp or a name, and print its SHA-256."""
    header = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
    packed = gzip.compress(header + values.tobytes(), 9, mtime=0)
    path.write_bytes(packed)
    print(f"{hashlib.sha256(packed).hexdigest()}  {path.name}  {len(packed)} bytes")


def main(source: Path, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    for split, per_digit in PER_DIGIT.items():
        data = idx.read(source, split, tuple("0123456789"), f"mnist-{split}")
        part = data.subset(choose(data.labels, per_digit))
        write(output / f"{idx.PREFIXES[split]}-images-idx3-ubyte.gz", part.images[:, 0])
        write(output / f"{idx.PREFIXES[split]}-labels-idx1-ubyte.gz", part.labels.astype(np.uint8))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else OUTPUT)
