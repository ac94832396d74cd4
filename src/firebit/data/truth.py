"""The ground truth of ILSVRC's validation pictures, which lie in one folder, from Kaggle's table or the devkit."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firebit.data.classes import read_classes
from firebit.errors import DataError

_TABLE = "LOC_val_solution.csv"
_DEVKIT = "ILSVRC2012_validation_ground_truth.txt"
_MAP = "map_clsloc.txt"
_LARGEST_FILE = 64 << 20
_NUMBER = re.compile(r"_(\d{1,12})\.[A-Za-z]+$")


@dataclass(frozen=True)
class Truth:
    """Classes by file.

    Attributes:
        file: where they come from.
        by_name: class of a file by its name without ending; Kaggle's table.
        by_number: class of the files …_00000001, …_00000002 and so on; the devkit.
    """

    file: Path
    by_name: dict[str, str]
    by_number: tuple[str, ...] = ()

    def of(self, name: str) -> str | None:
        """The class of a file; None where it is not told."""
        if not self.by_number:
            return self.by_name.get(name.rpartition(".")[0])
        found = _NUMBER.search(name)
        number = int(found[1]) if found else 0
        return self.by_number[number - 1] if 1 <= number <= len(self.by_number) else None


def find_truth(root: Path, classes: Path | None = None) -> Truth | None:
    """Look for ground truth in `root`, in a devkit in it, and in the three folders above.

    Kaggle's LOC_val_solution.csv names wnids. The devkit's ILSVRC2012_validation_ground_truth.txt has numbers 1 … 1000
    in an order of its own, which is not the sorted one: it is read where map_clsloc.txt lies beside it, or `classes` is
    in that order.

    Raises:
        DataError: what was found is damaged, or its numbers cannot be told apart.
    """
    places = list(_places(root))
    for place in places:
        if (table := place / _TABLE).is_file():
            return Truth(table, _read_table(table))
    for place in places:
        if (numbers := place / _DEVKIT).is_file():
            return Truth(numbers, {}, _read_numbers(numbers, classes))
    return None


def _places(root: Path) -> Iterator[Path]:
    resolved = root.resolve()
    for place in (resolved, *list(resolved.parents)[:3]):
        yield place
        for devkit in sorted(place.glob("*devkit*")):
            yield devkit
            yield devkit / "data"


def _lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise DataError(f"{file} is too large for a ground truth.", "Give the one of ILSVRC.")
        return file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise DataError(f"Cannot read {file}: {reason}.", "Give the one of ILSVRC.") from error


def _read_table(file: Path) -> dict[str, str]:
    found = {}
    for row in csv.reader(_lines(file)[1:]):
        if len(row) < 2 or not row[1].split():
            raise DataError(
                f"{file} has a line {','.join(row)!r}.", "Give it as ILSVRC has it: ImageId,PredictionString."
            )
        found[row[0]] = row[1].split()[0]
    return found


def _read_numbers(file: Path, classes: Path | None) -> tuple[str, ...]:
    names = _numbered(file.with_name(_MAP)) if file.with_name(_MAP).is_file() else _in_devkit_order(file, classes)
    found = []
    for line, text in enumerate(_lines(file), 1):
        if not text.strip().isdecimal() or not 1 <= int(text) <= len(names):
            raise DataError(
                f"{file}, line {line}: {text[:40]!r} is no number from 1 to {len(names)}.", "Give the one of ILSVRC."
            )
        found.append(names[int(text) - 1])
    return tuple(found)


def _numbered(file: Path) -> tuple[str, ...]:
    """Classes by number of map_clsloc.txt, lines `WNID NUMBER NAME`."""
    words = [line.split() for line in _lines(file) if line.strip()]
    by_number = {int(each[1]): each[0] for each in words if len(each) >= 2 and each[1].isdecimal()}
    if len(by_number) != len(words) or sorted(by_number) != list(range(1, len(words) + 1)):
        raise DataError(f"{file} does not number its classes 1, 2, 3 ….", "Give the one of ILSVRC's devkit.")
    return tuple(by_number[number] for number in range(1, len(words) + 1))


def _in_devkit_order(file: Path, classes: Path | None) -> tuple[str, ...]:
    names = read_classes(classes).names if classes else ()
    if not names or list(names) == sorted(names):
        what = f"{classes} is sorted, which the devkit's numbers are not" if names else f"there is no {_MAP} beside it"
        raise DataError(
            f"{file} has numbers of classes, and {what}.",
            f"Put {_MAP} of the devkit beside it, or give the classes in the devkit's order with --classes FILE.",
        )
    return names
