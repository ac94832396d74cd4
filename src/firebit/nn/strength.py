"""How strongly which layers grow, and when: tables of patterns, and schedules, checked and brought to layer names."""

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, TypeVar

from firebit.errors import UsageError

_T = TypeVar("_T")

Points = Sequence[tuple[float, float]]
"""A schedule: points (step, factor) of increasing steps, linear in between and constant outside."""

Schedule = list[tuple[float, float]] | dict[str, list[tuple[float, float]]]
"""Checked points for all layers, or by the name of the layer."""


def strengths(names: Iterable[str], strength: float | Mapping[str, float], kind: str) -> dict[str, float]:
    """The strength of each layer.

    Args:
        names: the layers there are.
        strength: one number for all, or numbers by pattern of layer names, of which the last that matches counts.
        kind: what the layers are called in errors, such as "bounded rectifier".

    Raises:
        UsageError: a strength that is no number ≥ 0, or a pattern without a match.
    """
    table = {"*": strength} if isinstance(strength, (int, float)) else dict(strength)
    for pattern, value in table.items():
        if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
            raise UsageError(
                f"Growth strength {value!r} for {pattern!r} is not a number ≥ 0.",
                "Give a small non-negative number, such as 4e-4.",
            )
    return {name: float(value) for name, value in _matched(names, table, kind).items()}


def scheduled(names: Iterable[str], schedule: Points | Mapping[str, Points] | None, kind: str) -> Schedule:
    """The checked points for all layers, or by the name of the layer; arguments as for :func:`strengths`.

    Raises:
        UsageError: steps that do not increase, factors that are no numbers ≥ 0, or a pattern without a match.
    """
    if isinstance(schedule, Mapping):
        return {name: _checked(points) for name, points in _matched(names, schedule, kind).items()}
    return _checked(schedule or [])


def plain(schedule: Schedule) -> Any:
    """A schedule as JSON has it."""
    if isinstance(schedule, dict):
        return {name: plain(points) for name, points in schedule.items()}
    return [list(point) for point in schedule]


def check_patterns(patterns: Iterable[str], names: Iterable[str], kind: str) -> None:
    """See that every pattern (fnmatch) matches a name.

    Raises:
        UsageError: one does not.
    """
    names = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(f"The pattern {pattern!r} matches no {kind}.", f"The layers are: {', '.join(names)}.")


def _matched(names: Iterable[str], table: Mapping[str, _T], kind: str) -> dict[str, _T]:
    """The value of the last pattern that matches, by layer; layers that match nothing are left out."""
    names = list(names)
    check_patterns(table, names, kind)
    found = {}
    for name in names:
        matching = [value for pattern, value in table.items() if fnmatchcase(name, pattern)]
        if matching:
            found[name] = matching[-1]
    return found


def _checked(schedule: Points) -> list[tuple[float, float]]:
    points = [(step, factor) for step, factor in schedule]
    increasing = all(left[0] < right[0] for left, right in pairwise(points))
    if not increasing or any(not (math.isfinite(factor) and factor >= 0) for _, factor in points):
        raise UsageError(
            f"The growth schedule {points} is not a list of (step, factor) with increasing steps and factors ≥ 0.",
            "Give points such as [(0, 0.0), (1000, 1.0)].",
        )
    return points
