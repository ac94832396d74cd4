"""How a collection of Milvus is made and asked."""

from dataclasses import dataclass, fields
from typing import Any, Self

from firebit.errors import UsageError

INDEXES = {"flat": "BIN_FLAT", "ivf": "BIN_IVF_FLAT"}
"""Milvus's names of the indexes."""


@dataclass(frozen=True)
class Options:
    """How a collection is made and asked.

    Attributes:
        index: of a new collection: "flat" compares with every code, "ivf" with those of some lists.
        lists: of a new collection with "ivf", 1 … 65,536.
        probes: lists that a search looks into, unless it is to be exact.
        token: of the user, "name:password"; "" where the server asks for none.
        timeout: seconds after which a call gives up. Until then calls that fail on the way are tried again.
    """

    index: str = "flat"
    lists: int = 1024
    probes: int = 32
    token: str = ""
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if self.index not in INDEXES:
            raise UsageError(f"index={self.index!r} is not known.", f"Use one of: {', '.join(INDEXES)}.")
        if not (1 <= self.lists <= 65_536 and 1 <= self.probes <= self.lists and self.timeout > 0):
            raise UsageError(f"{self} is out of range.", "Give 1 ≤ probes ≤ lists ≤ 65,536, and a timeout above 0.")

    @classmethod
    def of(cls, given: dict[str, Any], url: str) -> Self:
        """Options of those that were given.

        Raises:
            UsageError: one is not known, or out of range.
        """
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise UsageError(f"{unknown[0]}= does not go with {url}.", f"Options are: {', '.join(sorted(known))}.")
        return cls(**given)
