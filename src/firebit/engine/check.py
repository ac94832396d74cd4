"""What every record of a plan is checked with: a plan that exists is a plan that runs."""

from typing import TypeGuard

from firebit.errors import ModelFileError

MOST_CELLS = 1 << 24
"""The most values in one activation of one picture."""

LONGEST_SIDE = 1 << 16
"""The longest side of a map, padding included."""

LARGEST_SUM = 2**31 - 2
"""Integer sums stay in −(2³¹−2) … 2³¹−2, so that a threshold one beyond them is an int32 too."""

_REMEDY = "Restore the file from a copy, or compile the network again."


def check(holds: bool, problem: str) -> None:
    """Refuse a plan of which something does not hold.

    Raises:
        ModelFileError: `holds` is false; `problem` says what is wrong.
    """
    if not holds:
        raise ModelFileError(f"The plan is not valid: {problem}.", _REMEDY)


def is_count(value: object, least: int) -> TypeGuard[int]:
    """Whether `value` is an int (no bool) from `least` to :data:`MOST_CELLS`."""
    return type(value) is int and least <= value <= MOST_CELLS
