"""How figures look: colours, fonts, and files that are the same bytes on every run."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firebit.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#12558f", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#757575", "#333333")
"""Eight colours that colour-blind readers can tell apart."""

INK = "#333333"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "firebit",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
}


def check_drawing() -> None:
    """See that figures can be drawn.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401 - whether it is there
    except ModuleNotFoundError as error:
        raise UsageError("Drawing needs matplotlib, which is not installed.", "pip install 'firebit[docs]'") from error


def save_figure(draw: Callable[[], "Figure"], path: Path) -> None:
    """Draw a figure in the house's style as `path`.svg and `path`.png: the same bytes on every run.

    Args:
        draw: makes the figure.
        path: of both files, without their endings.

    Raises:
        UsageError: matplotlib is not installed.
    """
    check_drawing()
    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure = draw()
        figure.savefig(path.with_name(f"{path.name}.svg"), metadata={"Date": None, "Creator": "Firebit"})
        figure.savefig(path.with_name(f"{path.name}.png"), dpi=110, metadata={"Software": "Firebit"})
