"""Files that are old or new, never half: atomic writes, and tensors under a checksum of their own."""

import errno
import hashlib
import json
import os
import re
import struct
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from firebit.errors import FirebitError, ModelFileError, UsageError

_BLANK = "0" * 64
_MARK = b'\\"sha256\\":\\"'
_HEADER_LIMIT = 100_000_000
_LONGEST_REASON = 300
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.part")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old content or the new, never a part.

    Raises:
        FirebitError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    with written_atomically(path) as file:
        file.write(content)


@contextmanager
def written_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A file to write piece by piece, which takes its place when the block ends, as :func:`write_atomically` has it.

    Temporary file in the same folder, fsync, rename, fsync of the folder. An exception in the block leaves nothing.

    Raises:
        FirebitError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers left in a folder; not while another writes there."""
    for path in folder.glob(".*.part"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> FirebitError:
    """The error to raise where the system would not write `path`: a full disk, or a folder that is closed to us."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return FirebitError(
            f"No space left to write {path}.",
            "Free some space and continue with --resume; the old file is intact.",
        )
    return UsageError(f"Cannot write {path}: {error.strerror or error}.", "Choose a folder that can be written.")


def write_text(path: Path, text: str) -> None:
    """:func:`write_atomically` for UTF-8 text."""
    write_atomically(path, text.encode())


def save_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], record: Mapping[str, Any]) -> None:
    """Write tensors and a JSON record as one safetensors file that carries its own SHA-256.

    The digest is that of the whole file with its 64 digest characters as "0".

    Args:
        path: the file to write, atomically.
        tensors: arrays by name.
        record: JSON-able values kept beside them.

    Raises:
        UsageError: a key "sha256" or the tensor name "__metadata__", which the file itself needs.
        FirebitError: the disk is full; an old file is untouched.
    """
    if "sha256" in record or "__metadata__" in tensors:
        raise _hides_digest(path)
    metadata = {"firebit": json.dumps({"sha256": _BLANK, **record}, separators=(",", ":"))}
    # Not np.ascontiguousarray, which gives an array without dimensions one.
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    content = bytearray(safetensors.numpy.save(arrays, metadata=metadata))
    at = _digest_position(content)
    if at is None:
        raise _hides_digest(path)
    content[at : at + 64] = hashlib.sha256(content).hexdigest().encode()
    write_atomically(path, bytes(content))


def _hides_digest(path: Path) -> UsageError:
    return UsageError(
        f"The record for {path} hides its digest.", 'Do not use the key "sha256" in a record, or in a tensor\'s name.'
    )


def load_tensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Returns:
        The arrays by name and the record.

    Raises:
        ModelFileError: the file is missing, truncated, altered by as much as a bit, or not one of ours.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
    at = _digest_position(content)
    if at is None:
        raise ModelFileError(f"{path} is not a Firebit tensor file.", "Give a file that Firebit has written.")
    with ThreadPoolExecutor(2) as aside:
        # Neither holds a lock for long, and what is read counts for nothing until the digest is known to be right.
        digest, tensors = aside.submit(_digest, content, at), aside.submit(safetensors.numpy.load, content)
    if digest.result() != content[at : at + 64]:
        raise ModelFileError(
            f"{path} is damaged: its content does not match its checksum.",
            "Restore it from a copy, or make it again.",
        )
    try:
        record = json.loads(_metadata(content)["firebit"])
        del record["sha256"]
        return tensors.result(), record
    except (safetensors.SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        # The reason may quote the file.
        reason = " ".join(str(error)[:_LONGEST_REASON].split())
        raise ModelFileError(
            f"{path} is not a valid tensor file: {reason}.", "Restore it from a copy, or make it again."
        ) from error


def _digest(content: bytes, at: int) -> bytes:
    """The digest, in hexadecimal, of a file whose own stands from `at` on."""
    whole = memoryview(content)
    digest = hashlib.sha256(whole[:at])
    digest.update(_BLANK.encode())
    digest.update(whole[at + 64 :])
    return digest.hexdigest().encode()


def _header(content: bytes | bytearray) -> bytes:
    if len(content) < 8:
        return b""
    (length,) = struct.unpack_from("<Q", content)
    return bytes(content[8 : 8 + length]) if length <= min(len(content) - 8, _HEADER_LIMIT) else b""


def _metadata(content: bytes) -> dict[str, str]:
    metadata: dict[str, str] = json.loads(_header(content))["__metadata__"]
    return metadata


def _digest_position(content: bytes | bytearray) -> int | None:
    """Where the 64 digest characters stand: the record's first key, which is written by us and never escaped twice."""
    header = _header(content)
    at = header.find(_MARK)
    if at < 0 or header.find(_MARK, at + 1) >= 0 or at + len(_MARK) + 64 > len(header):
        return None
    return 8 + at + len(_MARK)
