"""Files are old or new, never half, and a flipped bit is noticed."""

import errno
import hashlib
import json
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from firebit import files
from firebit.errors import FirebitError, ModelFileError, UsageError
from firebit.files import (
    load_tensors,
    remove_temporaries,
    save_tensors,
    write_atomically,
    write_text,
    written_atomically,
)

RECORD: dict[str, Any] = {"kind": "test", "shape": [1, 2], "nested": {"a": None, "b": 'ü \\ " \n'}, "share": 0.1}


def arrays() -> dict[str, np.ndarray]:
    return {"fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array(7, np.int64)}


def crafted(path: Path, record: str, header: Mapping[str, Any] | None = None, data: bytes = b"") -> Path:
    """A file with a checksum that is right, whatever else it says: what an attacker would write."""
    named = json.dumps({"__metadata__": {"firebit": record}, **(header or {})}).encode()
    content = struct.pack("<Q", len(named)) + named + data
    digest = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(content.replace(b"0" * 64, digest))
    return path


# write_atomically


def test_content_and_permissions(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "folder" / "a.bin", b"\x00\xff")
    write_text(tmp_path / "b.txt", "ü\n")
    assert (tmp_path / "new" / "folder" / "a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b.txt").read_bytes() == b"\xc3\xbc\n"
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("broken", ["fsync", "replace", "chmod"])
def test_a_failure_before_the_rename_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os if broken == "fsync" else Path, broken, fail)
    with pytest.raises(FirebitError, match=r"No space left to write .*a\.bin") as caught:
        write_atomically(path, b"new")
    assert caught.value.exit_code == 1
    assert "--resume" in caught.value.remedy
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_an_interrupt_leaves_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.bin", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_written_piece_by_piece_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with written_atomically(path) as file:
        file.write(b"one ")
        assert not path.exists()
        file.write(b"two")
    assert path.read_bytes() == b"one two"
    with pytest.raises(KeyError), written_atomically(path) as file:
        file.write(b"three")
        raise KeyError
    assert path.read_bytes() == b"one two" and [*path.parent.iterdir()] == [path]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="Cannot write"):
        write_atomically(tmp_path / "file" / "a.bin", b"")
    with pytest.raises(UsageError, match="Cannot write"):
        write_atomically(tmp_path / ("n" * 400), b"")


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_file_size_limit_of_the_system(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from firebit.errors import FirebitError\n"
        "from firebit.files import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_atomically(Path(sys.argv[1]), bytes(5000))\n"
        "except FirebitError as error:\n    print(error.problem)\n"
    )
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert result.stdout == f"No space left to write {path}.\n", result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_readers_see_old_or_new_never_half(tmp_path: Path) -> None:
    path, sizes, done = tmp_path / "a.bin", set(), threading.Event()
    contents = [bytes([value]) * 20_000 for value in (1, 2)]
    write_atomically(path, contents[0])

    def read() -> None:
        while not done.is_set():
            sizes.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(30):
        write_atomically(path, contents[turn % 2])
    done.set()
    reader.join()
    assert sizes <= set(contents)


def test_temporaries_of_a_killed_writer_are_removed_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from firebit import files\n"
        "files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_atomically(Path(sys.argv[1]), b'new')\n"
    )
    kept = ["a.bin", ".gitignore", ".hidden.tar.gz", ".a.b.part", "b.part"]
    for name in kept:
        (tmp_path / name).write_bytes(b"old")
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.bin")], check=False)
    assert result.returncode == -9
    assert len(list(tmp_path.iterdir())) == len(kept) + 1
    remove_temporaries(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == set(kept)
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    remove_temporaries(tmp_path / "nowhere")


# tensors


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0,), np.float32),
        np.zeros((3, 0, 2), np.int64),
        np.array(1.5, np.float64),
        np.array([[1, 2], [3, 4]], np.int8).T,
        np.arange(10, dtype=np.uint8)[::3],
        np.array([True, False]),
        np.array([np.nan, np.inf, -0.0], np.float32),
        np.array([1.0, 2.0], np.float16),
    ],
)
def test_arrays_return_as_they_were(tmp_path: Path, array: np.ndarray) -> None:
    save_tensors(tmp_path / "a.safetensors", {"x": array}, RECORD)
    found, record = load_tensors(tmp_path / "a.safetensors")
    assert (found["x"].dtype, found["x"].shape) == (array.dtype, array.shape)
    assert found["x"].tobytes() == array.tobytes()
    assert record == RECORD


def test_no_tensors_at_all(tmp_path: Path) -> None:
    save_tensors(tmp_path / "a.safetensors", {}, {})
    assert load_tensors(tmp_path / "a.safetensors") == ({}, {})


@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=4, unique=True),
    text=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_odd_names_and_texts(tmp_path_factory: pytest.TempPathFactory, names: list[str], text: str) -> None:
    path = tmp_path_factory.mktemp("odd") / "a.safetensors"
    tensors = {name: np.array([at]) for at, name in enumerate(names)}
    save_tensors(path, tensors, {"text": text, "list": names})
    found, record = load_tensors(path)
    assert {name: array.tolist() for name, array in found.items()} == {name: [at] for at, name in enumerate(names)}
    assert record == {"text": text, "list": names}


@pytest.mark.parametrize("record", [{"text": '"sha256":"'}, {"text": '\\"sha256\\":\\"' + "0" * 64}])
def test_a_text_that_looks_like_a_digest(tmp_path: Path, record: dict[str, Any]) -> None:
    save_tensors(tmp_path / "a.safetensors", arrays(), record)
    assert load_tensors(tmp_path / "a.safetensors")[1] == record


@pytest.mark.parametrize(
    ("tensors", "record"),
    [
        ({}, {"sha256": "abc"}),
        ({}, {"sha256": 5}),
        ({}, {"sha256": "f" * 64}),
        ({}, {"nested": {"sha256": "abc"}}),
        ({'"sha256":"': np.zeros(1)}, {}),
        ({"__metadata__": np.zeros(1)}, {}),
    ],
)
def test_what_would_hide_the_digest_is_refused(
    tmp_path: Path, tensors: dict[str, np.ndarray], record: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="hides its digest"):
        save_tensors(tmp_path / "a.safetensors", tensors, record)
    assert list(tmp_path.iterdir()) == []


def test_the_digest_is_that_of_the_file_with_zeros_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, arrays(), RECORD)
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    digest = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["firebit"])["sha256"]
    assert hashlib.sha256(content.replace(digest.encode(), b"0" * 64)).hexdigest() == digest
    assert set(safetensors.numpy.load_file(path)) == {"fc.weight", "steps"}


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path, missed = tmp_path / "a.safetensors", []
    save_tensors(path, {"x": np.array([1, 2], np.int8)}, {"k": 1})
    content = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for bit in range(8 * len(content)):
            byte = content[bit // 8]
            file.seek(bit // 8)
            file.write(bytes([byte ^ 1 << bit % 8]))
            with suppress(ModelFileError):
                load_tensors(path)
                missed.append(bit)
            file.seek(bit // 8)
            file.write(bytes([byte]))
    assert missed == []
    assert load_tensors(path)[1] == {"k": 1}


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    save_tensors(good, {"x": np.array([1, 2], np.int8)}, {"k": 1})
    content = good.read_bytes()
    for length in range(len(content)):
        bad.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            load_tensors(bad)
    bad.write_bytes(content + b"\x00")
    with pytest.raises(ModelFileError, match="damaged"):
        load_tensors(bad)


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, arrays(), {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="does not match its checksum") as caught:
        load_tensors(path)
    assert caught.value.exit_code == 4
    assert len(str(caught.value).splitlines()) == 2


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    safetensors.numpy.save_file(arrays(), foreign)
    for path, problem in (
        (foreign, "not a Firebit tensor file"),
        (tmp_path / "nowhere", "Cannot read"),
        (tmp_path, "Cannot read"),
    ):
        with pytest.raises(ModelFileError, match=problem):
            load_tensors(path)


ONE = {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


@pytest.mark.parametrize(
    ("record", "header", "data"),
    [
        ('[{"sha256":"' + "0" * 64 + '"}]', ONE, bytes(4)),
        ('{"a":{"sha256":"' + "0" * 64 + '"}}', ONE, bytes(4)),
        ('{"sha256":"' + "0" * 64 + '"', ONE, bytes(4)),
        ('{"sha256":"' + "0" * 64 + '","a":' + "[" * 100_000 + "}", ONE, bytes(4)),
        ('{"sha256":"' + "0" * 64 + '"}', {"x": {**ONE["x"], "shape": [1 << 60]}}, bytes(4)),
        ('{"sha256":"' + "0" * 64 + '"}', {"x": {**ONE["x"], "data_offsets": [0, 1 << 60]}}, bytes(4)),
        ('{"sha256":"' + "0" * 64 + '"}', {"x": {**ONE["x"], "dtype": "F8_E4M3", "data_offsets": [0, 1]}}, bytes(1)),
        ('{"sha256":"' + "0" * 64 + '"}', {"x": {**ONE["x"], "dtype": "BF16", "data_offsets": [0, 2]}}, bytes(2)),
        ('{"sha256":"' + "0" * 64 + '"}', {"x": 5}, b""),
    ],
)
def test_a_malicious_file_with_a_right_checksum_is_refused(
    tmp_path: Path, record: str, header: dict[str, Any], data: bytes
) -> None:
    with pytest.raises(ModelFileError):
        load_tensors(crafted(tmp_path / "a.safetensors", record, header, data))


def test_what_is_crafted_well_is_read(tmp_path: Path) -> None:
    path = crafted(tmp_path / "a.safetensors", '{"sha256":"' + "0" * 64 + '","a":1}', ONE, struct.pack("<f", 2.5))
    tensors, record = load_tensors(path)
    assert (tensors["x"].tolist(), record) == ([2.5], {"a": 1})


@pytest.mark.parametrize("name", ["x" * 1_000_000, "two\nlines", "\x1b[31mred"])
def test_a_malicious_file_is_refused_in_two_short_lines(tmp_path: Path, name: str) -> None:
    path = crafted(tmp_path / "a.safetensors", '{"sha256":"' + "0" * 64 + '"}', {"x": {**ONE["x"], "dtype": name}})
    with pytest.raises(ModelFileError, match="is not a valid tensor file") as caught:
        load_tensors(path)
    assert [len(line) < 1000 for line in str(caught.value).splitlines()] == [True, True]
