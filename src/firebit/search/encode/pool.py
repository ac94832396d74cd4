"""Work for several processes or threads: each begins once, then is given one part after the other."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from typing import Any, TypeVar

from firebit.errors import FirebitError

Part = TypeVar("Part")
Result = TypeVar("Result")


Begin = Callable[[], Callable[[Part], Result]]


def worked(begin: Begin[Part, Result], parts: Sequence[Part], workers: int, in_threads: bool) -> Iterator[Result]:
    """Results of parts as they are done; at most two parts per worker are on their way.

    Args:
        begin: called once by each worker, gives what is done with a part. For processes it can be pickled, and so can
            parts and results.
        parts: what is to be done.
        workers: how many, ≥ 1; one works here and now, and its results come in order.
        in_threads: threads rather than processes: they share what is in memory, and only one runs Python at a time.

    Raises:
        FirebitError: a worker ended before its work did; or whatever the work itself raises.
    """
    if workers == 1:
        do = begin()
        yield from map(do, parts)
        return
    count = max(1, min(workers, len(parts)))
    with _pool(begin, count, in_threads) as pool:
        waiting = list(reversed(parts))
        pending: set[Future[Result]] = set()
        try:
            while waiting or pending:
                while waiting and len(pending) < 2 * count:
                    pending.add(pool.submit(_do, waiting.pop()))
                ended, pending = wait(pending, return_when=FIRST_COMPLETED)
                for each in ended:
                    yield each.result()
        except BrokenExecutor as error:
            raise FirebitError(
                "A worker ended before its work did.",
                "Perhaps memory ran out: use fewer --workers. The same command goes on from here.",
            ) from error
        finally:
            for each in pending:
                each.cancel()


def _pool(begin: Begin[Any, Any], count: int, in_threads: bool) -> Executor:
    if in_threads:
        return ThreadPoolExecutor(count, "encode", _begin, (begin,))
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin, (begin,))


_own = threading.local()


def _begin(begin: Begin[Any, Any]) -> None:
    _own.do = begin()


def _do(part: Any) -> Any:
    return _own.do(part)
