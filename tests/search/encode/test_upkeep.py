"""Stores that follow a folder: only what is new or changed is encoded, and a stop loses nothing."""

import os
import shutil
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import firebit as fb
from firebit.errors import DataError
from firebit.pretrained import find as model_file
from firebit.search import CodeStore
from firebit.search.encode import Progress, Update, find, update, upkeep
from firebit.search.encode.encoded import Coder, Encoded

LENET = model_file("mnist-lenet")
NETWORK = fb.load(LENET)
DIGITS = fb.data.load("digits", "test").images


def picture(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(DIGITS[number, 0]).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten digits in two folders, and a file that is no picture."""
    for number in range(10):
        picture(tmp_path / "photos" / ("a", "b\n'\"")[number % 2] / f"{number}.png", number)
    (tmp_path / "photos" / "torn\n.png").write_bytes(b"torn")
    return tmp_path / "photos"


class Counting(Coder):
    """A coder that counts what it encodes."""

    seen: list[str]

    def __call__(self, pictures: object) -> Encoded:
        found = super().__call__(pictures)  # type: ignore[arg-type]
        self.seen += [each.id for each in found.pictures]
        return found


@pytest.fixture
def seen() -> list[str]:
    """Ids of what was encoded."""
    return []


@pytest.fixture
def follow(tmp_path: Path, seen: list[str]) -> Callable[..., Update]:
    def work(source: str | Path, report: Callable[[Progress], None] = lambda _: None, **options: bool) -> Update:
        def begin() -> Coder:
            coder = Counting(str(LENET), NETWORK.layers[-1])
            coder.seen = seen
            return coder

        with CodeStore.open(tmp_path / "codes.db", encoder=NETWORK) as store:
            return update(store, source, find(source), begin, 1, report, **options)

    return work


def counts(done: Update) -> tuple[int, int, int, int, int]:
    return done.new, done.changed, done.unchanged, done.removed, len(done.bad)


def test_what_is_there_is_left_as_it_is(follow: Callable[..., Update], photos: Path, seen: list[str]) -> None:
    told: list[Progress] = []
    assert counts(follow(photos, told.append)) == (10, 0, 0, 0, 1)
    assert [(each.done, each.total, each.bad) for each in told] == [(11, 11, 1)]
    assert len(seen) == 10
    assert counts(follow(photos)) == (0, 0, 10, 0, 1)
    assert len(seen) == 10


def test_codes_are_those_of_the_network(follow: Callable[..., Update], photos: Path, tmp_path: Path) -> None:
    follow(photos)
    with CodeStore.open(tmp_path / "codes.db") as store:
        names = store.ids()
        assert names == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("?.png"))
        for item in store.get(names):
            assert item is not None
            assert np.array_equal(item.code, NETWORK.codes(photos / item.id)[0])
            assert item.payload["path"] == str(photos / item.id)


def test_size_or_time_tell_that_a_picture_changed(
    follow: Callable[..., Update], photos: Path, tmp_path: Path, seen: list[str]
) -> None:
    follow(photos)
    seen.clear()
    state = (photos / "a" / "0.png").stat()
    os.utime(photos / "a" / "0.png", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    picture(photos / "a" / "2.png", 7)
    picture(photos / "a" / "new.png", 3)
    assert counts(follow(photos)) == (1, 2, 8, 0, 1)
    assert sorted(seen) == ["a/0.png", "a/2.png", "a/new.png"]
    with CodeStore.open(tmp_path / "codes.db") as store:
        (item,) = store.get(["a/2.png"])
        assert item is not None and np.array_equal(item.code, NETWORK.codes(DIGITS[7])[0])


def test_pruning_removes_what_is_no_more_of_this_source_alone(
    follow: Callable[..., Update], photos: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    picture(other / "z.png", 1)
    follow(photos)
    follow(other)
    (photos / "a" / "0.png").unlink()
    (photos / "a" / "2.png").write_bytes(b"no picture any more")
    assert counts(follow(photos)) == (0, 0, 8, 0, 2)
    assert counts(follow(photos, prune=True)) == (0, 0, 8, 2, 2)
    with CodeStore.open(tmp_path / "codes.db") as store:
        assert len(store) == 9 and "z.png" in store.ids()


def test_a_stopped_call_goes_on(
    follow: Callable[..., Update], photos: Path, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PER_SHARD", 4)

    def stop(progress: Progress) -> None:
        if progress.done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(photos, stop)
    assert len(seen) == 8
    assert counts(follow(photos)) == (2, 0, 8, 0, 1)
    assert len(seen) == len(set(seen)) == 10


def test_a_bad_picture_ends_a_strict_call(follow: Callable[..., Update], photos: Path) -> None:
    with pytest.raises(DataError, match="torn"):
        follow(photos, strict=True)
    (photos / "torn\n.png").unlink()
    assert counts(follow(photos, strict=True)) == (0, 0, 10, 0, 0)


def test_archives_and_data_sets(follow: Callable[..., Update], photos: Path, tmp_path: Path, seen: list[str]) -> None:
    archive = tmp_path / "photos.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(photos / "a", "a")
    assert counts(follow(archive)) == (5, 0, 0, 0, 0)
    assert counts(follow(archive)) == (0, 0, 5, 0, 0)
    os.utime(archive, (1, 1))
    assert counts(follow(archive)) == (0, 5, 0, 0, 0)
    assert follow("digits").new == follow("digits").unchanged > 1000


def test_a_folder_that_moved_is_another_source(follow: Callable[..., Update], photos: Path, tmp_path: Path) -> None:
    follow(photos)
    shutil.move(photos, tmp_path / "elsewhere")
    assert counts(follow(tmp_path / "elsewhere")) == (0, 10, 0, 0, 1)


def test_processes_do_the_same(photos: Path, tmp_path: Path) -> None:
    begin = partial(Coder, str(LENET), NETWORK.layers[-1])
    with CodeStore.open(tmp_path / "codes.db", encoder=NETWORK) as store:
        assert counts(update(store, photos, find(photos), begin, 2, lambda _: None)) == (10, 0, 0, 0, 1)
        assert counts(update(store, photos, find(photos), begin, 2, lambda _: None)) == (0, 0, 10, 0, 1)


def test_a_name_that_is_no_text(follow: Callable[..., Update], photos: Path) -> None:
    shutil.copy(photos / "a" / "0.png", os.fsencode(photos) + b"/\xff.png")
    done = follow(photos)
    assert counts(done) == (10, 0, 0, 0, 2)
    assert any("UTF-8" in each.reason for each in done.bad)
