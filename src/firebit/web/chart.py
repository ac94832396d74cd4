"""Charts of a report: an inline SVG, what it shows in words, and the table of numbers behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from firebit.web.axis import Axis, spanning, written
from firebit.web.drawing import Drawing, Point

WIDTH, HEIGHT = 460.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 98.0, 30.0, 38.0
_LINE_OF_TEXT = 14.0


@dataclass(frozen=True)
class Sheet:
    """A table of text: the first `words` columns are words, the others numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True)
class Chart:
    """A figure of the page.

    Attributes:
        title: what it shows.
        note: what a reader must know to read it; or "".
        svg: the drawing.
        sheet: the numbers behind it.
    """

    title: str
    note: str
    svg: Markup
    sheet: Sheet


@dataclass(frozen=True)
class Series:
    """A line of a chart: its name, its points from left to right, its colour 0 … 7, and whether it is dashed."""

    name: str
    points: tuple[Point, ...]
    colour: int
    dashed: bool = False

    @property
    def style(self) -> str:
        """Its classes."""
        return f"line c{self.colour}{' dashed' if self.dashed else ''}"


@dataclass(frozen=True)
class Mark:
    """A place on the x axis with a name, such as the end of a phase."""

    at: float
    name: str


def lines(
    identifier: str,
    title: str,
    description: str,
    series: Sequence[Series],
    labels: tuple[str, str],
    marks: Sequence[Mark] = (),
    limits: tuple[float, float] | None = None,
    logarithmic: bool = False,
) -> Markup:
    """A chart of lines, each named at its end.

    Args:
        identifier: a plain word of its own in the page.
        title: what it shows.
        description: what can be seen in it.
        series: with one point or more each.
        labels: what stands along x, and what along y.
        marks: vertical lines.
        limits: of y; None: round numbers around the points.
        logarithmic: along x, whose numbers are above 0.
    """
    points = [point for line in series for point in line.points]
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    x_values = [x for x, _ in points]
    x = Axis(min(x_values), max(max(x_values), min(x_values) + 1), _LEFT, right, logarithmic)
    y = Axis(*limits, bottom, _TOP) if limits else spanning((y for _, y in points), bottom, _TOP, 5)
    drawn = Drawing(WIDTH, HEIGHT, title, description, identifier)
    draw_axes(drawn, x, y, labels)
    for mark in marks:
        drawn.line((x.place(mark.at), _TOP), (x.place(mark.at), bottom), "mark")
        drawn.text((x.place(mark.at) + 4, _TOP + 9), mark.name, "small")
    for line in series:
        placed = [(x.place(a), y.place(b)) for a, b in line.points]
        drawn.path(placed if len(placed) > 1 else [*placed, placed[0]], line.style, line.name)
    _name_lines(drawn, [(line, y.place(line.points[-1][1])) for line in series], right)
    return drawn.svg()


def draw_axes(drawn: Drawing, x: Axis, y: Axis, labels: tuple[str, str]) -> None:
    """Draw a grid of horizontal lines, the numbers at both axes, and what stands along them."""
    for tick in y.ticks(5):
        drawn.line((x.start, y.place(tick)), (x.end, y.place(tick)), "grid")
        drawn.text((x.start - 6, y.place(tick) + 4), written(tick), "tick", "end")
    for tick in _whole(x.ticks()) if not x.logarithmic else x.ticks():
        drawn.text((x.place(tick), y.start + 16), written(tick), "tick", "middle")
    drawn.line((x.start, y.start), (x.end, y.start), "axis")
    drawn.text(((x.start + x.end) / 2, y.start + 33), labels[0], "label", "middle")
    drawn.text((2, 13), labels[1], "label")


def _whole(ticks: list[float]) -> list[float]:
    """Epochs are whole."""
    return [tick for tick in ticks if abs(tick - round(tick)) < 1e-9]


def _name_lines(drawn: Drawing, ends: list[tuple[Series, float]], right: float) -> None:
    """Write each line's name beside its end; names that would overlap move apart."""
    ordered = sorted(ends, key=lambda end: end[1])
    for (line, at), place in zip(ordered, apart([end for _, end in ordered]), strict=True):
        if abs(place - at) > 3:
            drawn.line((right + 2, at), (right + 8, place), f"leader c{line.colour}")
        drawn.text((right + 10, place + 4), line.name, f"name c{line.colour}")


def apart(places: Sequence[float], gap: float = _LINE_OF_TEXT) -> list[float]:
    """Ascending places, moved as little as groups allow so that neighbours are `gap` apart."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _first(groups[-1], gap) - _last(groups[-2], gap) < gap:
            groups[-2:] = [[*groups[-2], *groups[-1]]]
    return [_first(group, gap) + index * gap for group in groups for index in range(len(group))]


def _first(group: list[float], gap: float) -> float:
    """Where the first of a group stands whose members are `gap` apart around their mean."""
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _last(group: list[float], gap: float) -> float:
    return _first(group, gap) + gap * (len(group) - 1)
