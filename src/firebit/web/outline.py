"""Segments of a picture as outlines that can be drawn over it."""

import numpy as np
from numpy.typing import NDArray


def outline(mask: NDArray[np.bool_]) -> str:
    """An SVG path along the edges of the true cells of a grid, in cells; closed, holes turn the other way.

    Args:
        mask: bool (H, W).
    """
    following = _edges(mask)
    parts = []
    while following:
        start = next(iter(following))
        parts.append(_walk(following, start))
    return "".join(parts)


Corner = tuple[int, int]
Edges = dict[Corner, list[Corner]]


def _edges(mask: NDArray[np.bool_]) -> Edges:
    """From each corner of the grid, the corners that edges of the area lead to; the area lies on their right."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    following: Edges = {}
    # (where the neighbour is missing, from which corner of the cell to which)
    sides = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    )
    for neighbour, start, end in sides:
        for y, x in np.argwhere(inside & ~neighbour).tolist():
            following.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    return following


def _walk(following: Edges, start: Corner) -> str:
    """One closed line, its edges taken away; corners on a straight line are left out."""
    corners = [start]
    while len(corners) == 1 or corners[-1] != start:
        at = corners[-1]
        ends = following[at]
        corners.append(ends.pop())
        if not ends:
            del following[at]
    turns = [
        corner
        for before, corner, after in zip([corners[-2], *corners[:-2]], corners[:-1], corners[1:], strict=True)
        if (before[0] == corner[0]) != (corner[0] == after[0])
    ]
    return "M" + "L".join(f"{x} {y}" for x, y in turns) + "Z"
