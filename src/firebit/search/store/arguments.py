"""What callers of a store give, checked: ids, payloads, numbers."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from firebit.errors import DataError, UsageError
from firebit.search.store.backend import Query
from firebit.search.store.hits import Item

LONGEST_ID = 4096
"""Bytes of the longest id, in UTF-8."""

_IDS = f"Give text of 1 to {LONGEST_ID:,} bytes, without the sign NUL."


def checked_ids(ids: object, different: bool = True) -> list[str]:
    """Ids as a list.

    Args:
        ids: a sequence of text.
        different: whether no two may be the same.

    Raises:
        UsageError: they are none, or two are the same.
    """
    if isinstance(ids, str) or not isinstance(ids, Sequence | np.ndarray):
        raise UsageError(f"ids are of type {type(ids).__name__}.", "Give a list of text, one for each item.")
    names = list(ids)
    if not all(map(str.__instancecheck__, names)):
        at = next(at for at, name in enumerate(names) if not isinstance(name, str))
        raise UsageError(f"ids[{at}] is {names[at]!r}, no text.", "Give ids as text: str(number) of a number.")
    _check_texts(names)
    if different and len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UsageError(f"The id {twice!r} is given twice in one call.", "Give each id once; the last call counts.")
    return names


def _check_texts(names: list[str]) -> None:
    whole = "".join(names)
    if all(names) and max(map(len, names), default=0) <= LONGEST_ID // 4 and "\0" not in whole and _is_text(whole):
        return
    for at, name in enumerate(names):
        if not is_id(name):
            shown = ascii(name) if len(name) <= 60 else f"{name[:57]!a}…"
            raise UsageError(f"ids[{at}] is {shown}, which is no id.", _IDS)


def is_id(name: str) -> bool:
    """Whether a text can be an id."""
    return bool(name) and "\0" not in name and _is_text(name) and len(name.encode()) <= LONGEST_ID


def _is_text(name: str) -> bool:
    """Whether it can be written in UTF-8: names of files may hold bytes that are none."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def payload_texts(payload: object, count: int) -> list[str]:
    """Payloads as JSON, one for each item.

    Raises:
        UsageError: there are not so many, or one is no JSON-able object.
    """
    if payload is None:
        return ["{}"] * count
    if isinstance(payload, str | Mapping) or not isinstance(payload, Sequence):
        raise UsageError(f"payload is of type {type(payload).__name__}.", "Give a list with an object for each item.")
    if len(payload) != count:
        raise UsageError(f"There are {count} ids and {len(payload)} payloads.", "Give one payload for each, or none.")
    return [_payload_text(at, each) for at, each in enumerate(payload)]


def _payload_text(at: int, payload: object) -> str:
    if not isinstance(payload, Mapping) or not all(isinstance(key, str) for key in payload):
        raise UsageError(f"payload[{at}] is {str(payload)[:60]!r}, no object with names.", 'Give such as {"label": 3}.')
    try:
        return json.dumps(dict(payload), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"payload[{at}] cannot be written as JSON: {reason}.",
            "Give text, finite numbers, bools, None, lists, objects.",
        ) from error


def check_query(query: Query) -> None:
    """Refuse a search that means nothing.

    Raises:
        UsageError: `k`, `radius` or `exact` are out of range.
    """
    if query.k is not None and not _is_whole(query.k, 1):
        raise UsageError(f"k={query.k!r} is no number of hits.", "Give a whole number from 1.")
    if query.radius is not None and not _is_whole(query.radius, 0):
        raise UsageError(f"radius={query.radius!r} is no distance.", "Give a whole number of bits from 0.")
    if query.k is None and query.radius is None:
        raise UsageError("k=None asks for all hits within a radius, and there is none.", "Give radius=, or k=.")
    if not isinstance(query.exact, bool) and query.exact != "auto":
        raise UsageError(f"exact={query.exact!r} is not known.", 'Give True, False or "auto".')


def check_share(value: object, name: str) -> None:
    """Refuse what is no share above 0.

    Raises:
        UsageError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and 0 < value <= 1):
        raise UsageError(f"{name}={value!r} is no share.", "Give a number above 0, at most 1.")


def check_threads(threads: object) -> None:
    """Refuse what is no number of threads.

    Raises:
        UsageError: it is not.
    """
    if threads is not None and not _is_whole(threads, 1):
        raise UsageError(f"threads={threads!r} is no number of threads.", "Give a whole number from 1, or None.")


def present(name: str, stored: dict[str, tuple[bytes, str]]) -> tuple[bytes, str]:
    """Code and payload of an item that must be there.

    Raises:
        DataError: it is not.
    """
    if name not in stored:
        raise DataError(f"There is no item {name!r} in the store.", "Check the id, or store the item first.")
    return stored[name]


def item(name: str, stored: tuple[bytes, str] | None) -> Item | None:
    """An item of what is stored under its name."""
    if stored is None:
        return None
    return Item(name, np.frombuffer(stored[0], np.uint8), _payload(stored[1]))


def _payload(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def _is_whole(value: object, least: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | np.integer) and int(value) >= least
