"""A shard of codes: a Parquet file {id, code, payload}, whole or not there, the same bytes wherever it is made."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from firebit.engine.network import Network
from firebit.errors import DataError
from firebit.extras import missing
from firebit.files import write_atomically
from firebit.search.codes import Codes
from firebit.search.encode.pictures import Picture, pixels
from firebit.search.encoder import LayerEncoder

MANIFEST = "manifest.json"
SCHEMA = 1
_KEY = b"firebit"


@dataclass(frozen=True)
class Bad:
    """A picture that could not be read, and why."""

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes of some pictures.

    Attributes:
        ids: of those that could be read.
        codes: uint8 (ids, bytes).
        payloads: {"file", "label"} of each, as JSON-able objects.
        bad: those that could not be read.
    """

    ids: list[str]
    codes: Codes
    payloads: list[dict[str, Any]]
    bad: tuple[Bad, ...]


@dataclass(frozen=True)
class Work:
    """What a worker needs to encode pictures: everything that decides bytes.

    Attributes:
        model: path of the compiled network.
        layer: whose codes.
        job: digest of the job, which its shards carry.
    """

    model: str
    layer: str
    job: str


@dataclass(frozen=True)
class Done:
    """A shard that was written: its number, pictures in it, and those that could not be read."""

    number: int
    pictures: int
    bad: tuple[Bad, ...]


def encode(encoder: LayerEncoder, pictures: Sequence[Picture]) -> Encoded:
    """Codes of pictures, part by part; those that cannot be read are left out and named."""
    ids: list[str] = []
    payloads: list[dict[str, Any]] = []
    parts: list[Codes] = [np.empty((0, -(-encoder.bits // 8)), np.uint8)]
    bad: list[Bad] = []
    network = encoder.network
    for start in range(0, len(pictures), network.batch):
        some = pictures[start : start + network.batch]
        batch = np.empty((len(some), *network.input_shape), np.uint8)
        good = 0
        for picture in some:
            try:
                batch[good] = pixels(picture, network.input_shape)
            except DataError as error:
                bad.append(Bad(ascii(picture.id) if not picture.id.isprintable() else picture.id, error.problem))
                continue
            ids.append(picture.id)
            payloads.append({"file": picture.id, "label": picture.label})
            good += 1
        if good:
            parts.append(encoder.codes(batch[:good]))
    return Encoded(ids, np.concatenate(parts), payloads, tuple(bad))


def shard_file(folder: Path, number: int) -> Path:
    """Where a shard is."""
    return folder / f"codes-{number:06}.parquet"


def write(folder: Path, number: int, work: Work, encoder: LayerEncoder, found: Encoded) -> Done:
    """Write a shard.

    Raises:
        FirebitError: the disk is full, or the folder cannot be written.
    """
    pa, parquet = _arrow()
    length = found.codes.shape[1]
    code = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(length), len(found.ids), [None, pa.py_buffer(found.codes.tobytes())]
    )
    payloads = [json.dumps(each, separators=(",", ":")) for each in found.payloads]
    about = {
        **{"schema": SCHEMA, "job": work.job, "shard": number, "bits": encoder.bits},
        **{"fingerprint": encoder.fingerprint, "bad": [asdict(each) for each in found.bad]},
    }
    schema = pa.schema(
        [("id", pa.string()), ("code", pa.binary(length)), ("payload", pa.string())],
        metadata={_KEY: json.dumps(about).encode()},
    )
    table = pa.Table.from_arrays(
        [pa.array(found.ids, pa.string()), code, pa.array(payloads, pa.string())], schema=schema
    )
    content = BytesIO()
    parquet.write_table(table, content, compression="zstd")
    write_atomically(shard_file(folder, number), content.getvalue())
    return Done(number, len(found.ids), found.bad)


def finished(folder: Path, number: int, job: str) -> Done | None:
    """What is known of a shard of that job that is there, whole; None where it must be made."""
    _, parquet = _arrow()
    file = shard_file(folder, number)
    if not file.is_file():
        return None
    try:
        read = parquet.read_metadata(file)
        about = json.loads(read.metadata[_KEY])
        if about["job"] != job or about["shard"] != number:
            return None
        return Done(number, read.num_rows, tuple(Bad(str(each["id"]), str(each["reason"])) for each in about["bad"]))
    except Exception:  # whatever is wrong with it, it is made again
        return None


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """What a folder of codes says of itself: "bits", "fingerprint", "pictures", "bad", "shards", "layer", …

    Raises:
        DataError: there is no manifest of a finished job, or it is damaged.
    """
    path = Path(folder) / MANIFEST
    try:
        found = json.loads(path.read_text("utf-8"))
        kinds = {"schema": int, "bits": int, "fingerprint": str, "shards": int, "pictures": int, "finished": bool}
        whole = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in kinds.items())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read.", "Give a folder that firebit encode has written.") from error
    if not whole or found["schema"] > SCHEMA:
        raise DataError(f"{path} is no manifest of this version.", "Give a folder that firebit encode has written.")
    if not found["finished"]:
        raise DataError(f"{folder} holds codes of a job that is not finished.", "Run firebit encode again: it goes on.")
    manifest: dict[str, Any] = found
    return manifest


def read_shards(folder: str | Path) -> Iterator[tuple[list[str], Codes, list[dict[str, Any]]]]:
    """Ids, codes and payloads of a finished job, shard by shard.

    Raises:
        DataError: a shard is missing, damaged, or of another job.
    """
    _, parquet = _arrow()
    manifest = read_manifest(folder)
    for number in range(manifest["shards"]):
        file = shard_file(Path(folder), number)
        try:
            table = parquet.read_table(file)
            about = json.loads(table.schema.metadata[_KEY])
            whole = (about["fingerprint"], about["bits"]) == (manifest["fingerprint"], manifest["bits"])
            ids, payloads = table["id"].to_pylist(), [json.loads(text) for text in table["payload"].to_pylist()]
            raw = b"".join(table["code"].to_pylist())
            codes = np.frombuffer(raw, np.uint8).reshape(len(ids), -(-manifest["bits"] // 8))
        except Exception as error:  # a Parquet file can be wrong in many ways
            raise DataError(f"{file} is no whole shard of codes.", "Remove it and run firebit encode again.") from error
        if not whole:
            raise DataError(f"{file} holds codes of another encoder.", "Remove it and run firebit encode again.")
        yield ids, codes, payloads


class Worker:
    """Encodes shards of one job; loads the network once.

    Args:
        work: what decides bytes.
        folder: where shards go.
        threads: of the network.
    """

    def __init__(self, work: Work, folder: str, threads: int = 1) -> None:
        self._work, self._folder = work, Path(folder)
        self.encoder = LayerEncoder(Network(_plan(work.model), threads), work.layer)

    def __call__(self, number: int, pictures: Sequence[Picture]) -> Done:
        """Encode and write one shard."""
        return write(self._folder, number, self._work, self.encoder, encode(self.encoder, pictures))


def _plan(model: str) -> Any:
    from firebit.engine.record import load

    return load(model)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise missing(error, "Shards of codes") or error from error
    return pa, parquet
