"""The pickled version: batches as Python 2 and 3 write them are read, and nothing in a file is ever run."""

import io
import os
import pickle
import pickletools
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.data import cifar, cifar_pickle
from firebit.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)
LABELS = [4, 0, 9]


def batch(**changes: object) -> dict[Any, Any]:
    table = {"batch_label": b"training batch 1 of 5", "labels": LABELS, "data": PIXELS, "filenames": [b"a.png"] * 3}
    return {key.encode(): value for key, value in (table | changes).items() if value is not None}


def python2(order: bytes = b"\x89") -> bytes:
    """A batch assembled operation by operation as Python 2 wrote the published files (protocol 2)."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value  # SHORT_BINSTRING

    data = PIXELS if order == b"\x89" else np.asfortranarray(PIXELS)
    raw = data.tobytes(order="A")
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85" + text(b"b") + b"\x87Rq\x07"
        b"(K\x01K\x03M\x00\x0c\x86cnumpy\ndtype\nq\x08" + text(b"u1") + b"K\x00K\x01\x87Rq\x09"
        b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" + order
    )
    array += b"T" + struct.pack("<I", len(raw)) + raw + b"tb"
    labels = text(b"labels") + b"q\x03]q\x04(" + b"".join(b"K" + bytes([label]) for label in LABELS) + b"e"
    names = text(b"batch_label") + b"q\x02" + text(b"testing batch 1 of 1")
    return b"\x80\x02}q\x01(" + names + labels + text(b"data") + array + b"u."


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    return path


def refused(path: Path, words: str | None = None) -> None:
    with pytest.raises(DataError, match=words) as caught:
        cifar_pickle.read(path, "labels", 10)
    assert str(path) in caught.value.problem
    assert "\n" not in caught.value.problem


@pytest.mark.parametrize("order", [b"\x89", b"\x88"])
def test_reads_what_python2_wrote(tmp_path: Path, order: bytes) -> None:
    content = python2(order)
    # The hand-made file is a right one: the unrestricted reader agrees.
    np.testing.assert_array_equal(pickle.loads(content, encoding="bytes")[b"data"], PIXELS)
    images, labels = cifar_pickle.read(write(tmp_path, content), "labels", 10)
    np.testing.assert_array_equal(images.reshape(3, 3072), PIXELS)
    assert images.dtype == np.uint8
    assert labels.tolist() == LABELS
    assert labels.dtype == np.int64


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("text_keys", [False, True])
def test_reads_what_python3_writes(tmp_path: Path, protocol: int, text_keys: bool) -> None:
    table = batch()
    if text_keys:
        table = {key.decode(): value for key, value in table.items()}
    images, labels = cifar_pickle.read(write(tmp_path, pickle.dumps(table, protocol)), "labels", 10)
    np.testing.assert_array_equal(images.reshape(3, 3072), PIXELS)
    assert labels.tolist() == LABELS


def test_reads_a_folder(tmp_path: Path) -> None:
    (tmp_path / "test").write_bytes(pickle.dumps(batch(labels=None, fine_labels=[99, 0, 3], coarse_labels=[1, 1, 1])))
    data = cifar.read(tmp_path, cifar.CIFAR100, "test", "x")
    assert data.labels.tolist() == [99, 0, 3]


class Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def test_nothing_is_run(tmp_path: Path) -> None:
    """Payloads that would leave a trace, at every protocol and in every place of the table."""
    trace = tmp_path / "trace"
    payloads = [
        Calls(os.system, f"touch {trace}"),
        Calls(eval, f"open({str(trace)!r}, 'w')"),
        Calls(exec, f"open({str(trace)!r}, 'w')"),
        Calls(open, str(trace), "w"),
        Calls(getattr, "", "format"),
        Calls(pickle.loads, b"N."),
    ]
    for protocol in range(6):
        for payload in payloads:
            for table in (payload, batch(data=payload), batch(labels=[payload]), batch(extra=payload)):
                refused(write(tmp_path, pickle.dumps(table, protocol)), "is no CIFAR batch")
    assert not trace.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os\nsystem",
        "builtins\neval",
        "numpy\nload",
        "numpy.core.multiarray\nfromfile",
        "numpy\nndarray.tofile",
        "firebit.data.cifar_pickle\nread",
        "numpy.core.multiarray\n_reconstruct.__globals__",
    ],
)
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path, b"c" + name.encode() + b"\n."), "which is not allowed")
    module, _, attribute = name.partition("\n")
    stacked = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, attribute)) + b"\x93."
    refused(write(tmp_path, stacked), "which is not allowed")


@pytest.mark.parametrize(
    "array",
    [
        PIXELS.astype(np.int16),
        PIXELS.astype(object),
        PIXELS[:, :3071],
        PIXELS[:0],
        PIXELS.ravel(),
        PIXELS.reshape(3, 3, 32, 32),
        PIXELS.tolist(),
        b"pixels",
        None,
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: object) -> None:
    for protocol in (3, 5):
        refused(write(tmp_path, pickle.dumps(batch(data=array), protocol)))


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 10], [0, 1, -1], [0, 1, True], [0, 1, 2.0], (0, 1, 2), None])
def test_other_labels_are_refused(tmp_path: Path, labels: object) -> None:
    refused(write(tmp_path, pickle.dumps(batch(labels=labels), 4)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes long"),
        (b"\x80\x04", "is no CIFAR batch"),
        (pickle.dumps([1, 2]), "no table"),
        (pickle.dumps(batch(), 4)[:-100], "is no CIFAR batch"),
        (python2()[:5000], "is no CIFAR batch"),
        # A shape that its bytes do not fill.
        (python2().replace(b"M\x00\x0c", b"M\xff\x0c"), "does not fit its 9216 bytes"),
        # The stand-in of NumPy's maker must not be changed from inside the file.
        (b"cnumpy\ndtype\n}(X\x01\x00\x00\x00aK\x01ub.", "it changes a function"),
        (b"cnumpy\ndtype\nN}(X\x09\x00\x00\x00_functionK\x01u\x86b.", "it changes a function"),
        (b"cnumpy\nndarray\n}(X\x01\x00\x00\x00aK\x01ub.", "is no CIFAR batch"),
        (b"K\x01Q.", "BINPERSID is not allowed"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.", "not Latin-1"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, words: str) -> None:
    refused(write(tmp_path, content), words)


def hostile() -> dict[str, bytes]:
    nested = b")q\x00" + b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(60))
    return {
        "a memo index of two thousand million": b"}r\xff\xff\xff\x7f.",
        "a text that claims a terabyte": b"\x8e" + struct.pack("<Q", 10**12) + b"x.",
        "a frame that claims a terabyte": b"\x80\x04\x95" + struct.pack("<Q", 10**12) + b"}.",
        "2 ** 60 nested tuples as a key": b"}" + nested + b"K\x01s.",
        "a tower of tuples": b"}" + b")" + b"\x85" * 200_000 + b"K\x01s.",
        "duplicates": b"}" + b"2" * 100_000 + b".",
        "an array of a terabyte": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
        + b"I1000000000000\n\x85U\x01bt\x87R.",
    }


@pytest.mark.parametrize("case", hostile())
def test_hostile_files_cost_nothing(tmp_path: Path, case: str) -> None:
    start = time.process_time()
    refused(write(tmp_path, hostile()[case]))
    assert time.process_time() - start < 2


@given(st.integers(0, 400), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4), st.booleans())
def test_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cut: int, changes: list[tuple[int, int]], early: bool
) -> None:
    content = bytearray(python2() if early else pickle.dumps(batch(), 4))
    # Most of the file is pixels; aim at the operations.
    operations = [position for _, _, position in pickletools.genops(io.BytesIO(bytes(content))) if position is not None]
    for position, value in changes:
        content[operations[position % len(operations)]] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(bytes(content[: len(content) - cut]))
    try:
        cifar_pickle.read(path, "labels", 10)
    except DataError as error:
        assert str(path) in error.problem
