"""The same job on Ray Data: shards are made by actors of a cluster, the same bytes as on one machine.

The folder, the pictures and the network must be at the same paths on every node, on a shared file system for instance.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from firebit.errors import UnavailableError
from firebit.extras import missing
from firebit.search.encode.encoded import Bad
from firebit.search.encode.job import Job
from firebit.search.encode.shard import Done, Worker


def execute(job: Job, numbers: Sequence[int], workers: int) -> Iterator[Done]:
    """Make shards on Ray: on the cluster that ``RAY_ADDRESS`` names, else on a new one on this machine.

    Args:
        job: what to do.
        numbers: of the shards to make.
        workers: actors, one core each.

    Raises:
        MissingExtraError: Ray is not installed.
        UnavailableError: the cluster cannot be reached.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise missing(error, "--ray") or error from error
    if not ray.is_initialized():
        try:
            ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
        except Exception as error:  # Ray raises plain ones where a node does not start in time
            reason = " ".join(str(error).split())
            raise UnavailableError(f"Ray cannot be reached: {reason}.", "Check RAY_ADDRESS, or unset it.") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # One actor is enough to begin with: a cluster that is smaller than asked for must not be waited for.
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, min(workers, len(numbers))))
    found = ray.data.from_items([{"shard": number} for number in numbers], override_num_blocks=len(numbers)).map(
        _Actor, fn_constructor_args=(job,), compute=pool, num_cpus=1
    )
    for row in found.iter_rows():
        bad = zip(row["ids"], row["reasons"], strict=True)
        yield Done(int(row["shard"]), int(row["pictures"]), tuple(Bad(str(each), str(reason)) for each, reason in bad))


class _Actor:
    """A worker as Ray Data calls it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker = Worker(job.work, str(job.folder))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        number = int(row["shard"])
        done = self._worker((number, self._job.shards[number]))
        ids, reasons = [bad.id for bad in done.bad], [bad.reason for bad in done.bad]
        return {"shard": number, "pictures": done.pictures, "ids": ids, "reasons": reasons}
