"""What a command is doing right now, shown on the error stream."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Show what is being done, where the error stream is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what: None
        return
    with console.status("reading") as shown:
        yield lambda what: shown.update(what)
