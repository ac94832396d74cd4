"""Where ranks meet: keys of their own in torchrun's store, also where earlier attempts have left theirs.

torchrun 2.13 keeps one store over all restarts of its workers. A rank that is started anew would find the addresses of
ranks that are dead, and wait for them. How often a rank was restarted does not tell attempts apart, as the launchers of
several machines count for themselves. So the first rank makes up a name for this attempt, and gives it to whoever asks.
"""

import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from torch.distributed.distributed_c10d import PrefixStore, Store

from firebit.errors import UnavailableError

_PAUSE = 0.05


def meet(store: Store, rank: int, size: int, patience: timedelta) -> Store:
    """A part of the store that all ranks of this attempt share, and none of an earlier one.

    Every other rank leaves a question with a word of its own under its rank, where the one of an earlier attempt may
    still be. The first answers every question there is under the word that came with it, until all have got its answer.

    Args:
        store: a store that all ranks reach.
        rank: this rank.
        size: how many there are.
        patience: how long to wait for the others.

    Raises:
        UnavailableError: they have not come in that time.
    """
    own = uuid.uuid4().hex
    if rank:
        store.set(f"firebit/asks/{rank}", own)
        _wait_for(lambda: bool(store.check([f"firebit/answer/{own}"])), f"Rank {rank}", patience)
        name = store.get(f"firebit/answer/{own}").decode()
        store.set(f"firebit/{name}/has/{rank}", "1")
        return PrefixStore(f"firebit/{name}", store)
    others = range(1, size)

    def answered() -> bool:
        for other in others:
            if store.check([f"firebit/asks/{other}"]):
                store.set(f"firebit/answer/{store.get(f'firebit/asks/{other}').decode()}", own)
        return all(store.check([f"firebit/{own}/has/{other}"]) for other in others)

    _wait_for(answered, "Rank 0", patience)
    return PrefixStore(f"firebit/{own}", store)


def _wait_for(condition: Callable[[], bool], who: str, patience: timedelta) -> None:
    until = time.monotonic() + patience.total_seconds()
    while not condition():
        if time.monotonic() > until:
            raise UnavailableError(
                f"{who} has waited for the others for {patience.total_seconds():.0f} seconds.",
                "See that as many ranks are started as WORLD_SIZE says, and that MASTER_ADDR can be reached from all.",
            )
        time.sleep(_PAUSE)
