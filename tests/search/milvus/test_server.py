"""Addresses of Milvus, and what is tried again."""

import pytest

from firebit.errors import UnavailableError, UsageError
from firebit.search import CodeStore
from firebit.search.milvus import server
from firebit.search.milvus.server import parts


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("milvus://host/photos", ("host:19530", "photos")),
        ("milvus://10.0.0.1:7/a_b1", ("10.0.0.1:7", "a_b1")),
    ],
)
def test_addresses(url: str, found: tuple[str, str]) -> None:
    assert parts(url) == found


@pytest.mark.parametrize(
    "url",
    ["milvus://host", "milvus:///a", "milvus://host:x/a", "milvus://host/a/b", "milvus://host/a-b", "milvus://u@h/a"],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        CodeStore.connect(url, 8)


def test_only_what_may_pass_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pymilvus = pytest.importorskip("pymilvus")
    pauses: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(server.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(server.time, "sleep", sleep)
    monkeypatch.setattr(pymilvus, "MilvusClient", lambda **options: options["uri"])
    opened = server.Server("127.0.0.1:7", "", 10.0)
    errors = [pymilvus.MilvusException(2, "gone"), pymilvus.MilvusException(5, "soon", retriable=True)]

    def use(client: str, more: dict[str, float]) -> tuple[str, float]:
        if errors:
            raise errors.pop()
        return client, more["timeout"]

    assert opened.call(use) == ("http://127.0.0.1:7", pytest.approx(9.7))
    assert pauses == [0.1, 0.2]
    errors[:] = [pymilvus.MilvusException(5, "never")]
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:7 does not do it: never"):
        opened.call(use)
    assert len(pauses) == 2
    errors[:] = [pymilvus.MilvusException(2, "gone")] * 99
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:7 is away: gone"):
        opened.call(use)
    assert pauses[2:] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0] and len(errors) == 91
