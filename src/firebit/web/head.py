"""What a report says first: the network, and its accuracy with ReLUs, as trained, with steps, and compiled."""

from dataclasses import dataclass

from firebit.web.run import Row, Run

_SOFT = ("weights", "phase2")
_STEPS = (
    "steps, classifier tuned",
    "weights steps, recalibrated",
    "weights steps",
    "steps, recalibrated",
    "phase2 steps",
)


@dataclass(frozen=True)
class Fact:
    """A figure at the head of a page: its name, value and unit, and a word on it; the one that counts is accented."""

    name: str
    value: str
    unit: str = "%"
    note: str = ""
    accent: bool = False


@dataclass(frozen=True)
class Head:
    """The head of a report."""

    run: str
    title: str
    lede: str
    facts: tuple[Fact, ...]


def head(run: Run) -> Head:
    """The head of a run's report."""
    relu, soft = run.row("relu"), run.row(*_SOFT)
    steps, compiled = run.row(*_STEPS), run.row("compiled")
    facts = [
        _accuracy("ReLU", relu, None),
        _accuracy("rectifiers", soft, relu),
        _accuracy("steps", steps, relu),
        _accuracy("compiled", compiled, relu, accent=True),
        *_memory(relu, compiled or steps),
    ]
    data = run.results.data.removesuffix("-train")
    return Head(
        run.name,
        f"{run.results.net} on {data}",
        _lede(run, relu, compiled or steps or soft),
        tuple(fact for fact in facts if fact is not None),
    )


def _accuracy(name: str, row: Row | None, relu: Row | None, accent: bool = False) -> Fact | None:
    if row is None:
        return None
    note = _bits(row) if relu is None else f"{_points(100 * (row.metrics.top1 - relu.metrics.top1))} points to ReLU"
    return Fact(name, f"{100 * row.metrics.top1:.2f}", "%", note, accent)


def _bits(row: Row) -> str:
    bits = row.bits_per_activation
    return "" if bits is None else f"{bits:.3g} bit{'' if bits == 1 else 's'} per activation"


def _points(difference: float) -> str:
    return f"{difference:+.2f}".replace("-", "−")


def _memory(relu: Row | None, ours: Row | None) -> list[Fact | None]:
    if relu is None or ours is None or not ours.activation_bytes:
        return []
    times = relu.activation_bytes / ours.activation_bytes
    return [Fact("activation memory", f"{times:.3g}", "× less", "per picture, than ReLU")]


def _lede(run: Run, relu: Row | None, ours: Row | None) -> str:
    if ours is None:
        return f"{100 * run.results.rows[-1].metrics.top1:.2f} % on the {run.results.measured_on} set."
    accuracy = f"{100 * ours.metrics.top1:.2f} %"
    layers = run.results.layers
    said = {"all": "every hidden activation a bit", "last": "the last hidden layer in bits"}
    how = said.get(layers, layers) if isinstance(layers, str) else f"bits in {', '.join(layers)}"
    lede = f"{accuracy} of the {run.results.measured_on} pictures are right with {how}"
    if relu is None:
        return f"{lede}."
    return f"{lede}; the same network with ReLU gets {100 * relu.metrics.top1:.2f} %."
