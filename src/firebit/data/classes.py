"""The order of classes: from a file as devkits have it, or sorted; and what names of files tell of their class."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firebit.errors import DataError

_LARGEST_FILE = 16 << 20
_SHOWN = 3
_WNID = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class ClassOrder:
    """Names of classes in the order of the outputs of a network.

    Attributes:
        names: one for each class.
        note: where the order comes from, in a few words.
    """

    names: tuple[str, ...]
    note: str


def read_classes(file: Path) -> ClassOrder:
    """Read the order of classes.

    The first word of each line is the class, as in LOC_synset_mapping.txt (`n01440764 tench, Tinca tinca`), synsets.txt
    and map_clsloc.txt (`n02119789 1 kit_fox`) of ILSVRC; empty lines and lines that begin with # are left out.

    Raises:
        DataError: the file cannot be read, is no text, names a class twice, or fewer than two.
    """
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise DataError(
                f"{file} is too large for a list of classes.", "Give a text file with a class on each line."
            )
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise DataError(f"Cannot read the classes in {file}: {reason}.", "Give a text file.") from error
    words = tuple(line.split()[0] for line in lines if line.strip() and not line.lstrip().startswith("#"))
    twice = [name for name, count in Counter(words).items() if count > 1]
    if twice or len(words) < 2:
        what = f"{twice[0]!r} is there twice" if twice else f"it names {len(words)} of them"
        raise DataError(f"{file} is no list of classes: {what}.", "Give two or more, each on a line of its own.")
    return ClassOrder(words, f"classes in the order of {file.name}")


def order_of(folders: Sequence[str], file: Path | None) -> ClassOrder:
    """The order for class folders: the file's, else sorted.

    Raises:
        DataError: file and folders do not name the same classes.
    """
    if file is None:
        kind = "wnids" if all(_WNID.fullmatch(name) for name in folders) else "names"
        return ClassOrder(tuple(sorted(folders)), f"classes in the order of their sorted {kind}")
    found = read_classes(file)
    check_same(found.names, folders, str(file), "the training folders")
    return found


def check_same(one: Iterable[str], other: Iterable[str], one_name: str, other_name: str) -> None:
    """See that two places have the same classes.

    Raises:
        DataError: they differ; the classes that are in one only are named.
    """
    first, second = set(one), set(other)
    if first == second:
        return
    parts = [
        f"only in {place}: {_few(names)}"
        for place, names in ((one_name, first - second), (other_name, second - first))
        if names
    ]
    raise DataError(f"Classes differ, {'; '.join(parts)}.", "Give both the same classes.")


class NameCheck:
    """Sees that files named after a class, as `n01440764_10026.JPEG`, lie in its folder.

    Args:
        classes: names of all classes.
    """

    def __init__(self, classes: Iterable[str]) -> None:
        self._classes = frozenset(classes)
        self._astray: Counter[tuple[str, str]] = Counter()

    def see(self, folder: str, file: str) -> None:
        """A file in the folder of a class; what its name says of its class is compared."""
        said = file.rpartition("_")[0]
        if said != folder and (said in self._classes or _WNID.fullmatch(said)):
            self._astray[folder, said] += 1

    def see_class(self, folder: str, true: str) -> None:
        """A file in the folder of a class whose true class is known."""
        if true != folder:
            self._astray[folder, true] += 1

    def close(self, place: Path) -> None:
        """Say what was found.

        Raises:
            DataError: files lie in the folder of another class.
        """
        if not self._astray:
            return
        (folder, said), count = self._astray.most_common(1)[0]
        back = self._astray.get((said, folder), 0)
        if back:
            what = f"{folder} and {said} are swapped ({count} and {back} files)"
        else:
            what = f"{folder} holds {count} files of {said}"
        raise DataError(f"{place}: {what}.", "Put every picture into the folder of its class.")


def _few(names: set[str]) -> str:
    shown = sorted(names)[:_SHOWN]
    return ", ".join(shown) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
