"""How amounts are written: sizes in memory, counts of multiply-accumulates, and tables of them as plain text."""

from collections import Counter
from collections.abc import Iterable, Mapping
from io import StringIO

from rich.console import Console
from rich.table import Table

REAL_BITS = 32
"""Bits of a real number, whatever its dtype."""

_WIDTH = 160


def in_bytes(bits: int) -> int:
    """The bytes that so many bits take, packed: ⌈bits / 8⌉."""
    return -(-bits // 8)


def total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts by kind, added up, kinds in the order in which they come."""
    found: Counter[str] = Counter()
    for count in counts:
        found.update(count)
    return dict(found)


def size(count: int) -> str:
    """Bytes as text: "1,023 B", "1.0 KiB"."""
    return f"{count:,} B" if count < 1024 else f"{count / 1024:,.1f} KiB"


def macs(counts: Mapping[str, int], between: str = ", ") -> str:
    """Counts by kind as text: "288,000 pixel × real, 5,000 bit × real"."""
    return between.join(f"{count:,} {kind}" for kind, count in counts.items())


def change(before: str, after: str, arrow: str = " → ") -> str:
    """Two amounts as text: "before → after", or just one where they are the same."""
    return before if before == after else f"{before}{arrow}{after}"


def plain(table: Table) -> str:
    """A table as text of a fixed width, without colours; cells as they are written, no markup."""
    console = Console(file=StringIO(), width=_WIDTH, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as text:
        console.print(table)
    return text.get()
