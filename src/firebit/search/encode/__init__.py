"""Pictures encoded by the folder: worker processes, shards that a stopped job goes on from, and the same on Ray."""

from firebit.search.encode.job import Job, Progress, Summary, prepare, run
from firebit.search.encode.pictures import Picture, find
from firebit.search.encode.shard import Bad, read_manifest, read_shards

__all__ = ["Bad", "Job", "Picture", "Progress", "Summary", "find", "prepare", "read_manifest", "read_shards", "run"]
