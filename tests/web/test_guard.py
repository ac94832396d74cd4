"""Whom the server answers."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from firebit.web.guard import HEADERS, Guard


def client(*names: str) -> TestClient:
    answer = PlainTextResponse("answered", headers={"cache-control": "public"})
    return TestClient(Guard(answer, frozenset(names)), base_url="http://127.0.0.1:8350")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8350",
        "localhost",
        "LocalHost:1",
        "localhost.",
        "[::1]:8350",
        "192.168.0.7:80",
        "me.lan:5",
    ],
)
def test_own_names_and_addresses_are_answered(host: str) -> None:
    found = client("Me.LAN").get("/", headers={"host": host})
    assert (found.status_code, found.text) == (200, "answered")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8350",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "[::1",
        "a b",
        "@localhost@evil.example",
    ],
)
def test_names_of_strangers_are_not(host: str) -> None:
    found = client().get("/", headers={"host": host})
    assert found.status_code == 421
    assert found.text.startswith("This server does not answer to that host name.")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, 200),
        ("POST", {"origin": "http://127.0.0.1:8350", "sec-fetch-site": "same-origin"}, 200),
        ("POST", {"origin": "http://evil.example"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("POST", {"origin": "http://127.0.0.1:9999"}, 403),
        ("POST", {"sec-fetch-site": "cross-site"}, 403),
        ("POST", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ("GET", {"sec-fetch-site": "none"}, 200),
    ],
)
def test_pages_of_other_sites_are_not_answered(method: str, headers: dict[str, str], status: int) -> None:
    assert client().request(method, "/", headers=headers).status_code == status


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_every_answer_has_safe_headers(host: str) -> None:
    found = client().get("/", headers={"host": host})
    assert {name: found.headers[name] for name in HEADERS} == HEADERS
    assert found.headers.get_list("cache-control") == ["no-store"]
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
