"""Parts that are done by workers, wherever they are."""

import operator
import os
import threading
from functools import partial
from pathlib import Path

import pytest

from firebit.errors import DataError, FirebitError
from firebit.search.encode.pool import worked
from firebit.search.encode.shard import read_manifest

# Begins a worker that calls its parts. What a worker is given is found by its name in a new process, and a module of
# tests is not on the path there: begin and parts are made of what every process can import.
CALLS = partial(partial, operator.call)

WORKERS = pytest.mark.parametrize(("workers", "in_threads"), [(1, False), (2, False), (2, True), (9, True)])


@WORKERS
def test_every_part_is_done_once(workers: int, in_threads: bool) -> None:
    found = worked(CALLS, [partial(pow, 3, part) for part in range(7)], workers, in_threads)
    assert sorted(found) == [3**part for part in range(7)]


@WORKERS
def test_parts_are_done_in_processes_or_threads(workers: int, in_threads: bool) -> None:
    processes = set(worked(CALLS, [os.getpid] * 7, workers, in_threads))
    threads = set(worked(CALLS, [threading.get_ident] * 7, workers, in_threads=True))
    assert (processes == {os.getpid()}) == (in_threads or workers == 1)
    assert (threading.get_ident() in threads) == (workers == 1)


def test_one_worker_keeps_the_order() -> None:
    assert list(worked(partial(partial, pow, 2), (3, 1, 2), 1, False)) == [8, 2, 4]


@pytest.mark.parametrize(("workers", "in_threads"), [(1, False), (2, False), (2, True)])
def test_what_goes_wrong_in_a_part_is_raised(workers: int, in_threads: bool, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(worked(CALLS, [partial(read_manifest, tmp_path)] * 3, workers, in_threads))


@pytest.mark.parametrize("in_threads", [False, True])
def test_a_worker_that_cannot_begin_is_an_error(in_threads: bool) -> None:
    with pytest.raises(FirebitError, match="worker ended"):
        list(worked(partial(int, "never"), range(3), 2, in_threads))
