"""Fetching from a server on this machine and from folders: checked, and whole or not at all."""

import contextlib
import errno
import gzip
import hashlib
import http.server
import io
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firebit.data import fetch
from firebit.data.fetch import is_whole
from firebit.data.sources import SOURCES, Download, Member
from firebit.errors import DataError, FirebitError, UnavailableError, UsageError

# The function of the same name hides the module from an ordinary import.
MODULE = sys.modules["firebit.data.fetch"]

CONTENTS = {"train-images-idx3-ubyte": b"pictures" * 50, "train-labels-idx1-ubyte": b"labels" * 9}
BATCHES = {"data_batch_1.bin": b"first" * 400, "test_batch.bin": b"last" * 300}


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def member(name: str, content: bytes) -> Member:
    return Member(name, len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")


def tar(entries: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in CONTENTS.items()}
ARCHIVE = tar(
    {
        "cifar-10-batches-bin/readme.html": b"not kept",
        **{f"cifar-10-batches-bin/{name}": content for name, content in BATCHES.items()},
        "../../escaped.bin": b"never written",
        "/tmp/data_batch_1.bin": b"never written",
    }
)


class Server:
    """What a mirror serves, and what was asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.address = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            content = state.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.address = f"http://127.0.0.1:{running.server_port}"
        yield state
        running.shutdown()
        thread.join()


def mnist(*addresses: str) -> tuple[Download, ...]:
    return tuple(
        Download(
            tuple(f"{address}/{name}.gz" for address in addresses), md5(PACKED[f"{name}.gz"]), (member(name, content),)
        )
        for name, content in CONTENTS.items()
    )


def cifar(address: str, archive: bytes = ARCHIVE) -> tuple[Download, ...]:
    members = tuple(member(name, content) for name, content in BATCHES.items())
    return (Download((f"{address}/cifar-10-binary.tar.gz",), md5(archive), members, "cifar-10-batches-bin"),)


@pytest.fixture
def mirrored(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setitem(SOURCES, "mnist", mnist(f"{server.address}/a", f"{server.address}/b"))
    monkeypatch.setitem(SOURCES, "cifar10", cifar(server.address))
    for name, content in PACKED.items():
        server.files[f"/a/{name}"] = server.files[f"/b/{name}"] = content
    server.files["/cifar-10-binary.tar.gz"] = ARCHIVE
    return server


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def everything(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_downloads_gzipped_files(mirrored: Server, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    where = fetch("mnist", tmp_path / "new" / "root", progress=lambda *call: calls.append(call))
    assert where == tmp_path / "new" / "root" / "mnist"
    assert contents(where) == CONTENTS
    assert everything(where.parent) == ["mnist", *(f"mnist/{name}" for name in sorted(CONTENTS))]
    for name, content in {**CONTENTS, **PACKED}.items():
        assert (name, len(content), len(content)) in calls
    assert all(0 <= done <= total for _, done, total in calls)


def test_downloads_an_archive_and_takes_only_what_it_knows(mirrored: Server, tmp_path: Path) -> None:
    where = fetch("cifar10", tmp_path / "root")
    assert contents(where) == BATCHES
    assert everything(tmp_path)[:2] == ["root", "root/cifar-10-batches-bin"]
    assert len(everything(tmp_path)) == 4


def test_what_is_whole_is_not_downloaded_again(mirrored: Server, tmp_path: Path) -> None:
    assert not is_whole("mnist", tmp_path)
    fetch("mnist", tmp_path)
    assert is_whole("mnist", tmp_path)
    mirrored.asked.clear()
    fetch("mnist", tmp_path)
    assert mirrored.asked == []
    path = tmp_path / "mnist" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (path.parent / "notes.txt").write_text("mine")
    assert not is_whole("mnist", tmp_path)
    fetch("mnist", tmp_path)
    # Repaired, and what else lies there is left alone.
    assert contents(path.parent) == CONTENTS | {"notes.txt": b"mine"}


def test_the_second_mirror_helps_out(mirrored: Server, tmp_path: Path) -> None:
    del mirrored.files["/a/train-images-idx3-ubyte.gz"]
    mirrored.files["/a/train-labels-idx1-ubyte.gz"] = gzip.compress(b"changed")
    assert contents(fetch("mnist", tmp_path)) == CONTENTS
    assert [path[:2] for path in mirrored.asked] == ["/a", "/b"] * 2


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Port 9 of this machine: nothing listens, a refusal comes at once.
    monkeypatch.setitem(SOURCES, "mnist", mnist("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"))
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9/b/train-images.* cannot be reached") as caught:
        fetch("mnist", tmp_path / "root")
    assert caught.value.exit_code == 6
    assert "--from DIR" in caught.value.remedy
    assert "\n" not in caught.value.problem
    assert everything(tmp_path) == ["root"]


def test_a_file_that_is_gone_from_every_mirror(mirrored: Server, tmp_path: Path) -> None:
    del mirrored.files["/cifar-10-binary.tar.gz"]
    with pytest.raises(UnavailableError, match=r"cifar-10-binary\.tar\.gz cannot be reached: 404"):
        fetch("cifar10", tmp_path / "root")
    assert everything(tmp_path) == ["root"]


def test_a_file_that_was_changed(mirrored: Server, tmp_path: Path) -> None:
    mirrored.files["/cifar-10-binary.tar.gz"] = ARCHIVE[:-1] + b"x"
    with pytest.raises(DataError, match="does not have the published checksum"):
        fetch("cifar10", tmp_path / "root")
    assert everything(tmp_path) == ["root"]


def test_the_second_of_two_files_fails(mirrored: Server, tmp_path: Path) -> None:
    """Nothing half-written: the first file, although right, is not kept either."""
    for mirror in "ab":
        del mirrored.files[f"/{mirror}/train-labels-idx1-ubyte.gz"]
    with pytest.raises(UnavailableError):
        fetch("mnist", tmp_path / "root")
    assert everything(tmp_path) == ["root"]


def test_a_download_that_does_not_end(mirrored: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "LARGEST_DOWNLOAD", 1000)
    with pytest.raises(DataError, match="published checksum"):
        fetch("cifar10", tmp_path / "root")
    assert everything(tmp_path) == ["root"]


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (tar({"cifar-10-batches-bin/test_batch.bin": BATCHES["test_batch.bin"]}), "does not hold .*data_batch_1"),
        (tar({}, {f"cifar-10-batches-bin/{name}": "/etc/hostname" for name in BATCHES}), "does not hold"),
        (tar({f"cifar-10-batches-bin/{name}": b"other" for name in BATCHES}), "published size and checksum"),
        (tar({f"cifar-10-batches-bin/{name}": bytes(10**7) for name in BATCHES}), "published size and checksum"),
        (ARCHIVE[:-40], "cannot be unpacked"),
        (b"no archive", "cannot be unpacked"),
    ],
)
def test_archives_that_are_not_what_they_should_be(
    mirrored: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bytes, words: str
) -> None:
    """Also behind a right checksum a member is taken only whole, regular and under its exact name."""
    monkeypatch.setitem(SOURCES, "cifar10", cifar(mirrored.address, archive))
    mirrored.files["/cifar-10-binary.tar.gz"] = archive
    with pytest.raises(DataError, match=words):
        fetch("cifar10", tmp_path / "root")
    assert everything(tmp_path) == ["root"]


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_from_a_folder_of_idx_files(mirrored: Server, tmp_path: Path, packed: bool, dotted: bool) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, content in CONTENTS.items():
        target = source / ((name.replace("-idx", ".idx") if dotted else name) + (".gz" if packed else ""))
        # Packed anew: what counts is what is inside.
        target.write_bytes(gzip.compress(content, 1) if packed else content)
    assert contents(fetch("mnist", tmp_path / "root", source)) == CONTENTS
    assert mirrored.asked == []


@pytest.mark.parametrize("kind", ["archive", "unpacked", "unpacked below"])
def test_from_a_folder_of_cifar_files(mirrored: Server, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    folder = source / "cifar-10-batches-bin" if kind == "unpacked below" else source
    folder.mkdir(parents=True)
    files = {"cifar-10-binary.tar.gz": ARCHIVE} if kind == "archive" else BATCHES
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert contents(fetch("cifar10", tmp_path / "root", source)) == BATCHES
    assert mirrored.asked == []


@pytest.mark.parametrize(
    ("name", "files", "words"),
    [
        ("mnist", {}, "holds neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"),
        ("mnist", {"train-images-idx3-ubyte": b"other"}, "published size and checksum"),
        ("mnist", {"train-images-idx3-ubyte": CONTENTS["train-images-idx3-ubyte"] + b"x"}, "published size"),
        ("mnist", {"train-images-idx3-ubyte.gz": b"no gzip"}, "cannot be unpacked"),
        ("mnist", {"train-images-idx3-ubyte.gz": PACKED["train-images-idx3-ubyte.gz"][:-9]}, "cannot be unpacked"),
        ("mnist", {"train-images-idx3-ubyte.gz": gzip.compress(bytes(10**7))}, "published size"),
        ("cifar10", {"data_batch_1.bin": BATCHES["data_batch_1.bin"]}, "holds neither test_batch.bin nor cifar-10"),
        ("cifar10", {"cifar-10-binary.tar.gz": ARCHIVE[:-1]}, "does not have the published checksum"),
    ],
)
def test_from_a_folder_that_is_wrong(
    mirrored: Server, tmp_path: Path, name: str, files: dict[str, bytes], words: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for file, content in files.items():
        (source / file).write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        fetch(name, tmp_path / "root", source)
    assert str(source) in caught.value.problem
    assert everything(tmp_path / "root") == []
    assert mirrored.asked == []


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'mnits'"):
        fetch("mnits", tmp_path)
    with pytest.raises(UsageError, match="nothing is no folder"):
        fetch("mnist", tmp_path, tmp_path / "nothing")
    assert (fetch("digits") / "README.md").is_file()
    assert is_whole("digits")


def test_a_full_disk(mirrored: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(MODULE.os, "fsync", full)
    with pytest.raises(FirebitError, match="No space left to write mnist") as caught:
        fetch("mnist", tmp_path / "root")
    assert "--root" in caught.value.remedy
    assert everything(tmp_path) == ["root"]


def test_a_root_that_cannot_be_written(mirrored: Server, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    with pytest.raises(UsageError, match="mnist cannot be brought to"):
        fetch("mnist", tmp_path / "root")


def test_an_interruption_leaves_nothing(mirrored: Server, tmp_path: Path) -> None:
    def interrupt(name: str, done: int, total: int) -> None:
        if name == "train-labels-idx1-ubyte":
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        fetch("mnist", tmp_path / "root", progress=interrupt)
    assert everything(tmp_path) == ["root"]


def test_without_pooch(mirrored: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(UsageError, match="pooch") as caught:
        fetch("mnist", tmp_path / "root")
    assert "firebit[train]" in caught.value.remedy
    source = tmp_path / "source"
    source.mkdir()
    for name, content in CONTENTS.items():
        (source / name).write_bytes(content)
    assert contents(fetch("mnist", tmp_path / "root", source)) == CONTENTS
