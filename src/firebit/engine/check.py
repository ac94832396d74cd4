"""What every record of a plan is checked with: a plan that exists is a plan that runs.

The limits are those of a picture, whatever the batch. They leave room for networks several times those in use, and
keep what a small file can ask for within what a small machine has: about a gigabyte, and minutes.
"""

from typing import TypeGuard

from firebit.errors import ModelFileError

MOST_CELLS = 1 << 24
"""The most cells of one map or vector, all channels, padding included: of the input, the sums or values of a layer."""

LONGEST_SIDE = 1 << 16
"""The longest side of a map, padding included."""

MOST_VALUES = 1 << 26
"""The most values that the input and all hidden layers have together."""

MOST_COLUMNS = 1 << 26
"""The most cells under all placements of a convolution's kernel, of one group."""

MOST_GROUPS = 1 << 14
"""The most groups of a convolution."""

LARGEST_WINDOW = 1 << 16
"""The most cells of a pooling window."""

MOST_WINDOW_CLASSES = 10_000
"""The most classes of window of one pooling."""

MOST_WORK = 1 << 38
"""The most multiply-accumulates and cells under pooling windows, all layers together."""

MOST_LAYERS = 1 << 12
"""The most hidden layers."""

MOST_TERMS = 1_000
"""The most terms of a layer."""

LONGEST_NAME = 500
"""The most characters in the name of a layer or class."""

LARGEST_SUM = 2**31 - 2
"""Integer sums stay in −(2³¹−2) … 2³¹−2, so that a threshold one beyond them is an int32 too."""

_REMEDY = "Restore the file from a copy, or compile the network again."
_LONGEST_PROBLEM = 700


def check(holds: bool, problem: str) -> None:
    """Refuse a plan of which something does not hold.

    Raises:
        ModelFileError: `holds` is false; `problem` says what is wrong.
    """
    if not holds:
        raise ModelFileError(f"The plan is not valid: {one_line(problem)}.", _REMEDY)


def is_count(value: object, least: int) -> TypeGuard[int]:
    """Whether `value` is an int (no bool) from `least` to :data:`MOST_CELLS`."""
    return type(value) is int and least <= value <= MOST_CELLS


def is_name(value: object) -> TypeGuard[str]:
    """Whether `value` is a text of 1 … :data:`LONGEST_NAME` characters that UTF-8 can write."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and _has_utf8(value)


def one_line(text: str) -> str:
    """A text that may quote a file, as one line of bounded length."""
    line = " ".join(text[: 2 * _LONGEST_PROBLEM].split())
    return line if len(line) <= _LONGEST_PROBLEM else f"{line[:_LONGEST_PROBLEM]}…"


def _has_utf8(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)
