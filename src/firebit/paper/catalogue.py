"""All experiments by name: those that train, and those that read what was trained."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from firebit.paper.ablation import ABLATION
from firebit.paper.deeper import DEEPER
from firebit.paper.figures import FIGURE_2, FIGURE_3, FIGURE_4
from firebit.paper.tables import TABLE_1, TABLE_2
from firebit.paper.weights import WEIGHTS

if TYPE_CHECKING:
    from firebit.paper.reading import Reading

_ALL = (TABLE_1, TABLE_2, FIGURE_2, FIGURE_3, FIGURE_4, WEIGHTS, ABLATION, DEEPER)
EXPERIMENTS = {each.name: each for each in _ALL}

_MODULES = {"figure5": "firebit.paper.matrix", "figure6": "firebit.paper.smallest"}

READINGS = tuple(_MODULES)
"""Names of those that train nothing, but read trained networks. They need libraries that training does not."""


def reading(name: str) -> "Reading":
    """The reading of that name, one of :data:`READINGS`.

    Raises:
        KeyError: there is none.
    """
    found: Reading = import_module(_MODULES[name]).READING
    return found


def read(name: str, networks: Sequence[str], results: Path, runs: Path) -> str:
    """Read trained networks, and write the page of a figure with its pictures.

    Args:
        name: one of :data:`READINGS`.
        networks: names of pretrained networks, and run directories; none: those that come with the package, and
            ImageNet's where it was run.
        results: where the page and its pictures go.
        runs: where a run of ImageNet would be.

    Returns:
        The page, as Markdown.

    Raises:
        KeyError: there is no such reading.
        FirebitError: a network or its pictures are missing or damaged, or something cannot be written.
        ModuleNotFoundError: a library of the extra "explain" is not installed.
    """
    from firebit.paper.reading import write_page

    return write_page(reading(name), networks, results, runs)
