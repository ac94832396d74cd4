"""Pictures of a store that are near to one: behind a small protocol, so that the app works with any store, and none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firebit.data.picture import thumbnail
from firebit.errors import DataError
from firebit.web.answers import Nearest, Neighbour
from firebit.web.picture import data_address

MOST = 100
"""Neighbours that can be asked for at once."""

_SIDE = 128
_PATH, _LABEL = "path", "label"
_LONGEST = 200


@dataclass(frozen=True)
class Hit:
    """A stored picture: its id, its code (uint8, packed), how many bits differ, and its payload."""

    id: str
    distance: int
    code: NDArray[np.uint8]
    payload: Mapping[str, Any]


class Pictures(Protocol):
    """A store as the app needs it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def bits(self) -> int:
        """Length of its codes."""

    @property
    def layer(self) -> str:
        """Of the network, whose bits they are."""

    def __len__(self) -> int:
        """How many pictures it has."""

    def nearest(self, code: NDArray[np.uint8], k: int, where: Mapping[str, Any] | None) -> Sequence[Hit]:
        """Up to k stored pictures nearest to a code uint8 (⌈bits / 8⌉,), nearest first, of those that match `where`."""


def nearest(store: Pictures, code: NDArray[np.uint8], k: int, where: Mapping[str, Any] | None = None) -> Nearest:
    """The nearest pictures of a store, with the bits in which they differ.

    Raises:
        FirebitError: the store cannot be asked.
    """
    found = store.nearest(code, k, where)
    return Nearest(bits=store.bits, found=[_neighbour(hit, code, store.bits) for hit in found])


def is_value(key: str, value: str) -> dict[str, Any]:
    """The filter that a field of the payload has a value, which was typed: "3" is the text and the number."""
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        read = value
    values = [value] if isinstance(read, dict | list) or read == value else [value, read]
    return {"or": [{key: each} for each in values]}


def _neighbour(hit: Hit, code: NDArray[np.uint8], bits: int) -> Neighbour:
    differing = np.flatnonzero(np.unpackbits(hit.code ^ code, bitorder="little")[:bits])
    text = {str(key): str(value)[:_LONGEST] for key, value in hit.payload.items()}
    return Neighbour(
        id=hit.id,
        distance=hit.distance,
        differing=differing.tolist(),
        label=text.get(_LABEL, ""),
        picture=_thumbnail(hit.payload),
        payload=text,
    )


def _thumbnail(payload: Mapping[str, Any]) -> str | None:
    """A small copy of the picture that a payload names; None where it names none that can be read."""
    path = payload.get(_PATH)
    if not isinstance(path, str):
        return None
    try:
        return data_address(thumbnail(Path(path), _SIDE))
    except DataError:
        return None
