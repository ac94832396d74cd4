"""Ranks meet in a store of their own, whatever an earlier attempt has left in it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import HashStore, Store

from firebit.errors import UnavailableError
from firebit.train.meeting import meet

SOON = timedelta(seconds=20)


def attempt(store: Store, size: int, use: Callable[[Store, int], str]) -> list[str]:
    """What every rank of one attempt finds, in threads of one process."""

    def join(rank: int) -> str:
        return use(meet(store, rank, size, SOON), rank)

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(join, range(size)))


def test_ranks_of_an_attempt_share_keys_and_see_none_of_an_earlier_one() -> None:
    store = HashStore()

    def exchange(part: Store, rank: int) -> str:
        if rank == 2:
            assert not part.check(["address"])
            part.set("address", f"rank 2 of attempt {number}")
        return part.get("address").decode()

    for number in range(3):
        assert attempt(store, 3, exchange) == [f"rank 2 of attempt {number}"] * 3


def test_a_question_of_a_dead_rank_is_no_answer_to_the_living() -> None:
    store = HashStore()
    store.set("firebit/asks/1", "a word of a dead rank")
    found = attempt(store, 2, lambda part, rank: (part.set("k", "v"), part.get("k").decode())[1])
    assert found == ["v", "v"]


@pytest.mark.parametrize("rank", [0, 1])
def test_who_waits_in_vain_says_so(rank: int) -> None:
    with pytest.raises(UnavailableError, match=f"Rank {rank} has waited for the others for 0 seconds"):
        meet(HashStore(), rank, 2, timedelta(seconds=0.1))
