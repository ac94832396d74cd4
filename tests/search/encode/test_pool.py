"""Parts that are done by workers, wherever they are."""

import os
import threading
from collections.abc import Callable
from functools import partial

import pytest

from firebit.errors import DataError, FirebitError
from firebit.search.encode.pool import worked


def powers(of: int) -> Callable[[int], tuple[int, int, int]]:
    return partial(power, of)


def power(of: int, part: int) -> tuple[int, int, int]:
    return of**part, os.getpid(), threading.get_ident()


def wrong(part: int) -> int:
    raise DataError(f"part {part} is wrong", "Leave it out.")


def never() -> Callable[[int], int]:
    raise ValueError("this worker never begins")


@pytest.mark.parametrize(("workers", "in_threads"), [(1, False), (2, False), (2, True), (9, True)])
def test_every_part_is_done_once(workers: int, in_threads: bool) -> None:
    found = list(worked(partial(powers, 3), range(7), workers, in_threads))
    assert sorted(value for value, _, _ in found) == [3**part for part in range(7)]
    processes, threads = {each[1] for each in found}, {each[2] for each in found}
    assert (processes == {os.getpid()}) == (in_threads or workers == 1)
    assert (threading.get_ident() in threads) == (workers == 1)


def test_one_worker_keeps_the_order() -> None:
    assert [value for value, _, _ in worked(partial(powers, 2), (3, 1, 2), 1, False)] == [8, 2, 4]


@pytest.mark.parametrize(("workers", "in_threads"), [(1, False), (2, False), (2, True)])
def test_what_goes_wrong_in_a_part_is_raised(workers: int, in_threads: bool) -> None:
    with pytest.raises(DataError, match="part"):
        list(worked(partial(_given, wrong), range(3), workers, in_threads))


@pytest.mark.parametrize("in_threads", [False, True])
def test_a_worker_that_cannot_begin_is_an_error(in_threads: bool) -> None:
    with pytest.raises(FirebitError, match="worker ended"):
        list(worked(never, range(3), 2, in_threads))


def _given(do: Callable[[int], int]) -> Callable[[int], int]:
    return do
