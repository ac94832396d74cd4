"""Items in memory: where those of some keys are."""

import numpy as np
import pytest

from firebit.search.store import segment
from firebit.search.store.segment import in_threads
from firebit.search.store.truth import Rows


@pytest.mark.parametrize("spread", [1, 1000])
def test_positions_of_keys_by_a_table_and_by_search(spread: int) -> None:
    keys = np.random.default_rng(0).permutation(50) * spread + 7
    made = segment.segment(Rows([f"{n:02}" for n in range(50)], keys, np.zeros((50, 1), np.uint8)))
    wanted = np.array([keys[30], 3, keys[4], keys.max() + 1, keys[49], -5])
    assert made.positions(wanted).tolist() == [4, 30, 49]
    assert made.positions(np.empty(0, np.int64)).tolist() == []
    left = made.without(keys[:48])
    assert left.search(np.zeros((1, 1), np.uint8), 5)[1].tolist() == [[48, 49, -1, -1, -1]]


@pytest.mark.parametrize("threads", [1, 3, 9])
def test_parts_of_the_queries_come_back_in_order(threads: int) -> None:
    queries = np.arange(5, dtype=np.uint8)[:, None]
    distances, positions = in_threads(queries, threads, lambda some: (some.astype(np.int32), some.astype(np.int64)))
    assert distances.ravel().tolist() == positions.ravel().tolist() == [0, 1, 2, 3, 4]
