"""The pictures of explanations, as pixels and as figures (matplotlib)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from firebit.explain.firing import Firing
from firebit.explain.minimal import Minimal
from firebit.explain.selectivity import Selectivity

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tile(found: Minimal, side: int = 96) -> NDArray[np.uint8]:
    """A smallest picture as a tile for eyes, uint8 (side, side, 3): what is gone is light grey, the original in the corner.

    Where the blank picture does it, the tile says so by being blank but for the thumbnail.
    """
    raise NotImplementedError


def clustered(firing: Firing) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Orders of classes (C,) and units (U,) that put alike ones side by side (average linkage, optimal leaf order)."""
    raise NotImplementedError


def matrix_figure(firing: Firing) -> "Figure":
    """The firing matrix, classes and units clustered (figure 5, top)."""
    raise NotImplementedError


def unit_figure(found: Selectivity, unit: int, title: str = "") -> "Figure":
    """How often every class fires one unit, with bounds (figure 5, bottom)."""
    raise NotImplementedError


def panel_figure(
    columns: Sequence[tuple[str, Sequence[Minimal], Sequence[Minimal]]], classes: Sequence[str]
) -> "Figure":
    """One column per unit: smallest pictures of positive classes above, of negative ones below (figure 6).

    Args:
        columns: what stands above a column, its positive, and its negative pictures.
        classes: names below the tiles are these, by label.
    """
    raise NotImplementedError
