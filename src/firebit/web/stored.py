"""A store of codes as the app needs it: opened for a network, searched by a code."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from firebit.web.neighbours import Hit

if TYPE_CHECKING:
    from firebit.engine.network import Network
    from firebit.search import CodeStore


class Stored:
    """A :class:`firebit.search.CodeStore` behind the protocol of :class:`firebit.web.neighbours.Pictures`.

    Args:
        store: of codes of a network.
        name: what it is called.
        layer: of the network, whose bits the codes are.
    """

    def __init__(self, store: "CodeStore", name: str, layer: str) -> None:
        self._store = store
        self.name = name
        self.layer = layer

    @property
    def bits(self) -> int:
        """Length of its codes."""
        return self._store.bits

    def __len__(self) -> int:
        """How many pictures it has."""
        return len(self._store)

    def nearest(self, code: NDArray[np.uint8], k: int, where: Mapping[str, Any] | None) -> Sequence[Hit]:
        """Up to k stored pictures nearest to a code, nearest first, of those that match `where`."""
        (found,) = self._store.search(codes=code[None], k=k, where=where)
        # What somebody else has removed since is left out.
        items = {item.id: item for item in self._store.get(found.ids) if item is not None}
        return [Hit(hit.id, hit.distance, items[hit.id].code, hit.payload) for hit in found if hit.id in items]


def open_store(location: str, network: "Network") -> Stored:
    """Open a store that is there, of codes of a network.

    Args:
        location: path of a file, or ``milvus://host:port/collection``.
        network: whose codes it holds, of whichever layer.

    Raises:
        UsageError: it holds codes of another network.
        UnavailableError: it is not there, locked, or does not answer.
        DataError: it is damaged, or no store.
    """
    from firebit.search import CodeStore

    store = CodeStore.connect(location, create=False)
    name, (of, _, layer) = Path(location).name, store.fingerprint.partition(":")
    if of == network.fingerprint and layer in network.layers:
        return Stored(store, name, layer)
    store.close()
    # It says what does not fit.
    return Stored(CodeStore.connect(location, encoder=network, create=False), name, network.layers[-1])
