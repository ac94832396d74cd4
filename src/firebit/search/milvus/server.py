"""A Milvus server: its address, and calls that say where they failed.

A call that meets a server which is away, or is not ready yet, is tried again after 0.1 s, then after twice as long each
time, at most 3 s, until `timeout` is over. Whatever is asked for or written may safely be asked for or written again.
Only the first connection is not tried again.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from firebit.errors import UnavailableError, UsageError
from firebit.extras import missing

_PORT = 19_530
_NOT_CONNECTED = 2
# Collections are loaded when they are opened; a server that has just started says so until it has loaded them again.
_NOT_LOADED = 101
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0

Result = TypeVar("Result")


class Server:
    """A connection to a server.

    Args:
        address: "host:port".
        token: of the user, "name:password"; "" where the server asks for none.
        timeout: seconds after which a call gives up.

    Raises:
        MissingExtraError: pymilvus is not installed.
        UnavailableError: the server does not answer.
    """

    def __init__(self, address: str, token: str, timeout: float) -> None:
        try:
            from pymilvus import MilvusClient
        except ModuleNotFoundError as error:
            raise missing(error, f"milvus://{address}") or error from error
        self.address, self._timeout = address, timeout
        self._client = self._explained(lambda: MilvusClient(uri=f"http://{address}", token=token, timeout=timeout))

    def call(self, use: Callable[[Any, dict[str, float]], Result]) -> Result:
        """Ask for something: `use` is given pymilvus's client, and what to pass on to its method.

        Raises:
            UnavailableError: the server is away, or does not do it.
        """
        end, pause = time.monotonic() + self._timeout, _FIRST_PAUSE
        while True:
            left = max(end - time.monotonic(), _FIRST_PAUSE)
            try:
                return self._explained(lambda left=left: use(self._client, {"timeout": left}))  # type: ignore[misc]
            except UnavailableError as error:
                if not _may_pass(error.__cause__) or time.monotonic() + pause > end:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def index_parameters(self) -> Any:
        """An empty description of indexes, as pymilvus wants one."""
        return self._client.prepare_index_params()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _explained(self, use: Callable[[], Result]) -> Result:
        from grpc import FutureTimeoutError, RpcError
        from pymilvus.exceptions import MilvusException

        try:
            return use()
        except (MilvusException, RpcError, FutureTimeoutError) as error:
            does = "is away" if _is_away(error) else "does not do it"
            raise UnavailableError(
                f"Milvus at {self.address} {does}: {_reason(error)}.",
                "See that the server runs and can be reached, and try again.",
            ) from error
        except ValueError as error:
            # What gRPC says of a connection that was closed because the server went away.
            if "closed channel" not in str(error):
                raise
            raise UnavailableError(
                f"Milvus at {self.address} is away: {_reason(error)}.", "See that the server runs, and try again."
            ) from error


def _may_pass(error: BaseException | None) -> bool:
    """Whether the same call may succeed later."""
    return _is_away(error) or getattr(error, "retriable", False) or getattr(error, "code", None) == _NOT_LOADED


def _is_away(error: BaseException | None) -> bool:
    from grpc import FutureTimeoutError, RpcError, StatusCode
    from pymilvus.exceptions import MilvusException

    if isinstance(error, MilvusException):
        return error.code in (_NOT_CONNECTED, StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)
    return isinstance(error, RpcError | FutureTimeoutError | ValueError)


def parts(url: str) -> tuple[str, str]:
    """Address and collection."""
    try:
        parts = urlsplit(url)
        host, port, name = parts.hostname, parts.port or _PORT, parts.path.strip("/")
    except ValueError as error:
        raise UsageError(f"{url} is no address: {error}.", "Give milvus://host:19530/collection.") from error
    if not host or not name.isidentifier() or not name.isascii() or parts.query or parts.fragment or parts.username:
        raise UsageError(
            f"{url} is no address of a collection.", "Give milvus://host:19530/collection, the name a plain word."
        )
    return f"{host}:{port}", name


def _reason(error: Exception) -> str:
    text = " ".join(str(getattr(error, "message", "") or error).split()) or type(error).__name__
    return text[:300].rstrip(".")
