"""The page of an experiment: our figures over seeds, the paper's beside them."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from firebit.paper import binarisation
from firebit.paper.experiment import Experiment, Trial
from firebit.paper.record import Record


def page(
    experiment: Experiment,
    found: Mapping[str, Sequence[Record]],
    seeds: Sequence[int],
    scale: float = 1.0,
    overrides: Sequence[str] = (),
) -> str:
    """Markdown: a table of ours and the paper's, or figures, and how they were made.

    Args:
        experiment: what was run.
        found: records by the name of their trial, in the order of `seeds`; trials that are missing were not run.
        seeds: the seeds.
        scale: factor on the epochs.
        overrides: fields of all recipes that were overridden.
    """
    first = next(iter(found.values()))[0]
    scaled = ("" if scale == 1 else f" --scale {scale:g}") + "".join(f" --set {override}" for override in overrides)
    environment = first.environment
    lines = [
        f"# {experiment.title}",
        "",
        f"`firebit reproduce {experiment.name} --seeds {len(seeds)}{scaled}`",
        "",
        f"{'Top-1 accuracy in per cent, last epoch' if experiment.rows else 'Census of every epoch'}, "
        f"{first.measured_on} set, mean {'± sd ' if experiment.rows else ''}over seeds {_list(seeds)}. "
        f"{environment.get('processor')}, {environment.get('threads')} threads, torch {environment.get('torch')}; "
        f"{sum(r.seconds for records in found.values() for r in records) / 3600:.1f} hours of training in all."
        + ("" if scale == 1 else f" **Epochs times {scale:g}: a look, not the experiment.**"),
        "",
    ]
    body = _table(experiment, found) if experiment.rows else _figures(experiment, found, scale)
    return "\n".join([*lines, *body, "", experiment.notes, ""])


def _table(experiment: Experiment, found: Mapping[str, Sequence[Record]]) -> list[str]:
    lines = [
        "| network | " + " | ".join(experiment.rows.values()) + " |",
        "|---|" + "---|" * len(experiment.rows),
    ]
    for trial in experiment.trials:
        name = trial.title if trial.name in found else f"{trial.title} (not run)"
        lines.append(_row(name, [_spread(found.get(trial.name, ()), row) for row in experiment.rows]))
        if trial.printed:
            lines.append(_row("the paper", [_printed(trial, row) for row in experiment.rows]))
    return lines


def _figures(experiment: Experiment, found: Mapping[str, Sequence[Record]], scale: float) -> list[str]:
    lines: list[str] = []
    for trial in experiment.trials:
        if trial.name not in found:
            continue
        file = f"{experiment.name}-{trial.name}{'' if scale == 1 else f'@{scale:g}'}.svg"
        lines += [f"**{trial.title}**", "", f"![Share of binary units along training]({file})", ""]
        lines += ["At the end of phase 2:", "", *binarisation.table(found[trial.name]), ""]
    return lines[:-1]


def _row(title: str, cells: Sequence[str]) -> str:
    return f"| {title} | {' | '.join(cells)} |"


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _spread(records: Sequence[Record], row: str) -> str:
    values = [record.top1[row] for record in records if row in record.top1]
    if not values:
        return "–"
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def _printed(trial: Trial, row: str) -> str:
    return f"*{trial.printed[row]:.2f}*" if row in trial.printed else "–"
