"""What `firebit evaluate search --json` found, as a report shows it: figures of codes, and curves of precision."""

from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import Field, FiniteFloat

from firebit.web.chart import Chart, Series, Sheet, lines
from firebit.web.run import Read, checked, read_json

FILE = "search.json"
_COLOURS = 8


class Balance(Read):
    """How codes use their length: mean entropy of a bit, and the share of codes that are different, 0 … 1."""

    entropy: FiniteFloat
    distinct_rate: FiniteFloat


class Metrics(Read):
    """Figures of one kind of codes; :class:`firebit.search.evaluate.SearchMetrics` says what they are."""

    bits: int = Field(ge=1)
    queries: int
    database: int
    mean_average_precision: dict[str, FiniteFloat]
    precision_within: FiniteFloat
    empty: FiniteFloat
    places: list[int] = Field(default_factory=list)
    precision_at: list[FiniteFloat] = Field(default_factory=list)
    precision: list[FiniteFloat] = Field(default_factory=list)
    recall: list[FiniteFloat] = Field(default_factory=list)
    balance: Balance


Points = Callable[[Metrics], Iterable[tuple[float, float]]]


class Evaluation(Read):
    """A record of `firebit evaluate search`."""

    data: str
    protocol: str
    seed: int
    note: str = ""
    codes: dict[str, Metrics] = Field(min_length=1)

    @property
    def words(self) -> str:
        """What was measured, in sentences."""
        first = next(iter(self.codes.values()))
        return (
            f"Pictures of the same class are right. {self.data}, protocol {self.protocol}, seed {self.seed}: "
            f"{first.queries:,} queries, {first.database:,} codes. {self.note}"
        ).strip()


def read_evaluation(path: Path) -> Evaluation:
    """Read the file that `firebit evaluate search --json` printed.

    Raises:
        ModelFileError: it is missing, or no such record.
    """
    return checked(Evaluation, read_json(path), path)


def figures(found: Evaluation) -> Sheet:
    """A row per kind of codes; shares in per cent."""
    cutoffs = list(dict.fromkeys(name for each in found.codes.values() for name in each.mean_average_precision))
    headings = (
        *("codes", "bits", *(f"mAP@{cutoff}, %" for cutoff in cutoffs)),
        *("within 2 bits, %", "nothing there, %", "entropy of a bit", "distinct, %"),
    )
    return Sheet(headings, tuple(_row(name, each, cutoffs) for name, each in found.codes.items()))


def _row(name: str, metrics: Metrics, cutoffs: list[str]) -> tuple[str, ...]:
    averages = (metrics.mean_average_precision.get(cutoff) for cutoff in cutoffs)
    return (
        name,
        f"{metrics.bits:,}",
        *("" if value is None else f"{100 * value:.2f}" for value in averages),
        f"{100 * metrics.precision_within:.2f}",
        f"{100 * metrics.empty:.2f}",
        f"{metrics.balance.entropy:.3f}",
        f"{100 * metrics.balance.distinct_rate:.2f}",
    )


def curves(found: Evaluation) -> list[Chart]:
    """Precision of the first n hits, and precision over recall; none where there are no curves."""
    hits = _series(found, lambda each: zip(each.places, each.precision_at, strict=False))
    within = _series(
        found, lambda each: ((100 * r, p) for r, p in zip(each.recall, each.precision, strict=False) if r > 0)
    )
    charts = (
        _chart("hits", "Precision of the first hits", "", hits, "hits"),
        _chart("recall", "Precision over recall", "Within 0, 1, … bits of the query.", within, "recall, %"),
    )
    return [chart for chart in charts if chart is not None]


def _series(found: Evaluation, points: Points) -> list[Series]:
    shown = (
        Series(name, tuple((float(x), 100 * y) for x, y in points(metrics)), index % _COLOURS)
        for index, (name, metrics) in enumerate(found.codes.items())
    )
    return [series for series in shown if series.points]


def _chart(identifier: str, title: str, note: str, series: list[Series], label: str) -> Chart | None:
    if not series:
        return None
    said = "; ".join(
        f"{each.name}: {each.points[0][1]:.1f} % at {each.points[0][0]:.4g}, {each.points[-1][1]:.1f} % at "
        f"{each.points[-1][0]:.4g}"
        for each in series
    )
    svg = lines(
        f"search-{identifier}",
        title,
        f"{said}.",
        series,
        (label, "precision, %"),
        limits=(0.0, 100.0),
        logarithmic=identifier == "hits",
    )
    rows = tuple((each.name, f"{x:.4g}", f"{y:.2f}") for each in series for x, y in each.points)
    return Chart(title, note, svg, Sheet(("codes", label, "precision, %"), rows))
