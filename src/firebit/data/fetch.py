"""Bring a known data set to its folder, by download or from files on the disk: checked, and whole or not at all."""

import contextlib
import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import IO, cast

from firebit.data.load import data_root, folder_of
from firebit.data.sources import SOURCES, Download, Member
from firebit.errors import DataError, FirebitError, UnavailableError, UsageError
from firebit.extras import MissingExtraError

Progress = Callable[[str, int, int], None]
LARGEST_DOWNLOAD = 256 << 20
_CHUNK = 1 << 18
_TIMEOUT = 30


def fetch(name: str, root: Path | None = None, source: Path | None = None, progress: Progress | None = None) -> Path:
    """Bring a data set to the folder where :func:`firebit.data.load` looks for it.

    Everything is checked against published sizes and checksums in a temporary folder beside the final one and then
    moved, so that a failure or an interruption leaves no half data set. What is already there and whole is kept, and
    nothing is downloaded.

    Args:
        name: "mnist", "fashion-mnist", "cifar10", "cifar100" ("digits" is inside the package).
        root: where data sets lie; None: FIREBIT_DATA, else ~/.cache/firebit/data.
        source: a folder with the files, gzipped or not, tar.gz or unpacked, to take instead of a download.
        progress: called as (file, bytes done, bytes in all; 0 where not known).

    Returns:
        The folder of the data set.

    Raises:
        DataError: the name is not known, or a file is missing from `source` or has another checksum.
        UnavailableError: no address can be reached.
        UsageError: `source` is no folder, the data set's folder cannot be written, or pooch is not installed.
        FirebitError: the disk is full.
    """
    where = folder_of(name, root)
    if where is None:
        return Path(str(files("firebit.data").joinpath("digits")))
    if source is not None and not source.is_dir():
        raise UsageError(f"{source} is no folder.", "Give the folder that holds the files.")
    downloads = SOURCES[name]
    report = progress or (lambda file, done, total: None)
    try:
        if is_whole(name, root):
            return where
        with _workshop(data_root(root)) as workshop:
            ready = workshop / "ready"
            ready.mkdir()
            for download in downloads:
                if source is not None:
                    _take(download, source, ready, report)
                else:
                    _unpack(_download(download, workshop, report), download, ready, report)
            _install(ready, where)
    except OSError as error:
        raise _unwritable(name, where, error) from error
    return where


def _unwritable(name: str, where: Path, error: OSError) -> FirebitError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FirebitError(
            f"No space left to write {name} to {where}.", "Free some space, or choose another folder with --root."
        )
    return UsageError(f"{name} cannot be brought to {where}: {error}.", "Choose another folder with --root.")


def is_whole(name: str, root: Path | None = None) -> bool:
    """Whether a data set is in its folder, with every file of the published size and checksum."""
    where = folder_of(name, root)
    if where is None:
        return True
    members = [member for download in SOURCES[name] for member in download.members]
    return all(_matches(where / member.name, member.checksum, member.size) for member in members)


def _matches(path: Path, checksum: str, size: int | None = None) -> bool:
    if not path.is_file() or size not in (None, path.stat().st_size):
        return False
    algorithm, digest = checksum.split(":")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest() == digest


@contextlib.contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    root.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".fetch-", dir=root))
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _install(ready: Path, where: Path) -> None:
    """Move checked files to their place: a new folder at once, into an old folder file by file."""
    if where.is_dir():
        for path in ready.iterdir():
            path.replace(where / path.name)
    else:
        ready.rename(where)
    if os.name == "posix":
        for folder in (where, where.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


def _download(download: Download, workshop: Path, report: Progress) -> Path:
    try:
        import pooch  # type: ignore[import-untyped]
        from requests.exceptions import RequestException
    except ImportError as error:
        raise MissingExtraError("pooch", "A download") from error
    pooch.get_logger().setLevel("WARNING")
    problems: list[FirebitError] = []
    for url in download.urls:
        meter = _Meter(download.name, report)
        downloader = pooch.HTTPDownloader(progressbar=meter, chunk_size=_CHUNK, timeout=_TIMEOUT)
        try:
            path = pooch.retrieve(url, download.checksum, download.name, workshop, downloader=downloader)
        except RequestException as error:
            problems.append(_unreachable(url, error))
        except ValueError:  # pooch: another checksum; the meter: too long
            problems.append(_not_genuine(url))
        else:
            return Path(path)
    raise next((problem for problem in problems if isinstance(problem, DataError)), problems[-1])


def _unreachable(url: str, error: Exception) -> UnavailableError:
    reason = type(error).__name__ if len(str(error)) > 100 else str(error)
    return UnavailableError(
        f"{url} cannot be reached: {reason}.",
        "Check the network, or copy the file here by other means and run the command with --from DIR.",
    )


def _not_genuine(url: str) -> DataError:
    return DataError(
        f"{url} serves a file that does not have the published checksum.",
        "Try again later, or copy the file here by other means and run the command with --from DIR.",
    )


class _Meter:
    """What pooch calls a progress bar: counts bytes, and stops a download that does not end."""

    def __init__(self, name: str, report: Progress) -> None:
        self.name = name
        self.total = 0
        self._report = report
        self._done = 0

    def update(self, count: int) -> None:
        self._done += count
        if self._done > LARGEST_DOWNLOAD:
            raise ValueError(f"more than {LARGEST_DOWNLOAD} bytes")
        self._report(self.name, min(self._done, self.total) if self.total else self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Nothing to close."""


def _take(download: Download, source: Path, ready: Path, report: Progress) -> None:
    """Take the members of a download from files on the disk: unpacked, else packed."""
    found = {member: _find(member, download, source) for member in download.members}
    if all(found.values()):
        for member, path in found.items():
            if path is not None:
                with _reading(path) as stream:
                    _keep(stream, member, path, ready, report)
        return
    archive = source / download.name
    if download.archive_folder is None or not archive.is_file():
        missing = next(member.name for member, path in found.items() if path is None)
        raise DataError(
            f"{source} holds neither {missing} nor {download.name}.", f"Get it from {download.urls[0]} first."
        )
    if not _matches(archive, download.checksum):
        raise DataError(f"{archive} does not have the published checksum.", f"Get it from {download.urls[0]} again.")
    _unpack(archive, download, ready, report)


def _find(member: Member, download: Download, source: Path) -> Path | None:
    names = [member.name, member.name.replace("-idx", ".idx")]
    names += [f"{name}.gz" for name in names]
    folders = [source] if download.archive_folder is None else [source, source / download.archive_folder]
    candidates = (folder / name for folder in folders for name in names)
    return next((path for path in candidates if path.is_file()), None)


def _unpack(packed: Path, download: Download, ready: Path, report: Progress) -> None:
    """Unpack a file whose checksum is known to be right."""
    if download.archive_folder is None:
        with _reading(packed) as stream:
            _keep(stream, download.members[0], packed, ready, report)
        return
    wanted = {f"{download.archive_folder}/{member.name}": member for member in download.members}
    try:
        with tarfile.open(packed, "r|gz") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isreg() and entry.name in wanted else None
                if content:
                    _keep(content, wanted.pop(entry.name), packed, ready, report)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{packed} cannot be unpacked: {error}", f"Get it from {download.urls[0]} again.") from error
    if wanted:
        raise DataError(f"{packed} does not hold {min(wanted)}.", f"Get it from {download.urls[0]} again.")


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        with contextlib.closing(_open(path)) as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} cannot be unpacked: {error}", "Copy or download the file again.") from error


def _keep(stream: IO[bytes], member: Member, origin: Path, ready: Path, report: Progress) -> None:
    """Write a member, reading one byte more than it should have and no further, and check it."""
    algorithm, expected = member.checksum.split(":")
    digest, done = hashlib.new(algorithm), 0
    with (ready / member.name).open("xb") as target:
        while done <= member.size and (piece := stream.read(min(_CHUNK, member.size + 1 - done))):
            target.write(piece)
            digest.update(piece)
            done += len(piece)
            report(member.name, min(done, member.size), member.size)
        target.flush()
        os.fsync(target.fileno())
    if done != member.size or digest.hexdigest() != expected:
        raise DataError(
            f"{origin}: {member.name} does not have the published size and checksum.",
            "Copy or download the file again.",
        )
