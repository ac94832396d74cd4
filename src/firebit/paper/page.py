"""The page of an experiment: our figures over seeds, the paper's beside them."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev

from firebit.paper import binarisation, curves, sweep
from firebit.paper.experiment import Experiment, Trial
from firebit.paper.picture import Picture
from firebit.paper.record import Record

_DRAWINGS: Mapping[str, Callable[[Experiment, Mapping[str, Sequence[Record]]], list[Picture]]] = {
    "binarisation": binarisation.pictures,
    "curves": curves.pictures,
    "sweep": sweep.pictures,
}


def pictures(experiment: Experiment, found: Mapping[str, Sequence[Record]]) -> list[Picture]:
    """The figures of an experiment, of what was run of it."""
    return _DRAWINGS[experiment.drawing](experiment, found) if experiment.drawing and found else []


def page(
    experiment: Experiment,
    found: Mapping[str, Sequence[Record]],
    seeds: Sequence[int],
    scale: float = 1.0,
    overrides: Sequence[str] = (),
) -> str:
    """Markdown: a table of ours and the paper's, figures, and how they were made.

    Args:
        experiment: what was run.
        found: records by the name of their trial, in the order of `seeds`; trials that are missing were not run, and
            some have fewer seeds.
        seeds: the seeds.
        scale: factor on the epochs.
        overrides: fields of all recipes that were overridden.
    """
    suffix = "" if scale == 1 else f"@{scale:g}"
    scaled = ("" if scale == 1 else f" --scale {scale:g}") + "".join(f" --set {override}" for override in overrides)
    lines = [
        f"# {experiment.title}",
        "",
        f"`firebit reproduce {experiment.name} --seeds {len(seeds)}{scaled}`",
        "",
        _made(experiment, found, seeds, scale),
        "",
    ]
    if experiment.rows:
        lines += [*_table(experiment, found, len(seeds)), ""]
    for picture in pictures(experiment, found):
        lines += picture.lines(suffix)
    return "\n".join([*lines, experiment.notes, ""])


def _made(experiment: Experiment, found: Mapping[str, Sequence[Record]], seeds: Sequence[int], scale: float) -> str:
    """What is measured, on what, and at what cost."""
    records = [record for each in found.values() for record in each]
    if not records:
        return "Nothing of it has been run."
    return (
        f"{'Top-1 accuracy in per cent, last epoch' if experiment.rows else 'Census of every epoch'}, "
        f"{records[0].measured_on} set, mean {'± sd ' if experiment.rows else ''}over seeds {_list(seeds)}. "
        f"{_of_all(records, 'processor')}, {_of_all(records, 'threads')} threads, torch {_of_all(records, 'torch')}; "
        f"{sum(record.seconds for record in records) / 3600:.1f} hours of training in all, shared stages counted once."
        + ("" if scale == 1 else f" **Epochs times {scale:g}: a look, not the experiment.**")
        + (" Behind a stroke: top-5." if any(record.top5 for record in records) else "")
    )


def _of_all(records: Sequence[Record], key: str) -> str:
    """What the environments of the records say, each of it once."""
    return " and ".join(dict.fromkeys(str(record.environment.get(key)) for record in records))


def _table(experiment: Experiment, found: Mapping[str, Sequence[Record]], seeds: int) -> list[str]:
    lines = [
        "| network | " + " | ".join(experiment.rows.values()) + " |",
        "|---|" + "---|" * len(experiment.rows),
    ]
    for trial in experiment.trials:
        records = found.get(trial.name, ())
        lines.append(
            _row(f"{trial.title}{_runs(len(records), seeds)}", [_cell(records, row) for row in experiment.rows])
        )
        if trial.printed:
            lines.append(_row("the paper", [_printed(trial, row) for row in experiment.rows]))
    return lines


def _runs(count: int, seeds: int) -> str:
    """What to say of a trial that was not run with every seed."""
    if not count:
        return " (not run)"
    return "" if count == seeds else f" ({count} seed{'s' if count > 1 else ''})"


def _row(title: str, cells: Sequence[str]) -> str:
    return f"| {title} | {' | '.join(cells)} |"


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _cell(records: Sequence[Record], row: str) -> str:
    """Top-1, and behind a stroke top-5 where it is recorded."""
    one = _spread([record.top1[row] for record in records if row in record.top1])
    five = _spread([record.top5[row] for record in records if row in record.top5])
    return one if five == "–" else f"{one} / {five}"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def _printed(trial: Trial, row: str) -> str:
    if row not in trial.printed:
        return "–"
    figures = trial.printed[row]
    both = figures if isinstance(figures, tuple) else (figures,)
    return f"*{' / '.join(f'{figure:.2f}' for figure in both)}*"
