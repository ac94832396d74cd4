"""What a search finds: hits in the order of (distance, id), held as columns and made into objects when looked at."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Payload = dict[str, Any]


@dataclass(frozen=True)
class Hit:
    """A stored item that was found.

    Attributes:
        id: of the item.
        distance: bits in which its code differs from the query's.
        payload: what was stored with it; empty where nothing was, or where payloads were not asked for.
        cost: the asymmetric distance by which hits are ordered where that was asked for, else None.
    """

    id: str
    distance: int
    payload: Payload
    cost: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The hit as JSON-able values."""
        found = {"id": self.id, "distance": self.distance, "payload": self.payload}
        return found if self.cost is None else found | {"cost": self.cost}


@dataclass(frozen=True)
class Item:
    """What is stored under an id.

    Attributes:
        id: its name.
        code: uint8 (⌈bits / 8⌉,).
        payload: what was stored with it.
    """

    id: str
    code: NDArray[np.uint8]
    payload: Payload


@dataclass(frozen=True, eq=False)
class Columns:
    """Hits of many queries, one after the other.

    Attributes:
        make_ids: gives their ids, an array or a list of strings, when they are first looked at.
        distances: int32 (hits,).
        payloads: JSON text per hit, or None where payloads were not asked for.
        costs: float64 (hits,), or None.
        codes: uint8 (hits, bytes), or None where they were not asked for.
    """

    make_ids: Callable[[], Any]
    distances: NDArray[np.int32]
    payloads: Sequence[str] | None = None
    costs: NDArray[np.float64] | None = None
    codes: NDArray[np.uint8] | None = None

    @cached_property
    def ids(self) -> list[str]:
        """Their ids."""
        found = self.make_ids()
        return found if isinstance(found, list) else list(found.tolist())

    def hit(self, at: int) -> Hit:
        """One of them."""
        payload = {} if self.payloads is None else json.loads(self.payloads[at])
        cost = None if self.costs is None else float(self.costs[at])
        return Hit(self.ids[at], int(self.distances[at]), payload, cost)


class Hits(Sequence[Hit]):
    """The hits of one query, nearest first: a sequence of :class:`Hit`, and its columns.

    Args:
        columns: hits of this query and others.
        start: the first of this query.
        stop: behind the last of this query.
    """

    __slots__ = ("_columns", "_start", "_stop")

    def __init__(self, columns: Columns, start: int, stop: int) -> None:
        self._columns = columns
        self._start = start
        self._stop = stop

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> list[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | list[Hit]:
        places = range(self._start, self._stop)[index]
        return self._columns.hit(places) if isinstance(places, int) else [self._columns.hit(at) for at in places]

    def __iter__(self) -> Iterator[Hit]:
        return (self._columns.hit(at) for at in range(self._start, self._stop))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hits | list) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Hits({list(self)!r})"

    @property
    def ids(self) -> list[str]:
        """Ids, nearest first."""
        return self._columns.ids[self._start : self._stop]

    @property
    def distances(self) -> NDArray[np.int32]:
        """Distances in bits, int32 (hits,)."""
        return self._columns.distances[self._start : self._stop]

    @property
    def payloads(self) -> list[Payload]:
        """What is stored with each."""
        return [hit.payload for hit in self]


def split(columns: Columns, counts: Sequence[int]) -> list[Hits]:
    """Hits query by query.

    Args:
        columns: of all queries.
        counts: hits of each query.
    """
    ends = list(accumulate(counts))
    return [Hits(columns, end - count, end) for end, count in zip(ends, counts, strict=True)]
