"""What stands before every request: whom the server answers, how much it takes, and what its pages may do."""

from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_LOCAL = "localhost"


class Guard:
    """An ASGI layer that answers only requests meant for this server, and puts safe headers on every answer.

    A page of a stranger that the user has open can make the browser send requests here. Two things stop it: a request
    must name this server by an address, by "localhost", or by a name that was allowed, since a stranger's own name can
    be made to lead to this machine (DNS rebinding); and what comes from a page must come from a page of this server.

    Args:
        app: what is guarded.
        names: host names it answers to, besides "localhost" and bare addresses.
    """

    def __init__(self, app: App, names: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._names = {name.lower().rstrip(".") for name in names} | {_LOCAL}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it: 421 for another host's name, 403 from another site's page."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        else:
            await _refuse(_with_headers(send), *refusal)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if not self._is_own(host):
            return 421, "This server does not answer to that host name. Open it by its address, or allow the name."
        # A link to this page may be followed from anywhere; the page cannot be framed, and a GET changes nothing.
        followed = scope["method"] == "GET" and headers.get(b"sec-fetch-mode") == "navigate"
        foreign = headers.get(b"sec-fetch-site", "none") not in ("same-origin", "none") and not followed
        origin = headers.get(b"origin")
        if foreign or (origin is not None and urlsplit(origin).netloc.lower() != host.lower()):
            return 403, "Requests from pages of other sites are not answered."
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if not name:
            return False
        return name.rstrip(".") in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            kept = [pair for pair in message.get("headers", ()) if pair[0].decode("latin-1").lower() not in HEADERS]
            message = {**message, "headers": [*kept, *own]}
        await send(message)

    return sent


async def _refuse(send: Send, status: int, words: str) -> None:
    text = words.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
