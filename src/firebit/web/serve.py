"""Running the local app: on this machine only, unless it is asked to be seen from elsewhere."""

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from firebit.errors import UnavailableError, UsageError
from firebit.web.app import make_app
from firebit.web.lens import Lens
from firebit.web.upload import Limits

if TYPE_CHECKING:
    from firebit.web.neighbours import Pictures

HOST = "127.0.0.1"
PORT = 8350
_KEEP_ALIVE = 5
_GOODBYE = 3
_CONNECTIONS = 64


def serve(
    lens: Lens,
    store: "Pictures | None" = None,
    host: str = HOST,
    port: int = PORT,
    names: frozenset[str] = frozenset(),
    limits: Limits | None = None,
    told: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the app until it is interrupted.

    Args:
        lens: the network to look through.
        store: where nearest pictures come from; None: nowhere.
        host: address to listen on.
        port: 0 … 65535; 0: any that is free.
        names: host names it answers to, besides "localhost" and addresses.
        limits: what it takes.
        told: is told the address as soon as it can be opened.

    Raises:
        UnavailableError: the port is in use, or not ours to use.
        UsageError: there is no such address.
    """
    import uvicorn

    listening = listen(host, port)
    config = uvicorn.Config(
        make_app(lens, store, limits, names),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GOODBYE,
        limit_concurrency=_CONNECTIONS,
    )
    # Ctrl+C is how it ends; the server has shut down by then.
    with listening, suppress(KeyboardInterrupt):
        told(address(listening))
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UnavailableError: the port is in use, or not ours to use.
        UsageError: there is no such address.
    """
    try:
        (family, kind, protocol, _, where), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError) as error:
        raise UsageError(f"There is no address {host!r} to listen on.", "Give --host 127.0.0.1.") from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen()
    except OSError as error:
        listening.close()
        raise _cannot_listen(host, port, error) from error
    return listening


def _cannot_listen(host: str, port: int, error: OSError) -> UnavailableError | UsageError:
    if error.errno == errno.EADDRNOTAVAIL:
        return UsageError(f"{host} is no address of this machine.", "Give --host 127.0.0.1.")
    if error.errno == errno.EADDRINUSE:
        return UnavailableError(f"Port {port} of {host} is in use.", "Give another --port, or 0 for any that is free.")
    return UnavailableError(f"Cannot listen on port {port} of {host}: {error.strerror}.", "Give another --port.")


def address(listening: socket.socket) -> str:
    """What to open in a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
