"""Pictures encoded by the folder: workers, shards that a stopped job goes on from, the same on Ray; stores kept up."""

from firebit.search.encode.encoded import Bad
from firebit.search.encode.job import Job, Progress, Summary, prepare, run
from firebit.search.encode.pictures import Picture, find
from firebit.search.encode.shard import read_manifest, read_shards
from firebit.search.encode.upkeep import Update, update

__all__ = [
    "Bad",
    "Job",
    "Picture",
    "Progress",
    "Summary",
    "Update",
    "find",
    "prepare",
    "read_manifest",
    "read_shards",
    "run",
    "update",
]
