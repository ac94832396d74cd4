"""Figure 5: firing matrices, the classes of single units, classifiers of one neuron, and how many units are on."""

from functools import partial

from firebit.explain import Explanation, selectivity
from firebit.explain.drawing import matrix_figure, units_figure
from firebit.paper.picture import Picture
from firebit.paper.reading import SHARES, Part, Reading, both_sides, explained, named
from firebit.paper.sparsity import sparsity, table
from firebit.paper.subject import Subject

_CLASSIFIERS = 8
_UNITS = 4


def read(subject: Subject) -> Part:
    """What figure 5 says of a network."""
    explanation = explained(subject)
    firing = explanation.found.firing
    units = shown(explanation)
    said = [": ".join(filter(None, (f"unit {firing.unit_name(unit)}", named(explanation, unit)))) for unit in units]
    top = Picture(
        f"figure5-{subject.name}",
        "",
        f"Firing matrix: {len(firing.classes)} classes by {firing.units} units, clustered",
        partial(matrix_figure, firing),
    )
    bottom = Picture(
        f"figure5-{subject.name}-units",
        "",
        "How often every class fires each of " + ", ".join(said),
        partial(units_figure, explanation.found, units, said),
    )
    on = sparsity(subject.network, subject.pictures, subject.relu)
    return Part(
        (
            (_counted(explanation),),
            top,
            tuple(_classes(explanation)),
            (_shuffled(explanation),),
            bottom,
            (_bars(explanation),),
            tuple(_classifiers(explanation)),
            ("How many units are on, over the test set (§4.1):",),
            tuple(table(on)),
        )
    )


def shown(explanation: Explanation) -> list[int]:
    """Four units: two that have a name first, if there are such, then two without; those that tell most."""
    ranked = [unit for unit in explanation.found.ranked().tolist() if not explanation.found.flags[unit]]
    with_name = [unit for unit in ranked if explanation.names[unit]]
    without = [unit for unit in ranked if not explanation.names[unit]]
    first = with_name[: _UNITS // 2]
    chosen = [*first, *without[: _UNITS - len(first)]]
    return [*chosen, *(unit for unit in with_name if unit not in chosen)][:_UNITS]


def _counted(explanation: Explanation) -> str:
    firing = explanation.found.firing
    flagged = sum(map(bool, explanation.found.flags))
    return (
        f"Layer {firing.layer}: {firing.units:,} units, {firing.pictures:,} pictures of {len(firing.classes)} classes, "
        f"{' … '.join(dict.fromkeys(f'{size:,}' for size in (firing.sizes.min(), firing.sizes.max())))} of each. "
        f"{flagged or 'No'} unit{'' if flagged == 1 else 's'} constant, or the same as or opposite of another."
    )


def _classes(explanation: Explanation) -> list[str]:
    """Positive and negative classes at several shares."""
    firing = explanation.found.firing
    lines = [
        "| pictures of the class that fire (or do not) | positive classes | negative classes | units with both |",
        "|---|---|---|---|",
    ]
    for share in SHARES:
        found = selectivity(firing, share)
        text = "all: the paper's rule" if share == 1 else f"at least {100 * share:g} %"
        counts = (int(found.positive.sum()), int(found.negative.sum()), both_sides(found))
        lines.append(f"| {text} | {' | '.join(f'{count:,}' for count in counts)} |")
    return lines


def _shuffled(explanation: Explanation) -> str:
    null, found = explanation.null, explanation.found
    assert null is not None
    return (
        f"Pairs of class and unit, of {found.positive.size:,}; each with q ≤ {found.level:g} over all of them. With "
        f"labels shuffled {null.permutations} times, {null.found:.3g} such pairs are left on average at "
        f"{100 * found.share:g} %, and {100 * null.units:.2g} % of units with a positive class. "
        f"Below, a class counts from {100 * found.share:g} %."
    )


def _bars(explanation: Explanation) -> str:
    source = f" Names are from {explanation.hierarchy}; no name where none passes." if explanation.hierarchy else ""
    return (
        "Blue: positive classes, orange: negative ones, grey: neither. Lines: one-sided 95 % bounds of the true rate. "
        f"Dotted: how often the unit fires over all pictures.{source}"
    )


def _classifiers(explanation: Explanation) -> list[str]:
    classes, firing = explanation.found.firing.classes, explanation.found.firing
    made = explanation.classifiers
    lines = [
        f"Single neurons as classifiers (weight 1 on positive classes, −1 on negative ones, 0 on the rest, bias ½): "
        f"{len(made)} of {firing.units:,} units have both sides on one half of the pictures. On the other half:",
        "",
        "| unit | accuracy | at least | majority | classes covered | positive | negative |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in made[:_CLASSIFIERS]:
        figures = [f"{100 * value:.1f} %" for value in (each.accuracy, each.bound, each.baseline, each.covered)]
        sides = [_listed([classes[index] for index in side]) for side in (each.positive, each.negative)]
        lines.append(f"| {firing.unit_name(each.unit)} | {' | '.join((*figures, *sides))} |")
    return lines if made else [f"No unit of {firing.units:,} has positive and negative classes on one half."]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more


READING = Reading(
    name="figure5",
    title="Figure 5: which classes fire which units",
    read=read,
    notes="The paper shows fc7 of AlexNet on ImageNet, 1000 classes of 50 pictures by 4096 units, and calls a class "
    "positive where all its pictures fire. All of 50 prove a rate of 94.2 % (one-sided 95 % bound); of 1,000 pictures "
    "of a class that rule asks for 99.7 %. So lower shares are counted too, the paper's rule in the first row. "
    "ImageNet is read where there is a run of it.",
)
