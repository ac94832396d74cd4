"""What `firebit bench --json` found, as a report shows it: accuracy against time, and how many times faster."""

from pathlib import Path

from pydantic import Field, FiniteFloat

from firebit.web.axis import decades, spanning
from firebit.web.chart import HEIGHT, WIDTH, Chart, Sheet, draw_axes
from firebit.web.drawing import Drawing
from firebit.web.run import Read, checked, read_json

FILE = "bench.json"
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 20.0, 30.0, 38.0
_PEERS = ("firebit", "onnxruntime", "openvino", "torch")


class Timing(Read):
    """Seconds per picture at one batch and number of threads, and peak memory in bytes."""

    batch: int = Field(ge=1)
    threads: int = Field(ge=1)
    median: FiniteFloat = Field(gt=0)
    memory: int | None = None


class Named(Read):
    """What a contender is called."""

    peer: str
    precision: str
    network: str

    @property
    def title(self) -> str:
        """Library, precision, network."""
        return f"{self.peer} {self.precision}, {self.network}"


class Contender(Named):
    """A file that a library ran. Accuracy is 0 … 1, or None without labels."""

    file_bytes: int = Field(ge=0)
    accuracy: FiniteFloat | None = None
    agrees: bool = True
    timings: list[Timing] = Field(min_length=1)


class Comparison(Read):
    """How many times faster one contender is than another: median over rounds, smallest and largest."""

    batch: int
    threads: int
    median: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    own: Named
    peer: Named


class Machine(Read):
    """Where it ran."""

    processor: str
    cores: int
    native: str


class Benchmark(Read):
    """A record of `firebit bench`."""

    firebit: str
    date: str
    data: str
    note: str = ""
    rounds: int
    machine: Machine
    contenders: list[Contender] = Field(min_length=1)
    same_architecture: list[Comparison] = Field(default_factory=list)

    @property
    def settings(self) -> list[tuple[int, int]]:
        """(batch, threads) of all timings, sorted."""
        return sorted({(time.batch, time.threads) for found in self.contenders for time in found.timings})


def read_benchmark(path: Path) -> Benchmark:
    """Read the file that `firebit bench --json` printed.

    Raises:
        ModelFileError: it is missing, or no such record.
    """
    return checked(Benchmark, read_json(path), path)


def times(found: Benchmark) -> Sheet:
    """A row per contender: accuracy, file, memory, and milliseconds per picture at every setting."""
    columns = tuple(f"ms, batch {batch}, {_threads(threads)}" for batch, threads in found.settings)
    rows = []
    for each in found.contenders:
        measured = {(time.batch, time.threads): f"{1000 * time.median:.4g}" for time in each.timings}
        memory = max((time.memory for time in each.timings if time.memory is not None), default=None)
        rows.append(
            (
                each.title,
                "" if each.accuracy is None else f"{100 * each.accuracy:.2f}",
                _mebibytes(each.file_bytes),
                "" if memory is None else _mebibytes(memory),
                *(measured.get(setting, "") for setting in found.settings),
            )
        )
    return Sheet(("contender", "top-1, %", "file, MiB", "peak memory, MiB", *columns), tuple(rows))


def ratios(found: Benchmark) -> Sheet:
    """How many times faster ours is at the same architecture."""
    rows = (
        (
            each.own.title,
            each.peer.title,
            f"{each.batch}",
            f"{each.threads}",
            f"{each.median:.3g}×",
            f"{each.low:.3g} … {each.high:.3g}",
        )
        for each in found.same_architecture
    )
    return Sheet(("Firebit", "against", "batch", "threads", "times faster", "range over rounds"), tuple(rows), 2)


def plot(found: Benchmark) -> list[Chart]:
    """Accuracy against time, a chart per batch at the fewest threads; none where nothing has an accuracy."""
    fewest = min(threads for _, threads in found.settings)
    batches = sorted({batch for batch, threads in found.settings if threads == fewest})
    return [chart for batch in batches if (chart := _plot(found, batch, fewest))]


def _plot(found: Benchmark, batch: int, threads: int) -> Chart | None:
    points = [
        (each, 1000 * time.median, 100 * each.accuracy)
        for each in found.contenders
        if each.accuracy is not None
        for time in each.timings
        if (time.batch, time.threads) == (batch, threads)
    ]
    if not points:
        return None
    title = f"Accuracy against time, batch {batch}, {_threads(threads)}"
    said = "; ".join(f"{each.title}: {y:.2f} % in {x:.3g} ms" for each, x, y in points)
    drawn = Drawing(WIDTH, HEIGHT, title, f"{said}.", f"bench-{batch}")
    x_axis = decades((x for _, x, _ in points), _LEFT, WIDTH - _RIGHT)
    y_axis = spanning((y for _, _, y in points), HEIGHT - _BOTTOM, _TOP, 5)
    draw_axes(drawn, x_axis, y_axis, ("ms per picture", "top-1, %"))
    for each, x, y in points:
        at = x_axis.place(x), y_axis.place(y)
        drawn.add(
            "circle", f"dot c{_colour(each.peer)}", f"{each.title}: {y:.2f} %, {x:.3g} ms", cx=at[0], cy=at[1], r=5
        )
        right = at[0] > (_LEFT + WIDTH - _RIGHT) / 2
        drawn.text(
            (at[0] + (-9 if right else 9), at[1] + 4),
            f"{each.peer} {each.precision}",
            "small",
            "end" if right else "start",
        )
    sheet = Sheet(
        ("contender", "ms per picture", "top-1, %"), tuple((e.title, f"{x:.4g}", f"{y:.2f}") for e, x, y in points)
    )
    return Chart(title, "Up and to the left is better.", drawn.svg(), sheet)


def _colour(peer: str) -> int:
    return _PEERS.index(peer) if peer in _PEERS else len(_PEERS)


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def _mebibytes(count: int) -> str:
    return f"{count / (1 << 20):,.2f}"
