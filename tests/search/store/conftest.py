"""Stores to test: every backend makes them in its own place."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from firebit.search import CodeStore

Make = Callable[..., CodeStore]


@pytest.fixture(params=["sqlite", pytest.param("milvus", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store of this backend may be."""
    if request.param == "sqlite":
        return str(tmp_path / "codes.db")
    server: str = request.getfixturevalue("milvus_server")
    return f"{server}/conformance_{os.getpid()}_{next(_numbers)}"


_numbers = count()


@pytest.fixture
def make(address: str) -> Iterator[Make]:
    """Opens the store of a test, as often as it likes, and closes what it leaves open."""
    opened: list[CodeStore] = []

    def opens(bits: int | None = None, encoder: object = None, **options: Any) -> CodeStore:
        opened.append(CodeStore.connect(address, bits, encoder, **options))
        return opened[-1]

    yield opens
    for store in opened:
        store.close()
