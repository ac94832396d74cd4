"""Greedy removal of segments from many pictures side by side, so that every round is one batch."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from firebit.explain.layer import Reader
from firebit.explain.segments import keep

MODES = ("exact", "fast")

Bool = NDArray[np.bool_]
Margins = NDArray[np.int64]
Search = Generator[Bool, Margins, None]
"""Asks for the margins of candidates, bool (n, S), by yielding them, and is sent int64 (n,)."""


@dataclass(eq=False)
class Task:
    """One picture and one unit, and what is left of the picture.

    Attributes:
        picture: uint8 (C, H, W).
        segments: int64 (H, W), 0 … S − 1.
        fillings: uint8 (C, H, W) each, by name: what may stand where segments were.
        unit: index.
        fill: which of them does: the first that does not give the bit by itself; where all do, the first.
        kept: bool (S,): what is left.
        fires: the bit of the whole picture, which is to hold.
        blank: whether it holds without any segment, whatever the filling.
        margin: by how much it holds, ≥ 0.
        forwards: pictures computed.
    """

    picture: NDArray[np.uint8]
    segments: NDArray[np.int64]
    fillings: Mapping[str, NDArray[np.uint8]]
    unit: int
    fill: str = field(init=False)
    kept: Bool = field(init=False)
    fires: bool = False
    blank: bool = False
    margin: int = 0
    forwards: int = 0

    def __post_init__(self) -> None:
        self.fill = next(iter(self.fillings))
        self.kept = np.ones(int(self.segments.max()) + 1, bool)

    def drop(self, gone: NDArray[np.int64], margin: int) -> None:
        """Remove segments; the bit holds by `margin` without them."""
        self.kept[gone] = False
        self.margin = margin

    def pictures(self, candidates: Bool) -> NDArray[np.uint8]:
        """What candidates bool (n, S) look like, uint8 (n, C, H, W)."""
        return keep(self.picture, self.segments, candidates, self.fillings[self.fill])

    def without(self, groups: Sequence[NDArray[np.int64]]) -> Bool:
        """Candidates bool (n, S): what is left without each of the groups."""
        candidates = np.repeat(self.kept[None], len(groups), 0)
        for candidate, group in zip(candidates, groups, strict=True):
            candidate[group] = False
        return candidates


@dataclass(frozen=True, eq=False)
class Oracle:
    """Says how the units of tasks answer to candidates.

    Attributes:
        reader: of the layer.
        batch: pictures at once.
    """

    reader: Reader
    batch: int

    def margins(self, asked: Sequence[tuple[Task, Bool]]) -> list[Margins]:
        """By how much units fire (≥ 0) or stay off (below 0) for the candidates of every task, int64 (n,) each."""
        lengths = [len(candidates) for _, candidates in asked]
        owner = np.repeat(np.arange(len(asked)), lengths)
        ends = np.cumsum(lengths)
        found = np.empty(len(owner), np.int64)
        for start in range(0, len(owner), self.batch):
            part = slice(start, min(start + self.batch, len(owner)))
            seen = [
                task.pictures(candidates[_rows(part, end - len(candidates), end)])
                for (task, candidates), end in zip(asked, ends, strict=True)
                if end > part.start and end - len(candidates) < part.stop
            ]
            units, columns = np.unique([asked[each][0].unit for each in owner[part]], return_inverse=True)
            answers = self.reader.margins(np.concatenate(seen), units)
            found[part] = answers[np.arange(len(columns)), columns.reshape(-1)]
        for (task, _), length in zip(asked, lengths, strict=True):
            task.forwards += length
        return np.split(found, ends[:-1])


def _rows(part: slice, start: int, end: int) -> slice:
    """Those of the rows start … end that lie in a part, counted from start."""
    return slice(max(part.start - start, 0), min(part.stop, end) - start)


def reduce_all(tasks: Sequence[Task], oracle: Oracle, mode: str) -> None:
    """Remove segments from every task until none can go; tasks are changed.

    Args:
        tasks: pictures and units, all segments there.
        oracle: computes candidates.
        mode: "exact" or "fast"; see :func:`firebit.explain.minimal.minimal`.
    """
    running = [(task, _search(task, mode)) for task in tasks]
    asked = [(task, search, next(search)) for task, search in running]
    while asked:
        answers = oracle.margins([(task, candidates) for task, _, candidates in asked])
        asked = [
            (task, search, candidates)
            for (task, search, _), margins in zip(asked, answers, strict=True)
            if (candidates := _next(search, margins)) is not None
        ]


def _next(search: Search, margins: Margins) -> Bool | None:
    try:
        return search.send(margins)
    except StopIteration:
        return None


def _search(task: Task, mode: str) -> Search:
    """See what the whole and the blank picture do, then remove."""
    (whole,) = yield task.kept[None]
    task.fires = bool(whole >= 0)
    task.margin = _held(whole, task)
    if (yield from _fill(task)):
        yield from (_one_by_one(task) if mode == "exact" else _many_at_once(task))


def _fill(task: Task) -> Generator[Bool, Margins, bool]:
    """Choose the first filling that does not give the bit by itself.

    Returns:
        Whether there is one. If not, nothing of the picture is left.
    """
    held = []
    for fill in task.fillings:
        task.fill = fill
        (blank,) = yield np.zeros_like(task.kept)[None]
        held.append(_held(blank, task))
        if held[-1] < 0:
            return True
    task.fill, task.blank = next(iter(task.fillings)), True
    task.drop(np.arange(len(task.kept)), held[0])
    return False


def _held(margin: np.int64, task: Task) -> int:
    """By how much the bit of the whole picture holds: at least 0 if and only if it does."""
    return int(margin) if task.fires else -1 - int(margin)


def _one_by_one(task: Task) -> Search:
    """Remove the segment without which the bit holds best, until it holds without none."""
    while True:
        singles = _singles(task)
        margins = yield task.without(singles)
        held = [_held(margin, task) for margin in margins]
        best = int(np.argmax(held))
        if held[best] < 0:
            return
        task.drop(singles[best], held[best])


def _many_at_once(task: Task) -> Search:
    """Remove as many as possible at once: groups of neighbours first, then single segments until none can go."""
    groups = _neighbours(task.segments)
    while (yield from _sweep(task, groups)):
        groups = [group for group in groups if task.kept[group].any()]
    while (yield from _sweep(task, _singles(task))):
        pass


def _sweep(task: Task, groups: Sequence[NDArray[np.int64]]) -> Generator[Bool, Margins, bool]:
    """Try each group, rank those that can go alone, and remove the longest row of them found by bisection.

    Returns:
        Whether something went. If not, no group can go by itself.
    """
    margins = yield task.without(groups)
    held = np.array([_held(margin, task) for margin in margins])
    order = [int(index) for index in np.argsort(-held, kind="stable") if held[index] >= 0]
    if not order:
        return False
    good, bad, margin = 1, len(order) + 1, int(held[order[0]])
    while bad - good > 1:
        middle = (good + bad) // 2
        (answer,) = yield task.without([_joined(groups, order[:middle])])
        if _held(answer, task) >= 0:
            good, margin = middle, _held(answer, task)
        else:
            bad = middle
    task.drop(_joined(groups, order[:good]), margin)
    return True


def _joined(groups: Sequence[NDArray[np.int64]], chosen: Iterable[int]) -> NDArray[np.int64]:
    return np.concatenate([groups[index] for index in chosen])


def _singles(task: Task) -> list[NDArray[np.int64]]:
    return [np.array([index]) for index in np.flatnonzero(task.kept)]


def _neighbours(segments: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """About √S groups of about √S segments that lie close to each other: strips of centres, cut across."""
    count = int(segments.max()) + 1
    size = np.bincount(segments.reshape(-1), minlength=count)
    rows, columns = np.indices(segments.shape)
    row, column = (np.bincount(segments.reshape(-1), at.reshape(-1), count) / size for at in (rows, columns))
    strips = max(1, round(count**0.25))
    groups = []
    for strip in np.array_split(np.argsort(row, kind="stable"), strips):
        across = strip[np.argsort(column[strip], kind="stable")]
        groups += np.array_split(across, max(1, isqrt(count) // strips))
    return groups
