"""Taking pictures from requests."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from firebit.web.upload import Desk, Limits, RefusedError, received

# Seconds enough for what must be in time on a busy machine.
LIMITS = Limits(most_bytes=100, read_seconds=1, answer_seconds=1, at_once=1)
PNG = {"content-type": "image/png"}


def request(parts: list[bytes], headers: dict[str, str], pause: float = 0) -> Request:
    """A request whose body comes in parts, with pauses before them."""

    async def come() -> AsyncIterator[dict[str, Any]]:
        for index, part in enumerate(parts):
            await asyncio.sleep(pause)
            yield {"type": "http.request", "body": part, "more_body": index + 1 < len(parts)}

    coming = come()
    receive: Callable[[], Awaitable[Any]] = lambda: anext(coming)  # noqa: E731
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": pairs}, receive)


def refused(asked: Request) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        asyncio.run(received(asked, LIMITS))
    return caught.value


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", " IMAGE/PNG "])
def test_a_picture_arrives(kind: str) -> None:
    assert asyncio.run(received(request([b"ab", b"c"], {"content-type": kind}), LIMITS)) == b"abc"


def test_as_much_as_is_allowed_arrives() -> None:
    assert len(asyncio.run(received(request([bytes(60), bytes(40)], PNG), LIMITS))) == 100


@pytest.mark.parametrize(
    "kind",
    ["", "image/gif", "image/svg+xml", "text/html", "multipart/form-data; boundary=x", "image/png; charset=utf-8"],
)
def test_other_types_are_refused(kind: str) -> None:
    found = refused(request([b"a"], {"content-type": kind}))
    assert (found.status, found.remedy) == (415, "Send one of: image/png, image/jpeg.")


def test_too_much_is_refused_before_it_comes_and_while_it_does() -> None:
    assert refused(request([], {**PNG, "content-length": "101"})).status == 413
    assert refused(request([bytes(60), bytes(41)], PNG)).status == 413


def test_nothing_is_refused() -> None:
    assert refused(request([b""], PNG)).status == 400


def test_too_slow_is_refused() -> None:
    found = refused(request([b"a"] * 9, PNG, pause=0.5))
    assert (found.status, found.problem) == (408, "The picture did not arrive within 1 s.")


def test_an_answer_in_time() -> None:
    assert asyncio.run(Desk(LIMITS).answer(lambda: 6 * 7)) == 42


def test_an_answer_that_takes_too_long_and_those_behind_it() -> None:
    async def ask() -> list[int]:
        desk, statuses = Desk(LIMITS), []
        for seconds in (3.0, 0.0):
            try:
                await desk.answer(lambda seconds=seconds: time.sleep(seconds))
            except RefusedError as error:
                statuses.append(error.status)
        await asyncio.sleep(1.5)
        # The thread is free again.
        await desk.answer(lambda: None)
        return statuses

    assert asyncio.run(ask()) == [503, 503]


def test_errors_of_the_computation_come_through() -> None:
    def fails() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(Desk(LIMITS).answer(fails))
