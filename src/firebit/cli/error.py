"""How an error looks on the terminal: what is wrong, and what to do about it."""

from typing import TYPE_CHECKING

from firebit.errors import FirebitError

if TYPE_CHECKING:
    from rich.text import Text


def print_error(error: FirebitError) -> None:
    """Print both lines of an error on the error stream."""
    from rich.text import Text

    print_problem(error)
    _print(Text.assemble(("  → ", "bold"), printable(error.remedy)))


def print_problem(error: FirebitError) -> None:
    """Print only what is wrong, for one of many that go wrong alike: the remedy follows once, for all."""
    from rich.text import Text

    _print(Text.assemble(("error: ", "bold red"), printable(error.problem)))


def printable(text: str) -> str:
    """Text as one line that any terminal can show: what is not printable is written as Python writes it."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _print(line: "Text") -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=True).print(line)
