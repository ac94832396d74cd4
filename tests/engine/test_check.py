"""What plans are checked with, and that the page of the documentation tells the same limits."""

import re
from pathlib import Path

import pytest

from firebit.engine import check as limits
from firebit.engine.check import LONGEST_NAME, MOST_CELLS, check, is_count, is_name, one_line
from firebit.errors import ModelFileError

PAGE = Path(__file__).parents[2] / "docs" / "plan.md"


def test_what_holds_passes() -> None:
    check(True, "never said")


def test_what_does_not_hold_is_a_model_file_error_of_two_lines() -> None:
    with pytest.raises(ModelFileError) as caught:
        check(False, "a name\nof two lines")
    assert caught.value.problem == "The plan is not valid: a name of two lines."
    assert caught.value.exit_code == 4
    assert len(str(caught.value).splitlines()) == 2


def test_problems_stay_short_whatever_they_quote() -> None:
    assert len(one_line("x" * 10**6)) < 1000
    assert one_line(" a\n\tb ") == "a b"


@pytest.mark.parametrize(
    ("value", "least", "holds"),
    [
        (0, 0, True),
        (0, 1, False),
        (MOST_CELLS, 1, True),
        (MOST_CELLS + 1, 1, False),
        (10**4000, 0, False),
        (-1, 0, False),
        (True, 0, False),
        (1.0, 0, False),
        ("1", 0, False),
        (None, 0, False),
        ([1], 0, False),
    ],
)
def test_counts(value: object, least: int, holds: bool) -> None:
    assert is_count(value, least) is holds


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("conv1", True),
        ("層 1\n", True),
        ("x" * LONGEST_NAME, True),
        ("x" * (LONGEST_NAME + 1), False),
        ("", False),
        ("a\ud800", False),
        (None, False),
        (b"conv1", False),
    ],
)
def test_names(value: object, holds: bool) -> None:
    assert is_name(value) is holds


def test_the_page_tells_the_limits_of_the_code() -> None:
    rows = re.findall(r"\| `(\w+)` \| ([\d,]+) \|", PAGE.read_text("utf-8"))
    public = {name for name in vars(limits) if name.isupper() and not name.startswith("_")}
    assert {name: int(digits.replace(",", "")) for name, digits in rows} == {n: getattr(limits, n) for n in public}
