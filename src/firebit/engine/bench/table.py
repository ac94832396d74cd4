"""A benchmark as tables, for the terminal and as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from firebit.engine.bench.record import Comparison, Figures, Record

SAME_ARCHITECTURE = "same architecture: how many times faster Firebit is, median over rounds (range)"
SAME_ACCURACY = "same accuracy: against the fastest of the peers' files that are not more accurate"


@dataclass(frozen=True)
class Sheet:
    """A table yet to be drawn: its title, headings and rows of text; the first `left` columns are words."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int

    def rich(self) -> Table:
        """As a rich table."""
        table = Table(title=self.title, title_justify="left")
        for index, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if index < self.left else "right", no_wrap=index >= self.left)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """As a Markdown table under its title."""
        rule = ["---" if index < self.left else "---:" for index in range(len(self.headings))]
        lines = (f"| {' | '.join(row)} |" for row in (self.headings, rule, *self.rows))
        title = self.title[0].upper() + self.title[1:]
        return f"{title}\n\n" + "\n".join(lines) + "\n"


def sheets(record: Record) -> list[Sheet]:
    """All tables of a benchmark that have rows."""
    found = [_contenders(record), _architectures(record), _accuracies(record)]
    return [sheet for sheet in found if sheet.rows]


def notes(record: Record) -> list[str]:
    """What a reader must know, in lines: the machine, the versions, how it was measured, what is wrong."""
    machine = record.machine
    load = "" if machine.load is None else f", load {machine.load:.1f} at the start"
    rounds = f"{record.rounds} rounds of {record.seconds:g} s each, contenders in turns, one process each"
    on = f"{record.pictures:,} pictures of {record.data}" if record.pictures else f"{record.data}: no accuracy"
    versions = {found.contender.peer: found.version for found in record.figures} | {"firebit": record.firebit}
    lines = [
        f"{machine.processor} ({', '.join(machine.instruction_sets) or 'instruction sets not told'}), "
        f"{machine.cores} cores{load}; Firebit's kernels: {machine.native}",
        f"Python {machine.python}; {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"{record.date}; {rounds}; {on}",
        *([record.note] if record.note else []),
    ]
    for found in record.figures:
        if not found.agrees:
            lines.append(
                f"{_name(found)} differs from torch by {found.difference:.2g} of the largest logit: it is left out."
            )
    return lines


def markdown(record: Record) -> str:
    """All tables and notes as Markdown."""
    parts = [sheet.markdown() for sheet in sheets(record)]
    return "\n".join([*parts, "\n".join(f"- {line}" for line in notes(record)) + "\n"])


def setting(batch: int, threads: int) -> str:
    """Such as "batch 64, 2 threads"."""
    return f"batch {batch}, {threads} thread{'s' if threads > 1 else ''}"


def _contenders(record: Record) -> Sheet:
    headings = ("network", "library", "file", "accuracy", "peak memory")
    columns = tuple(f"ms, {setting(*pair)}" for pair in record.settings)
    return Sheet("per picture", (*headings, *columns), tuple(_row(found, record) for found in record.figures), 2)


def _row(found: Figures, record: Record) -> tuple[str, ...]:
    accuracy = "" if found.accuracy is None else f"{100 * found.accuracy:.2f} %"
    memory = max((t.memory for t in found.timings if t.memory is not None), default=None)
    times = (f"{1000 * found.timing(*pair).median:.4g}" for pair in record.settings)
    return (
        found.contender.network,
        found.contender.name,
        _size(found.file_bytes),
        accuracy,
        "" if memory is None else _size(memory),
        *times,
    )


def _architectures(record: Record) -> Sheet:
    columns = tuple(setting(*pair) for pair in record.settings)
    rows = []
    for group in _grouped(record.same_architecture(), len(record.settings)):
        rows.append((_name(group[0].own), _name(group[0].peer), *(str(each.ratio) for each in group)))
    return Sheet(SAME_ARCHITECTURE, ("Firebit", "against", *columns), tuple(rows), 2)


def _accuracies(record: Record) -> Sheet:
    columns = tuple(setting(*pair) for pair in record.settings)
    rows = []
    for group in _grouped(record.same_accuracy(), len(record.settings)):
        cells = [f"{each.ratio} {_with_accuracy(each.peer)}" for each in group]
        rows.append((_with_accuracy(group[0].own), *cells))
    return Sheet(SAME_ACCURACY, ("Firebit", *columns), tuple(rows), 1)


def _grouped(found: Sequence[Comparison], size: int) -> Iterator[Sequence[Comparison]]:
    """Comparisons as they come, one group for all settings."""
    return (found[start : start + size] for start in range(0, len(found), size))


def _size(count: int) -> str:
    return f"{count / 1024:,.0f} KiB" if count < 1 << 20 else f"{count / (1 << 20):,.1f} MiB"


def _name(found: Figures) -> str:
    return f"{found.contender.name} ({found.contender.network})"


def _with_accuracy(found: Figures) -> str:
    return f"{_name(found)} {100 * (found.accuracy or 0):.2f} %"
