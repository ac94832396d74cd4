"""Figures 5 and 6: trained networks are read, nothing is trained. What is common to both, and their pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from firebit import machine
from firebit.explain import Explanation, Selectivity, explain, selectivity
from firebit.files import write_text
from firebit.paper.picture import Picture
from firebit.paper.subject import Subject, subjects

SHARES = (1.0, 0.99, 0.95, 0.9)
"""Shares of a class's pictures at which positive and negative classes are counted; the paper's is the first."""

PERMUTATIONS = 20
NO_NAME = "no name"
_ENOUGH = 8


@dataclass(frozen=True)
class Part:
    """What a page says of one network: Markdown lines, and pictures between them."""

    blocks: "tuple[tuple[str, ...] | Picture, ...]"


@dataclass(frozen=True)
class Reading:
    """An experiment that reads trained networks.

    Attributes:
        name: as on the command line.
        title: heading of its page.
        read: what it says of a network.
        notes: where we differ from the paper.
    """

    name: str
    title: str
    read: Callable[[Subject], Part]
    notes: str


def write_page(reading: Reading, targets: Sequence[str], results: Path, runs: Path) -> str:
    """Read networks, and write the page with its pictures; see :func:`firebit.paper.read`."""
    chosen = subjects(targets, runs)
    told = "".join(f" --network {target}" for target in targets)
    lines = [f"# {reading.title}", "", f"`firebit reproduce {reading.name}{told}`", "", _made(chosen), ""]
    for subject in chosen:
        lines += [f"## {subject.title}", ""]
        for block in reading.read(subject).blocks:
            if isinstance(block, Picture):
                block.save(results)
                lines += block.lines()
            else:
                lines += [*block, ""]
    text = "\n".join([*lines, reading.notes, ""])
    write_text(results / f"{reading.name}.md", text)
    return text


def _made(chosen: Sequence[Subject]) -> str:
    read = ", ".join(f"{each.target} ({each.network.fingerprint[:12]}) on {each.pictures.name}" for each in chosen)
    return f"Networks: {read}. Seed 0. {machine.processor()}, {date.today()}."


def explained(subject: Subject) -> Explanation:
    """A network's last layer, explained at the largest of :data:`SHARES` at which enough units have both sides."""
    pictures = subject.pictures
    firing = explain(subject.network, pictures.images, pictures.labels, pictures.classes).found.firing
    counts = {share: both_sides(selectivity(firing, share)) for share in SHARES}
    share = next((share for share, units in counts.items() if units >= _ENOUGH), SHARES[-1])
    return explain(
        subject.network,
        pictures.images,
        pictures.labels,
        pictures.classes,
        share=share,
        hierarchy=subject.hierarchy(),
        permutations=PERMUTATIONS,
    )


def both_sides(found: Selectivity) -> int:
    """Units that have positive and negative classes."""
    return int((found.positive.any(0) & found.negative.any(0)).sum())


def named(explanation: Explanation, unit: int) -> str:
    """The names of a unit as text: "+animal −vehicle", or "no name"; "" where there is no hierarchy to name it by."""
    if not explanation.hierarchy:
        return ""
    signs = {"positive": "+", "negative": "−"}
    return " ".join(f"{signs[name.side]}{name.concept}" for name in explanation.names[unit]) or NO_NAME
