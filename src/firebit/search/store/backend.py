"""What a place that keeps codes must be able to do, whichever it is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from firebit.search.codes import Codes
from firebit.search.store.hits import Columns, Hits
from firebit.search.store.schema import Settings
from firebit.search.store.where import Filter


@dataclass(frozen=True)
class Query:
    """What is wanted of a search.

    Attributes:
        k: hits per query, ≥ 1; None: all within `radius`, which is then given.
        radius: the largest distance that counts, in bits, ≥ 0; None: any.
        where: which items count; None: all.
        exact: True: compare with every code; False: look into inverted lists wherever there are some; "auto": into
            lists that reach the recall that the store was opened with, else compare with every code.
        with_payload: whether payloads are wanted.
        with_codes: whether codes are wanted.
    """

    k: int | None
    radius: int | None = None
    where: Filter | None = None
    exact: bool | str = "auto"
    with_payload: bool = True
    with_codes: bool = False


@dataclass(frozen=True)
class Capabilities:
    """What a store can do, and what it has.

    Attributes:
        backend: "sqlite" or "milvus".
        version: of the library or server behind it.
        bits: per code.
        fingerprint: of the encoder; "" where unknown.
        items: how many are stored.
        exact: whether exact searches are possible.
        atomic: whether a call that changes many items changes all or none.
        snapshot: whether a store can be copied to a file.
        fields: fields of the payload that have an index.
        index: how searches are answered: "kind", and what belongs to that kind.
    """

    backend: str
    version: str
    bits: int
    fingerprint: str
    items: int
    exact: bool
    atomic: bool
    snapshot: bool
    fields: tuple[str, ...] = ()
    index: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values."""
        return asdict(self)


class Backend(Protocol):
    """A place that keeps codes. What it is given has been checked.

    Hits come in the order of (distance, id); an item is found at most once.
    """

    @property
    def settings(self) -> Settings:
        """What all codes share."""

    def upsert(self, ids: Sequence[str], codes: Codes, payloads: Sequence[str]) -> None:
        """Put items in, in place of those of the same ids; payloads are JSON objects as text."""

    def search(self, queries: Codes, query: Query) -> "tuple[Columns, list[Hits]]":
        """The hits of all queries one after the other, and query by query."""

    def get(self, ids: Sequence[str]) -> dict[str, tuple[bytes, str]]:
        """(code, payload) of those ids that are there."""

    def delete(self, ids: Sequence[str]) -> int:
        """Remove items by id; how many there were."""

    def delete_where(self, where: Filter) -> int:
        """Remove the items that match; how many there were."""

    def count(self, where: Filter | None) -> int:
        """How many items match."""

    def ids(self, where: Filter | None) -> list[str]:
        """Ids of all items that match, in ascending order by code points."""

    def snapshot(self, path: Path) -> None:
        """Copy the store to a new file."""

    def compact(self) -> None:
        """Give back what deleted items took, and build indexes anew."""

    def index_field(self, name: str) -> None:
        """Keep an index on a field of the payload."""

    def remember(self, model: str) -> None:
        """Note by which name or path the encoder's network is loaded."""

    def remembered(self) -> str:
        """What was noted last; "" where nothing was."""

    def capabilities(self) -> Capabilities:
        """What the store can do, and what it has."""

    def close(self) -> None:
        """Let go of files and connections."""
