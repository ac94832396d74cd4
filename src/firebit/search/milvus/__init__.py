"""Stores on a Milvus server, from one process to a cluster: ``CodeStore.connect("milvus://host:19530/photos")``."""

from firebit.search.milvus.backend import Milvus, connect
from firebit.search.milvus.options import Options

__all__ = ["Milvus", "Options", "connect"]
