"""Tables on the terminal, and in files and pipes, which have no width to fit."""

from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 200


def show(table: Table) -> None:
    """Print a table; where the output is no terminal, without folding it to the width of no window."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    console.print(table, markup=False, highlight=False)
