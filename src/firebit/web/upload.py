"""Taking a picture from a request: only pictures, only so large, and only so slowly."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from starlette.requests import Request

TYPES = ("image/png", "image/jpeg")

Result = TypeVar("Result")


class RefusedError(Exception):
    """A request that is not answered as it wishes.

    Args:
        status: of HTTP, 4xx or 5xx.
        problem: what is wrong, in a sentence.
        remedy: what to do about it, in a sentence.
    """

    def __init__(self, status: int, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.status = status
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Limits:
    """What the server takes.

    Attributes:
        most_bytes: of a picture.
        most_pixels: of a picture, which may be much larger than its file.
        read_seconds: until a picture has arrived.
        answer_seconds: until the answer is there.
        at_once: answers that are computed at the same time; others wait.
    """

    most_bytes: int = 10 << 20
    most_pixels: int = 40_000_000
    read_seconds: float = 20.0
    answer_seconds: float = 60.0
    at_once: int = 2


async def received(request: "Request", limits: Limits) -> bytes:
    """The picture that a request carries.

    Raises:
        RefusedError: it says it is something else (415), is empty (400), too large (413), or too slow (408).
    """
    kind = request.headers.get("content-type", "").strip().lower()
    if kind not in TYPES:
        raise RefusedError(415, f"The content type is {kind or 'missing'}.", f"Send one of: {', '.join(TYPES)}.")
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limits.most_bytes:
        raise _too_large(limits)
    try:
        content = await asyncio.wait_for(_body(request.stream(), limits), limits.read_seconds)
    except TimeoutError:
        raise RefusedError(
            408, f"The picture did not arrive within {limits.read_seconds:g} s.", "Send it again."
        ) from None
    if not content:
        raise RefusedError(400, "There is no picture in the request.", "Send the bytes of a PNG or JPEG file.")
    return content


async def _body(parts: AsyncIterator[bytes], limits: Limits) -> bytes:
    content = bytearray()
    async for part in parts:
        content += part
        if len(content) > limits.most_bytes:
            raise _too_large(limits)
    return bytes(content)


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(
        413, f"The picture has more than {limits.most_bytes / (1 << 20):g} MiB.", "Send a smaller one, or a JPEG file."
    )


class Desk:
    """Where answers are computed: in threads, a few at the same time, none waited for longer than is allowed.

    A computation that takes too long goes on in its thread, which stays taken until it ends: so many can do that at
    once as may compute at once, and no more.
    """

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.answer_seconds
        self._threads = ThreadPoolExecutor(limits.at_once, "firebit-answer")

    async def answer(self, compute: Callable[[], Result]) -> Result:
        """What `compute` returns.

        Raises:
            RefusedError: it took too long, or others did (503).
        """
        work = asyncio.get_running_loop().run_in_executor(self._threads, compute)
        try:
            return await asyncio.wait_for(work, self._seconds)
        except TimeoutError:
            raise RefusedError(
                503, f"There is no answer after {self._seconds:g} s.", "Try again, or a smaller network."
            ) from None
