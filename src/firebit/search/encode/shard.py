"""A shard of codes: a Parquet file {id, code, payload}, whole or not there, the same bytes wherever it is made."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

import numpy as np

from firebit.errors import DataError
from firebit.extras import missing
from firebit.files import write_atomically
from firebit.search.codes import Codes
from firebit.search.encode.encoded import Bad, Coder, Encoded
from firebit.search.encode.pictures import Picture
from firebit.search.encoder import LayerEncoder

MANIFEST = "manifest.json"
SCHEMA = 1
_KEY = b"firebit"


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


def shard_file(folder: Path, number: int) -> Path:
    """Where a shard is."""
    return folder / f"codes-{number:06}.parquet"


def write(folder: Path, number: int, work: Work, encoder: LayerEncoder, found: Encoded) -> Done:
    """Write a shard.

    Raises:
        FirebitError: the disk is full, or the folder cannot be written.
    """
    pa, parquet = _arrow()
    ids, length = [picture.id for picture in found.pictures], found.codes.shape[1]
    code = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(length), len(ids), [None, pa.py_buffer(found.codes.tobytes())]
    )
    about = {
        **{"schema": SCHEMA, "job": work.job, "shard": number, "bits": encoder.bits},
        **{"fingerprint": encoder.fingerprint, "bad": [asdict(each) for each in found.bad]},
    }
    schema = pa.schema(
        [("id", pa.string()), ("code", pa.binary(length)), ("payload", pa.string())],
        metadata={_KEY: json.dumps(about).encode()},
    )
    table = pa.Table.from_arrays(
        [pa.array(ids, pa.string()), code, pa.array(map(_payload, found.pictures), pa.string())], schema=schema
    )
    content = BytesIO()
    parquet.write_table(table, content, compression="zstd")
    write_atomically(shard_file(folder, number), content.getvalue())
    return Done(number, len(ids), found.bad)


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
    """

    def __init__(self, work: Work, folder: str) -> None:
        self._work, self._folder = work, Path(folder)
        self._coder = Coder(work.model, work.layer)

    def __call__(self, part: tuple[int, Sequence[Picture]]) -> Done:
        """Encode and write one shard: its number and its pictures."""
        number, pictures = part
        return write(self._folder, number, self._work, self._coder.encoder, self._coder(pictures))


def _payload(picture: Picture) -> str:
    # What json.dumps gives, in a tenth of its time.
    return f'{{"file":{quoted(picture.id)},"label":{quoted(picture.label)}}}'


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise missing(error, "Shards of codes") or error from error
    return pa, parquet
