"""The index beside a store, kept so that it need not be built again. It may be lost, damaged or old: then it is.

The database names the one cache that may be read, by a token that was written when both said the same.
"""

import json
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.errors import FirebitError
from firebit.files import load_tensors, save_tensors
from firebit.search.store.distinct import distinct
from firebit.search.store.lists import CHECKED_DEPTHS, Lists
from firebit.search.store.segment import Segment
from firebit.search.store.truth import State, Truth

SCHEMA = 1
_TOKEN = "cache"


def cache_file(store: Path) -> Path:
    """Where the cache of a store is."""
    return store.with_name(f"{store.name}-index")


def save(truth: Truth, segment: Segment, state: State, target: float) -> bool:
    """Keep a segment that says what the database said in that state; whether that could be done."""
    lists = segment.lists
    if lists is None:
        return False
    tensors: dict[str, NDArray[Any]] = {
        "ids": np.frombuffer(json.dumps(segment.ids.tolist(), ensure_ascii=False).encode(), np.uint8),
        **{"keys": segment.keys, "codes": segment.items.codes, "members": segment.items.members},
        **{"starts": segment.items.starts, "centres": lists.centres, "offsets": lists.offsets},
    }
    token = secrets.token_hex(16)
    record = {
        **{"kind": "code index", "schema": SCHEMA, "token": token, "target": target},
        "state": [state.epoch, state.last_key, state.last_gone],
        **{"probes": list(lists.probes), "recalls": list(lists.recalls)},
    }
    try:
        save_tensors(cache_file(truth.path), tensors, record)
        truth.note(_TOKEN, token)
    except FirebitError:
        # A full disk, or a folder closed to us: the next process builds its own.
        cache_file(truth.path).unlink(missing_ok=True)
        return False
    return True


def load(truth: Truth, target: float) -> tuple[Segment, State] | None:
    """The segment that was kept, and the state it stands for; None where there is none that can be trusted."""
    token, file = truth.noted(_TOKEN), cache_file(truth.path)
    if not token or not file.is_file():
        return None
    try:
        tensors, record = load_tensors(file)
        if record["kind"] != "code index" or record["schema"] != SCHEMA or record["token"] != token:
            return None
        state = State(*(int(number) for number in record["state"]))
        now = truth.state()
        if record["target"] != target or state.epoch != now.epoch or state.last_key > now.last_key:
            return None
        return _segment(tensors, record, truth.settings.length), state
    except (FirebitError, LookupError, TypeError, ValueError, RecursionError):
        return None


def _segment(tensors: dict[str, NDArray[Any]], record: dict[str, Any], length: int) -> Segment:
    ids = np.array(json.loads(tensors["ids"].tobytes()), np.dtypes.StringDType())
    keys = _vector(tensors["keys"], len(ids))
    lists = Lists(
        _codes(tensors["centres"], length),
        _vector(tensors["offsets"]),
        tuple(int(probes) for probes in record["probes"]),
        tuple(float(recall) for recall in record["recalls"]),
    )
    items = distinct(
        _codes(tensors["codes"], length), _vector(tensors["members"]), _vector(tensors["starts"]), len(ids)
    )
    _check(_is_course(lists.offsets, len(items.codes)) and len(lists.offsets) == len(lists.centres) + 1)
    _check(len(lists.probes) == len(lists.recalls) == len(CHECKED_DEPTHS) and min(lists.probes) >= 0)
    return Segment(ids, keys, items, lists)


def _codes(array: NDArray[Any], length: int) -> NDArray[np.uint8]:
    _check(array.dtype == np.uint8 and array.ndim == 2 and array.shape[1] == length)
    return array


def _vector(array: NDArray[Any], count: int | None = None) -> NDArray[np.int64]:
    _check(array.dtype == np.int64 and array.ndim == 1 and count in (None, len(array)))
    return array


def _is_course(offsets: NDArray[np.int64], end: int) -> bool:
    """Whether offsets rise from 0 to the end."""
    return bool(len(offsets) and offsets[0] == 0 and offsets[-1] == end and (np.diff(offsets) >= 0).all())


def _check(holds: bool) -> None:
    if not holds:
        raise ValueError("this is no index")
