"""`CodeStore`: codes, ids and payload in one place, and what is nearest to a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from firebit.errors import UnavailableError, UsageError
from firebit.search.codes import Codes, check
from firebit.search.encoder import Encoder
from firebit.search.store import arguments, rerank
from firebit.search.store.agreement import Wanted, check_same, make, wanted_by
from firebit.search.store.backend import Backend, Capabilities, Query
from firebit.search.store.embedded import Embedded
from firebit.search.store.hits import Hits, Item
from firebit.search.store.schema import Settings
from firebit.search.store.where import parse

if TYPE_CHECKING:
    from firebit.engine.pixels import Images

DEFAULT_RECALL = 0.99


class CodeStore:
    """A store of codes, each with an id and a payload.

    Made by :meth:`open` and :meth:`connect`. Calls from several threads at once are safe, and so are several processes
    with one store. A store is a context manager, and closes at its end.

    Args:
        backend: where codes are kept.
        encoder: what makes codes of pictures; None: codes only.
        name: what errors call the store.

    Attributes:
        encoder: likewise.

    Raises:
        UsageError: the encoder's codes are others than those of the store.
    """

    def __init__(self, backend: Backend, encoder: Encoder | None = None, name: str = "The store") -> None:
        self._backend = backend
        self.encoder = encoder
        self._name = name

    @classmethod
    def open(
        cls,
        path: str | Path,
        bits: int | None = None,
        encoder: object = None,
        *,
        layer: str | None = None,
        fingerprint: str | None = None,
        create: bool = True,
        recall: float = DEFAULT_RECALL,
        threads: int | None = None,
    ) -> Self:
        """Open the store in a file, or make a new one.

        Args:
            path: of the file; its folder exists.
            bits: per code; None: those of the encoder, or of the store that is there.
            encoder: what makes codes of pictures: a compiled network, or any :class:`firebit.search.Encoder`; None: the
                store takes codes only.
            layer: which layer of a network gives the codes; None: the last.
            fingerprint: of the encoder, where codes come from one that is not here; None: that of `encoder`.
            create: make a new store where there is none.
            recall: the share of the k nearest that inverted lists must find to be used, 0 < recall ≤ 1.
            threads: how many a search may use, ≥ 1; None: as many as there are cores. Results do not depend on it.

        Raises:
            UsageError: an argument is none of these, or the store holds codes of another length or encoder.
            UnavailableError: the store is locked, cannot be read, or is not there.
            DataError: the file is damaged, or no store.

        Example:
            >>> store = fb.search.CodeStore.open("photos.db", encoder=fb.load("cifar10-quick"))
        """
        path = Path(path)
        wanted = wanted_by(bits, encoder, layer, fingerprint)
        arguments.check_share(recall, "recall")
        arguments.check_threads(threads)
        if not path.exists():
            if not create:
                raise UnavailableError(f"There is no store {path}.", "Check the path, or make one: firebit index.")
            if wanted.bits is None:
                raise UsageError(
                    f"{path} is a new store: nothing says how long its codes are.", "Give bits= or encoder=."
                )
            make(path, wanted)
        backend = Embedded(path, recall, threads)
        return cls._agreed(backend, wanted, str(path))

    @classmethod
    def connect(
        cls,
        url: str,
        bits: int | None = None,
        encoder: object = None,
        *,
        layer: str | None = None,
        fingerprint: str | None = None,
        create: bool = True,
        **options: Any,
    ) -> Self:
        """Open a store by its address.

        Args:
            url: ``milvus://host:19530/collection``, or the path of a file, as :meth:`open` takes it.
            bits, encoder, layer, fingerprint, create: as of :meth:`open`.
            options: for a file those of :meth:`open`; for Milvus those of :class:`firebit.search.milvus.Options`.

        Raises:
            UsageError, DataError: as of :meth:`open`; or the address or an option is not known.
            UnavailableError: as of :meth:`open`, or the server does not answer.
        """
        scheme, separator, _ = url.partition("://")
        if not separator:
            return cls.open(url, bits, encoder, layer=layer, fingerprint=fingerprint, create=create, **options)
        if scheme != "milvus":
            raise UsageError(
                f"{url}: there is no backend {scheme!r}.", "Give milvus://host:port/collection, or a path."
            )
        from firebit.search.milvus import connect

        wanted = wanted_by(bits, encoder, layer, fingerprint)
        new = None if wanted.bits is None or not create else Settings(wanted.bits, wanted.fingerprint or "")
        return cls._agreed(connect(url, new, options), wanted, url)

    @classmethod
    def _agreed(cls, backend: Backend, wanted: Wanted, name: str) -> Self:
        try:
            check_same(backend.settings, wanted, name)
        except BaseException:
            backend.close()
            raise
        return cls(backend, wanted.encoder, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self.count()

    @property
    def bits(self) -> int:
        """Bits per code."""
        return self._backend.settings.bits

    @property
    def fingerprint(self) -> str:
        """Of the encoder whose codes are stored; "" where nobody said."""
        return self._backend.settings.fingerprint

    def use(self, encoder: object, layer: str | None = None) -> None:
        """Take pictures from now on.

        Args:
            encoder: as of :meth:`open`.
            layer: likewise; None: the last.

        Raises:
            UsageError: `encoder` is none, or its codes are others than those of the store.
        """
        wanted = wanted_by(None, encoder, layer, None)
        check_same(self._backend.settings, wanted, self._name)
        self.encoder = wanted.encoder

    def upsert(
        self,
        ids: Sequence[str],
        images: "Images | None" = None,
        codes: ArrayLike | None = None,
        payload: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Put items in; those of an id that is there are replaced, payload and all.

        In a file all items of a call are there afterwards, or none. For many items call it with some thousands at a
        time: memory stays small.

        Args:
            ids: a different one for each, text of 1 to 4,096 bytes.
            images: pictures, as the encoder takes them.
            codes: instead of pictures: uint8 (n, ⌈bits / 8⌉).
            payload: a JSON-able object for each; None: empty ones.

        Raises:
            UsageError: ids, codes or payload are none of these, two ids are the same, numbers of items differ, or
                pictures are given to a store without an encoder.
            DataError: a picture cannot be read, or the database is damaged.
            UnavailableError: the store is locked, or the server is away.
        """
        names = arguments.checked_ids(ids)
        found = self._codes(images, codes)
        if found is None:
            raise UsageError("There is nothing to store: neither images nor codes are given.", "Give one of them.")
        texts = arguments.payload_texts(payload, len(names))
        if len(found) != len(names):
            raise UsageError(f"There are {len(names)} ids and {len(found)} codes.", "Give one id for each.")
        if names:
            self._backend.upsert(names, found, texts)

    def search(
        self,
        images: "Images | None" = None,
        codes: ArrayLike | None = None,
        id: str | Sequence[str] | None = None,
        k: int | None = 10,
        radius: int | None = None,
        where: Mapping[str, Any] | None = None,
        exact: bool | str = "auto",
        *,
        rerank_by: ArrayLike | str | None = None,
        payload: bool = True,
    ) -> list[Hits]:
        """What is nearest, in the order of (distance, id), for every query.

        Fewer than k hits come only where fewer match. Of equal distances the smaller id comes first, by code points.

        Args:
            images: pictures to search for, as the encoder takes them.
            codes: instead: uint8 (queries, ⌈bits / 8⌉).
            id: instead: the id of an item, or several; each finds itself too.
            k: hits per query, ≥ 1; more than there are is fine. None: all within `radius`.
            radius: the largest Hamming distance that counts, ≥ 0; None: any.
            where: which items count, such as ``{"label": {"in": [3, 5]}}``; see :mod:`firebit.search.store.where`.
            exact: True: every code is compared. "auto": inverted lists are used where a self-check found that they
                reach the recall of the store. False: lists are used wherever there are some. Searches with a filter or
                a radius are always exact.
            rerank_by: order by the asymmetric distance Σ |r_i| over the bits i that differ: "encoder" takes the reals r
                of its pictures, an array (queries, bits) gives them. The nearest by Hamming distance are re-ranked, ten
                times as many as wanted.
            payload: whether hits carry their payload; False is quicker.

        Returns:
            Hits per query, each a sequence of :class:`Hit`.

        Raises:
            UsageError: an argument is none of these.
            DataError: a picture cannot be read, there is no item of an id, or the database is damaged.
            UnavailableError: the store is locked, or the server is away.
        """
        queries = self._queries(images, codes, id)
        filtered = None if where is None else parse(where)
        query = Query(k, radius, filtered, exact, payload, rerank_by is not None)
        arguments.check_query(query)
        if not len(queries):
            return []
        if rerank_by is None:
            return self._backend.search(queries, query)[1]
        reals = rerank.reals_of(rerank_by, self.encoder, images, queries, self.bits)
        return rerank.search(self._backend, queries, reals, query)

    def get(self, ids: Sequence[str]) -> list[Item | None]:
        """The items of ids, None where there is none.

        Raises:
            UsageError: `ids` are no list of text.
        """
        names = arguments.checked_ids(ids, different=False)
        found = self._backend.get(list(dict.fromkeys(names)))
        return [arguments.item(name, found.get(name)) for name in names]

    def delete(self, ids: Sequence[str] | None = None, where: Mapping[str, Any] | None = None) -> int:
        """Remove items by id, or all that match a filter.

        Returns:
            How many there were.

        Raises:
            UsageError: neither or both are given, or they are no ids or no filter.
        """
        if (ids is None) == (where is None):
            raise UsageError("delete takes ids, or a filter.", "Give one of ids= and where=.")
        if where is not None:
            return self._backend.delete_where(parse(where))
        names = arguments.checked_ids(ids or (), different=False)
        return self._backend.delete(list(dict.fromkeys(names))) if names else 0

    def count(self, where: Mapping[str, Any] | None = None) -> int:
        """How many items match; without a filter, how many there are."""
        return self._backend.count(None if where is None else parse(where))

    def ids(self, where: Mapping[str, Any] | None = None) -> list[str]:
        """The ids of all items that match, in ascending order by code points; without a filter, of all there are."""
        return self._backend.ids(None if where is None else parse(where))

    def snapshot(self, path: str | Path) -> None:
        """Copy the store as it is now to a new file; others may go on reading and writing.

        Raises:
            UsageError: the file exists, or the backend keeps backups in its own way.
        """
        self._backend.snapshot(Path(path))

    def compact(self) -> None:
        """Give back what deleted items took, and build the index anew."""
        self._backend.compact()

    def index_field(self, name: str) -> None:
        """Keep an index on a field of the payload: filters on it no longer look at every item."""
        self._backend.index_field(name)

    def capabilities(self) -> Capabilities:
        """What this store can do, and what it has."""
        return self._backend.capabilities()

    @property
    def model(self) -> str:
        """By which name or path the encoder's network is loaded, as it was noted last; "" where nobody did."""
        return self._backend.remembered()

    @model.setter
    def model(self, name: str) -> None:
        self._backend.remember(name)

    def close(self) -> None:
        """Let go of files and connections."""
        self._backend.close()

    def _codes(self, images: "Images | None", codes: ArrayLike | None) -> Codes | None:
        """Codes that are given, or made of pictures; None where neither is given."""
        if images is not None and codes is not None:
            raise UsageError("Both images and codes are given.", "Give one of them.")
        if codes is not None:
            return check(codes, self.bits)
        if images is None:
            return None
        if self.encoder is None:
            raise UsageError(
                "The store has no encoder to make codes of images.", "Open it with encoder=, or give codes."
            )
        return check(self.encoder.codes(images), self.bits, "the encoder's codes")

    def _queries(self, images: "Images | None", codes: ArrayLike | None, id: str | Sequence[str] | None) -> Codes:
        if sum(given is not None for given in (images, codes, id)) != 1:
            raise UsageError("A search is by images, by codes or by ids.", "Give one of images=, codes= and id=.")
        if id is None:
            found = self._codes(images, codes)
            assert found is not None
            return found
        names = arguments.checked_ids([id] if isinstance(id, str) else id, different=False)
        stored = self._backend.get(list(dict.fromkeys(names)))
        raw = b"".join(arguments.present(name, stored)[0] for name in names)
        return np.frombuffer(raw, np.uint8).reshape(len(names), self._backend.settings.length)
