"""Figures on a page: what is drawn, what stands below it, and files that are the same bytes on every run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firebit.figure import INK, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """One figure of a page.

    Attributes:
        name: of its files, without suffix.
        title: what stands above it; empty for nothing.
        alt: what it shows, for those who cannot see it.
        draw: makes it, with matplotlib at hand.
        below: Markdown lines that stand below it.
    """

    name: str
    title: str
    alt: str
    draw: "Callable[[], Figure]"
    below: tuple[str, ...] = ()

    def save(self, folder: Path, suffix: str = "") -> None:
        """Write it into a folder as SVG and as PNG, `suffix` behind its name: the same bytes on every run.

        Raises:
            UsageError: matplotlib is not installed.
        """
        save_figure(self.draw, folder / f"{self.name}{suffix}")

    def lines(self, suffix: str = "") -> list[str]:
        """The figure as Markdown, an empty line at the end."""
        above = [f"**{self.title}**", ""] if self.title else []
        below = [*self.below, ""] if self.below else []
        return [*above, f"![{self.alt}]({self.name}{suffix}.svg)", "", *below]


def panels(titles: tuple[str, ...], x: str, *, share_y: bool = False) -> "tuple[Figure, list[Axes]]":
    """A row of panels under their titles, over the same quantity `x`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    found: Any = figure.subplots(1, len(titles), sharex=True, sharey=share_y, squeeze=False)
    for axes, title in zip(found[0], titles, strict=True):
        axes.set_title(title, loc="left", fontsize=10, color=INK)
        axes.set_xlabel(x)
    return figure, list(found[0])
