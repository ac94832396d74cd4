"""Figure 6: smallest pictures that fire units or keep them off; and one part that does both, for different units."""

from collections.abc import Sequence
from functools import partial
from statistics import mean

from firebit.explain import Column, Explanation, Minimal, columns, is_minimal
from firebit.explain.drawing import panel_figure
from firebit.paper.picture import Picture
from firebit.paper.reading import NO_NAME, Part, Reading, explained, named
from firebit.paper.shared import examples, sentences, shared_figure, shared_parts
from firebit.paper.subject import Subject

COLUMNS = 7
"""Units in the figure, as in the paper."""

_METHOD = "felzenszwalb"
_SEGMENTS = {False: 30, True: 64}
_LARGE_PICTURE = 64
_CANDIDATES = 24
_EXAMPLES = 8
_PICTURES = 400


def read(subject: Subject) -> Part:
    """What figure 6 says of a network."""
    explanation = explained(subject)
    firing = explanation.found.firing
    segments = _SEGMENTS[_is_large(subject)]
    made = _columns(subject, explanation, segments)
    if not made:
        return Part((("No unit has positive and negative classes.",),))
    names = [named(explanation, column.unit) for column in made]
    titles = [
        f"unit {firing.unit_name(column.unit)}" + (f"\n{name}" if name not in ("", NO_NAME) else "")
        for column, name in zip(made, names, strict=True)
    ]
    panel = Picture(
        f"figure6-{subject.name}",
        "",
        "Smallest pictures that fire units, above, and that keep them off, below",
        partial(panel_figure, made, firing.classes, titles),
    )
    blocks: list[tuple[str, ...] | Picture] = [(_told(subject, made, explanation),), panel, tuple(_table(made))]
    pairs = shared_parts(subject, explanation.found, _PICTURES, _METHOD, segments)
    blocks.append((f"**One part, for one unit and against another.** {sentences(pairs)}",))
    if chosen := examples(pairs, _EXAMPLES):
        alt = "Pictures of which the same part fires one unit and keeps another off"
        name = f"figure6-{subject.name}-shared"
        blocks.append(Picture(name, "", alt, partial(shared_figure, chosen, firing.classes)))
    return Part(tuple(blocks))


def _columns(subject: Subject, explanation: Explanation, segments: int) -> list[Column]:
    """Units with both sides, of which the fewest pictures are blank; in the order of what they tell."""
    found = explanation.found
    ranked = [
        int(unit)
        for unit in found.ranked()
        if found.positive[:, unit].any() and found.negative[:, unit].any() and not found.flags[unit]
    ]
    made = columns(
        subject.network,
        subject.pictures.images,
        subject.pictures.labels,
        found,
        ranked[:_CANDIDATES],
        mode="fast" if _is_large(subject) else "exact",
        method=_METHOD,
        segments=segments,
    )
    fewest = sorted(made, key=lambda column: sum(each.blank for each in _pictures(column)))[:COLUMNS]
    return [column for column in made if column in fewest]


def _is_large(subject: Subject) -> bool:
    return subject.network.input_shape[-1] >= _LARGE_PICTURE


def _pictures(column: Column) -> tuple[Minimal, ...]:
    return (*column.positive, *column.negative)


def _told(subject: Subject, made: Sequence[Column], explanation: Explanation) -> str:
    small = [each for column in made for each in _pictures(column)]
    shown = [each for each in small if not each.blank]
    verified = sum(is_minimal(subject.network, each) for each in small)
    share, cut = 100 * explanation.found.share, mean(len(each.kept) for each in small)
    left, pixels = mean(int(each.kept.sum()) for each in shown), 100 * mean(each.share for each in shown)
    return (
        f"Random test pictures of classes of which at least {share:g} % fire the unit (blue), or do not (orange), cut "
        f"by {_METHOD} into {cut:.0f} segments on average, which were removed one by one while the bit held. Left are "
        f"{left:.1f} segments, {pixels:.0f} % of the pixels, on average; {verified} of {len(small)} are verified: the "
        "bit holds, and flips when any one segment goes."
    )


def _table(made: Sequence[Column]) -> list[str]:
    """What stands where segments were, by unit."""
    fills = ("mean", "grey", "black", "white", "blur")
    lines = [f"| unit | pictures | {' | '.join(fills)} | blank does it |", "|---|---|" + "---|" * (len(fills) + 1)]
    for column in made:
        small = _pictures(column)
        counts = [sum(each.fill == fill and not each.blank for each in small) for fill in fills]
        blank = sum(each.blank for each in small)
        lines.append(f"| {column.unit} | {len(small)} | {' | '.join(map(str, counts))} | {blank} |")
    return lines


READING = Reading(
    name="figure6",
    title="Figure 6: the smallest pictures that fire a unit, or keep it off",
    read=read,
    notes="What is gone is drawn light grey; to the network it has the mean colour of the picture, or where a picture "
    "of that colour alone gives the same bit, the first that does not of grey (▒), black (■), white (□) and the "
    "blurred picture (≈). Where all of these do, there is no smallest picture: the blank one does it. Where classes "
    "are few they take turns. Shown are the units with the fewest blanks of those that have positive and negative "
    "classes. The paper names neither its segmentation nor what stands where segments were.",
)
