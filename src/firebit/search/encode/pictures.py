"""Which pictures a folder, tar archives or a known data set hold, and how one is read."""

import tarfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firebit.data.folder import SUFFIXES
from firebit.data.picture import decode, read_pixels
from firebit.errors import DataError, UsageError
from firebit.search.store.arguments import is_id

if TYPE_CHECKING:
    from firebit.data import ImageSet

ARCHIVE = ".tar"
_SETS = ("train", "test")
_MOST_BYTES = 1 << 28


class Picture(NamedTuple):
    """Where a picture is.

    Attributes:
        id: its path from the source, with slashes.
        label: the innermost folder that it is in, or its class in a data set; "" where there is none.
        file: the file, or the archive that has it, or the name of a data set.
        start: of its bytes in an archive, or its number in a data set; −1: it is a file of its own.
        size: bytes in an archive; 0 elsewhere.
    """

    id: str
    label: str
    file: str
    start: int = -1
    size: int = 0

    @property
    def is_ready(self) -> bool:
        """Whether it is of a data set, and need not be decoded."""
        return self.start >= 0 and not self.size


def find(source: str | Path) -> list[Picture]:
    """All pictures of a source, in the order of their ids.

    Args:
        source: a folder, searched with all folders below it; a tar archive or a folder of some; or the name of a known
            data set, of which both parts are taken. What begins with a dot is left out.

    Raises:
        DataError: there is no such source, it cannot be read, or it has no pictures.
    """
    path = Path(source)
    if path.is_dir():
        archives = sorted(each for each in path.iterdir() if each.suffix == ARCHIVE and each.is_file())
        found = list(_in_archives(archives) if archives else _in_folder(path))
    elif path.suffix == ARCHIVE and path.is_file():
        found = list(_in_archives([path]))
    else:
        found = list(_in_data_set(str(source)))
    if not found:
        raise DataError(f"There is no picture in {source}.", "Give a folder of PNG or JPEG files, or tar archives.")
    found.sort(key=lambda picture: picture.id)
    _check_different(found, source)
    return found


def pixels(picture: Picture, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The pixels of a picture, brought to a network's size: uint8 of that shape.

    Raises:
        DataError: it cannot be read, or its name can be no id.
        UsageError: the pictures of a data set have another shape.
    """
    if not is_id(picture.id):
        raise DataError(f"{picture.id!a}: the name is not UTF-8, or too long.", "Rename the file.")
    grey, size = shape[0] == 1, (shape[2], shape[1])
    if picture.start < 0:
        return read_pixels(Path(picture.file), grey, size)
    if picture.is_ready:
        found = _image(picture.file, picture.start)
        if found.shape != shape:
            raise UsageError(
                f"{picture.file} has pictures of {found.shape}, the network takes {shape}.", "Choose others."
            )
        return found
    return _archived(picture, grey, size)


def _in_folder(folder: Path) -> Iterator[Picture]:
    for path in folder.rglob("*"):
        below = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in below.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield Picture(below.as_posix(), below.parent.name, str(path))


def _in_archives(archives: Iterable[Path]) -> Iterator[Picture]:
    for archive in archives:
        try:
            with tarfile.open(archive, "r:") as tar:
                for member in tar:
                    name = PurePosixPath(member.name)
                    if member.isreg() and name.suffix.lower() in SUFFIXES and not name.name.startswith("."):
                        ident = f"{archive.name}/{name}"
                        yield Picture(ident, name.parent.name, str(archive), member.offset_data, max(1, member.size))
        except (tarfile.TarError, OSError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{archive} is no whole tar archive: {reason}.", "Restore it, or make it again.") from error


def _in_data_set(name: str) -> Iterator[Picture]:
    from firebit.data import names

    if name not in names():
        raise DataError(f"There is no folder, archive or data set {name}.", "Check the path.")
    at = 0
    for split, part in zip(_SETS, _loaded(name), strict=True):
        for number, label in enumerate(part.labels.tolist()):
            yield Picture(f"{split}/{number:07}", part.classes[label], name, at + number)
        at += len(part)


@lru_cache(maxsize=1)
def _loaded(name: str) -> "tuple[ImageSet, ...]":
    from firebit.data import load

    return tuple(load(name, split) for split in _SETS)


def _image(name: str, number: int) -> NDArray[np.uint8]:
    """A picture of a data set, its parts counted one after the other."""
    first, second = _loaded(name)
    part, at = (first, number) if number < len(first) else (second, number - len(first))
    found: NDArray[np.uint8] = part.images[at]
    return found


def _archived(picture: Picture, grey: bool, size: tuple[int, int]) -> NDArray[np.uint8]:
    if picture.size > _MOST_BYTES:
        raise DataError(f"{picture.id} has {picture.size:,} bytes.", f"The limit is {_MOST_BYTES:,} bytes.")
    with Path(picture.file).open("rb") as file:
        file.seek(picture.start)
        content = file.read(picture.size)
    return decode(content, picture.id, grey, size)


def _check_different(found: list[Picture], source: str | Path) -> None:
    for one, other in pairwise(found):
        if one.id == other.id:
            raise DataError(f"{source} has two pictures {one.id!r}.", "Rename one of them.")
