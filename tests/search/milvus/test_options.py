"""Options of Milvus."""

from typing import Any

import pytest

from firebit.errors import UsageError
from firebit.search import CodeStore
from firebit.search.milvus import Options


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"index": "hnsw"}, "hnsw"),
        ({"probes": 0}, "range"),
        ({"lists": 4, "probes": 5}, "range"),
        ({"timeout": 0}, "range"),
        ({"threads": 2}, "threads="),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        CodeStore.connect("milvus://127.0.0.1:1/a", 8, **options)


def test_options_have_defaults_that_are_exact() -> None:
    assert Options().index == "flat"
