"""A collection of a Milvus server as a store.

Milvus gives hits of one distance in no order, and any of those that tie for the last place. Where they tie, more are
asked for until all of that distance are here, and the smallest ids are kept: the same hits as in a file, up to the
16,384 that a server gives at once.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from firebit.amounts import in_bytes
from firebit.errors import DataError, UnavailableError, UsageError
from firebit.search.codes import MOST_BITS, Codes
from firebit.search.milvus.expression import among, expression
from firebit.search.milvus.options import INDEXES, Options
from firebit.search.milvus.server import Server, parts
from firebit.search.store.backend import Capabilities, Query
from firebit.search.store.hits import Columns, Hits, split
from firebit.search.store.schema import Settings
from firebit.search.store.where import Filter

MOST_HITS = 16_384
"""Hits that a server gives for one query."""

SCHEMA = 1
_UPSERTED_AT_ONCE = 2_000
_ASKED_AT_ONCE = 500
_QUERIES_AT_ONCE = 100
_LONGEST_ID = 65_535

Pair = tuple[int, str, dict[str, Any]]


def connect(url: str, new: Settings | None, options: dict[str, Any]) -> "Milvus":
    """Open a collection, or make a new one.

    Args:
        url: ``milvus://host:port/collection``.
        new: what codes a new collection holds; None: it must be there.
        options: of :class:`Options`.

    Raises:
        UsageError: the address or an option is not known, or the collection is not there.
        UnavailableError: the server does not answer.
        DataError: the collection is no store of codes.
    """
    return Milvus(url, new, Options.of(options, url))


class Milvus:
    """A collection as a store. Several processes, and several machines, may use it at once.

    Args:
        url: ``milvus://host:port/collection``.
        new: see :func:`connect`.
        options: how it is made and asked.

    Raises:
        UsageError, UnavailableError, DataError: see :func:`connect`.
    """

    def __init__(self, url: str, new: Settings | None, options: Options) -> None:
        self._address, self._name = parts(url)
        self._options = options
        self._server = Server(self._address, options.token, options.timeout)
        if not self._server.call(lambda client, more: client.has_collection(self._name, **more)):
            if new is None:
                raise UnavailableError(f"There is no collection {self._name} on {self._address}.", "Check the name.")
            self._make(new)
        self._settings, self._lists = self._described()
        self._server.call(lambda client, more: client.load_collection(self._name, **more))

    @property
    def settings(self) -> Settings:
        return self._settings

    def upsert(self, ids: Sequence[str], codes: Codes, payloads: Sequence[str]) -> None:
        rows = [
            {"id": name, "code": code.tobytes(), "payload": json.loads(payload)}
            for name, code, payload in zip(ids, codes, payloads, strict=True)
        ]
        for part in _chunks(rows, _UPSERTED_AT_ONCE):
            self._server.call(partial(self._put, part))

    def _put(self, rows: list[dict[str, Any]], client: Any, more: dict[str, float]) -> None:
        client.upsert(self._name, rows, **more)

    def search(self, queries: Codes, query: Query) -> tuple[Columns, list[Hits]]:
        output = (["payload"] if query.with_payload else []) + (["code"] if query.with_codes else [])
        found = [row for part in _chunks(queries, _QUERIES_AT_ONCE) for row in self._nearest(part, query, output)]
        flat = [pair for row in found for pair in row]
        payloads = [json.dumps(pair[2].get("payload", {})) for pair in flat] if query.with_payload else None
        codes = _codes([pair[2] for pair in flat], self._settings.length) if query.with_codes else None
        distances = np.array([pair[0] for pair in flat], np.int32)
        columns = Columns(lambda: [pair[1] for pair in flat], distances, payloads, None, codes)
        return columns, split(columns, [len(row) for row in found])

    def get(self, ids: Sequence[str]) -> dict[str, tuple[bytes, str]]:
        found = {}
        for part in _chunks(list(ids), _ASKED_AT_ONCE):
            for row in self._rows(among(part), ["code", "payload"], len(part)):
                found[str(row["id"])] = (_code(row), json.dumps(row["payload"]))
        return found

    def delete(self, ids: Sequence[str]) -> int:
        count = 0
        for part in _chunks(list(ids), _ASKED_AT_ONCE):
            there = [str(row["id"]) for row in self._rows(among(part), ["id"], len(part))]
            self._delete(there)
            count += len(there)
        return count

    def delete_where(self, where: Filter) -> int:
        count = 0
        while found := self._rows(expression(where), ["id"], MOST_HITS):
            for part in _chunks([str(row["id"]) for row in found], _ASKED_AT_ONCE):
                self._delete(part)
            count += len(found)
        return count

    def count(self, where: Filter | None) -> int:
        condition = "" if where is None else expression(where)
        found = self._server.call(
            lambda client, more: client.query(
                self._name, filter=condition, output_fields=["count(*)"], consistency_level="Strong", **more
            )
        )
        return int(found[0]["count(*)"])

    def ids(self, where: Filter | None) -> list[str]:
        def all_of_them(client: Any, more: dict[str, float]) -> list[str]:
            condition = "" if where is None else expression(where)
            rows = client.query_iterator(
                self._name, _ASKED_AT_ONCE, filter=condition, output_fields=["id"], consistency_level="Strong", **more
            )
            try:
                return [str(row["id"]) for part in iter(rows.next, []) for row in part]
            finally:
                rows.close()

        return sorted(self._server.call(all_of_them))

    def snapshot(self, path: Path) -> None:
        raise UsageError("A collection is not copied to a file.", "Back it up on the server, with milvus-backup.")

    def compact(self) -> None:
        self._server.call(lambda client, more: client.flush(self._name, **more))
        self._server.call(lambda client, more: client.compact(self._name, **more))

    def index_field(self, name: str) -> None:
        """Milvus 2.3 has no indexes on JSON; filters work without."""

    def remember(self, model: str) -> None:
        """A collection has no room for it; name the network with --model."""

    def remembered(self) -> str:
        return ""

    def capabilities(self) -> Capabilities:
        version = str(self._server.call(lambda client, more: client.get_server_version(**more)))
        index = {"kind": "flat"} if not self._lists else {"kind": "ivf", "lists": self._lists, "probes": self._probes}
        told = self._settings
        return Capabilities(
            "milvus", version, told.bits, told.fingerprint, self.count(None), True, False, False, (), index
        )

    def close(self) -> None:
        self._server.close()

    @property
    def _probes(self) -> int:
        return min(self._options.probes, self._lists)

    def _nearest(self, queries: Codes, query: Query, output: list[str]) -> list[list[Pair]]:
        """The hits of each query in the order of (distance, id)."""
        total = self.count(query.where)
        wanted = total if query.k is None else min(query.k, total)
        if wanted > MOST_HITS:
            if query.k is not None:
                raise UsageError(f"k={query.k} is more than Milvus gives.", f"Give at most {MOST_HITS:,}.")
            wanted = MOST_HITS
        if not wanted:
            return [[] for _ in queries]
        found: list[list[Pair]] = [[] for _ in queries]
        left, limit = list(range(len(queries))), min(MOST_HITS, max(2 * wanted, wanted + 64))
        while left:
            rows = self._asked(queries[left], query, limit, output)
            for at, row in zip(left, rows, strict=True):
                found[at] = sorted(row, key=lambda pair: pair[:2])[:wanted]
            left = [at for at, row in zip(left, rows, strict=True) if _may_tie(row, wanted, limit)]
            if limit == MOST_HITS:
                break
            limit = min(MOST_HITS, 8 * limit)
        return found

    def _asked(self, queries: Codes, query: Query, limit: int, output: list[str]) -> list[list[Pair]]:
        parameters: dict[str, int] = {}
        if self._lists:
            parameters["nprobe"] = self._lists if query.exact is True else self._probes
        if query.radius is not None:
            # Milvus leaves the outer radius out.
            parameters["radius"] = query.radius + 1
        found = self._server.call(
            lambda client, more: client.search(
                self._name,
                data=[code.tobytes() for code in queries],
                anns_field="code",
                filter="" if query.where is None else expression(query.where),
                limit=limit,
                output_fields=output,
                search_params={"metric_type": "HAMMING", "params": parameters},
                consistency_level="Strong",
                **more,
            )
        )
        return [[(round(hit["distance"]), str(hit["id"]), dict(hit["entity"])) for hit in row] for row in found]

    def _rows(self, condition: str, output: list[str], limit: int) -> list[dict[str, Any]]:
        found = self._server.call(
            lambda client, more: client.query(
                self._name, filter=condition, output_fields=output, limit=limit, consistency_level="Strong", **more
            )
        )
        return [dict(row) for row in found]

    def _delete(self, ids: list[str]) -> None:
        if ids:
            self._server.call(lambda client, more: client.delete(self._name, filter=among(ids), **more))

    def _make(self, settings: Settings) -> None:
        from pymilvus import DataType, MilvusClient

        about = {"firebit": SCHEMA, "bits": settings.bits, "fingerprint": settings.fingerprint}
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False, description=json.dumps(about))
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=_LONGEST_ID)
        schema.add_field("code", DataType.BINARY_VECTOR, dim=8 * in_bytes(settings.bits))
        schema.add_field("payload", DataType.JSON)
        index = self._server.index_parameters()
        kind, lists = INDEXES[self._options.index], self._options.lists
        parameters = {"nlist": lists} if self._options.index == "ivf" else {}
        index.add_index("code", index_type=kind, metric_type="HAMMING", params=parameters)
        self._server.call(
            lambda client, more: client.create_collection(
                self._name, schema=schema, index_params=index, consistency_level="Strong", **more
            )
        )

    def _described(self) -> tuple[Settings, int]:
        """What the collection holds, and into how many lists; 0: none."""
        told = self._server.call(lambda client, more: client.describe_collection(self._name, **more))
        try:
            about = json.loads(told["description"])
            bits, fingerprint, schema = about["bits"], about["fingerprint"], about["firebit"]
        except (ValueError, LookupError, TypeError) as error:
            raise DataError(f"{self._name} on {self._address} is no store of codes.", "Name another.") from error
        if schema != SCHEMA or type(bits) is not int or not 1 <= bits <= MOST_BITS or not isinstance(fingerprint, str):
            raise DataError(f"{self._name} on {self._address} is no store of this version.", "Update Firebit.")
        index = self._server.call(lambda client, more: client.describe_index(self._name, "code", **more))
        return Settings(bits, fingerprint), int((index or {}).get("nlist", 0))


def _may_tie(row: list[Pair], wanted: int, limit: int) -> bool:
    """Whether the server may have more hits at the distance of the last wanted one."""
    if len(row) < limit:
        return False
    distances = sorted(pair[0] for pair in row)
    return distances[-1] == distances[wanted - 1]


def _codes(entities: list[dict[str, Any]], length: int) -> Codes:
    raw = b"".join(map(_code, entities))
    return np.frombuffer(raw, np.uint8).reshape(len(entities), length)


def _code(row: dict[str, Any]) -> bytes:
    value = row["code"]
    return bytes(value[0] if isinstance(value, list) else value)


def _chunks(values: Any, size: int) -> Iterator[Any]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
