"""How training went: accuracy, loss, and how binary units became (figures 2 and 4 of the paper)."""

from collections.abc import Callable, Iterable

from firebit.titles import TITLES
from firebit.web.chart import Chart, Mark, Series, Sheet, lines
from firebit.web.run import Epoch, Levels, Run, Scores

RELU = "relu"
SHARES = ("0.9", "0.99", "0.999")
_COLOURS = 8
_SOFT, _STEPS = 0, 1
_GREY = 6
_MOST_POINTS = 400


def curves(run: Run) -> list[Chart]:
    """Every chart of the journal that has something to show."""
    found = [_accuracy(run), _loss(run), *_binary(run)]
    return [chart for chart in found if chart is not None]


def _stages(run: Run) -> tuple[list[Epoch], list[Epoch], list[Mark]]:
    """The epochs of the ReLU network, those of ours, and where its stages begin."""
    relu = [epoch for epoch in run.epochs if epoch.stage == RELU]
    ours = [epoch for epoch in run.epochs if epoch.stage != RELU]
    starts = [index for index in range(1, len(ours)) if ours[index].stage != ours[index - 1].stage]
    # A stage that is one epoch long leaves no room for its name.
    marks = [Mark(start + 0.5, _stage(ours[start]) if len(ours) - start > 2 else "") for start in starts]
    return relu, ours, marks


def _stage(epoch: Epoch) -> str:
    return TITLES.get(epoch.stage, epoch.stage)


def _points(epochs: Iterable[Epoch], value: Callable[[Epoch], float | None]) -> tuple[tuple[float, float], ...]:
    """(number, value) of the epochs that have a value; of very many, some evenly apart and the last."""
    found = ((number, value(epoch)) for number, epoch in enumerate(epochs, 1))
    points = [(float(number), seen) for number, seen in found if seen is not None]
    step = max(1, -(-len(points) // _MOST_POINTS))
    return tuple(points[::-step][::-1])


def _accuracy(run: Run) -> Chart | None:
    relu, ours, marks = _stages(run)
    series = [
        Series("ReLU", _points(relu, lambda epoch: _top1(epoch.soft)), _GREY),
        Series("rectifiers", _points(ours, lambda epoch: None if _is_hard(epoch) else _top1(epoch.soft)), _SOFT),
        Series("steps", _points(ours, _with_steps), _STEPS),
    ]
    on = run.epochs[0].measured_on if run.epochs else ""
    return _chart(
        ("accuracy", f"Accuracy on the {on} set", "Rectifiers as trained; steps: the same with a step for each."),
        series,
        ("epoch", "top-1, %"),
        marks,
    )


def _is_hard(epoch: Epoch) -> bool:
    """Whether steps are in place while it is trained: then only the classifier behind them is."""
    return epoch.stage == "classifier"


def _with_steps(epoch: Epoch) -> float | None:
    return _top1(epoch.soft if _is_hard(epoch) else epoch.steps)


def _top1(scores: Scores | None) -> float | None:
    return None if scores is None else 100 * scores.top1


def _loss(run: Run) -> Chart | None:
    relu, ours, marks = _stages(run)
    series = [
        Series("ReLU", _points(relu, lambda epoch: epoch.train_loss), _GREY),
        Series("rectifiers", _points(ours, lambda epoch: epoch.train_loss), _SOFT),
    ]
    note = "What is minimised in training; a loss with a teacher or smoothed labels is another scale than one without."
    return _chart(("loss", "Training loss", note), series, ("epoch", "loss, nats"), marks)


def _binary(run: Run) -> list[Chart | None]:
    """Figure 2 for the last layer, figure 4 for all of them."""
    _, every, marks = _stages(run)
    # With steps in place every unit is binary all the time.
    ours = [epoch for epoch in every if not _is_hard(epoch)]
    marks = [mark for mark in marks if mark.at < len(ours)]
    layers = next((list(epoch.census.layers) for epoch in reversed(ours) if epoch.census), [])
    if not layers:
        return []
    last = layers[-1]
    ends = {"0.9": "≥ 90 %", "0.99": "≥ 99 %", "0.999": "≥ 99.9 %"}
    by_share = [Series(ends[key], _points(ours, _share(last, key)), 2 * i) for i, key in enumerate(SHARES)]
    by_layer = [Series(name, _points(ours, _share(name, "0.9")), i % _COLOURS) for i, name in enumerate(layers)]
    one = "Share of its units that are exactly 0 or 1 for at least so many of the pictures (figure 2)."
    all_ = "Share of the units of each layer that are exactly 0 or 1 for at least 90 % of the pictures (figure 4)."
    labels = ("epoch", "share of units, %")
    return [
        _chart(("figure2", f"Binary units of the last layer, {last}", one), by_share, labels, marks, (0.0, 100.0)),
        _chart(("figure4", "Binary units of every layer", all_), by_layer, labels, marks, (0.0, 100.0)),
    ]


def _share(layer: str, key: str) -> Callable[[Epoch], float | None]:
    def share(epoch: Epoch) -> float | None:
        found: Levels | None = epoch.census
        if found is None or layer not in found.layers or key not in found.layers[layer].binary_share:
            return None
        return 100 * found.layers[layer].binary_share[key]

    return share


def _chart(
    names: tuple[str, str, str],
    series: list[Series],
    labels: tuple[str, str],
    marks: list[Mark],
    limits: tuple[float, float] | None = None,
) -> Chart | None:
    identifier, title, note = names
    shown = [line for line in series if line.points]
    if not shown:
        return None
    svg = lines(identifier, title, _words(shown), shown, labels, marks, limits)
    return Chart(title, note, svg, _sheet(shown, labels[0]))


def _words(series: list[Series]) -> str:
    """The drawing in words: where every line begins and ends."""
    said = (
        f"{line.name}: from {line.points[0][1]:.4g} at epoch {line.points[0][0]:g} "
        f"to {line.points[-1][1]:.4g} at epoch {line.points[-1][0]:g}"
        for line in series
    )
    return "; ".join(said) + ". The table below has every number."


def _sheet(series: list[Series], heading: str) -> Sheet:
    places = sorted({x for line in series for x, _ in line.points})
    by_place = [dict(line.points) for line in series]
    rows = ((f"{x:g}", *("" if (y := found.get(x)) is None else f"{y:.4g}" for found in by_place)) for x in places)
    return Sheet((heading, *(line.name for line in series)), tuple(rows), 0)
