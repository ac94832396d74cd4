"""Errors on the terminal: two lines, whatever they name."""

import pytest

from firebit.cli.error import print_error, print_problem, printable
from firebit.errors import DataError, FirebitError


def test_both_lines_go_to_the_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(DataError("It is wrong.", "Make it right."))
    assert capsys.readouterr() == ("", "error: It is wrong.\n  → Make it right.\n")


def test_the_problem_alone(capsys: pytest.CaptureFixture[str]) -> None:
    print_problem(DataError("It is wrong.", "Make it right."))
    assert capsys.readouterr() == ("", "error: It is wrong.\n")


@pytest.mark.parametrize(
    "text", ["[bold]a[/bold].png", "https://a.b/c", "many " * 100 + "words.", ":smile: 1 'x' None"]
)
def test_text_is_shown_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_error(FirebitError(text, text))
    assert capsys.readouterr().err == f"error: {text}\n  → {text}\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer, 猫 → 7", "plain, größer, 猫 → 7"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\0b", "a\\x00b"),
        ("\udcff\u202e\u2028", "\\udcff\\u202e\\u2028"),
        ("", ""),
    ],
)
def test_what_is_not_printable_is_spelled_out(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printable(text) == shown
    print_error(FirebitError(text, text))
    assert capsys.readouterr().err == f"error: {shown}\n  → {shown}\n"
