"""Files as an attacker would write them: wrong in any way, but with a digest that is right.

    python mutate.py COUNT FILE...

loads COUNT of them and prints as JSON what came of it: how many were plans, how many were refused, what was neither,
the longest time in seconds, and by how many bytes the process grew at most.
"""

import copy
import hashlib
import json
import random
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from firebit import files
from firebit.engine import reference
from firebit.engine.plan import Plan
from firebit.engine.record import _READERS, load
from firebit.errors import ModelFileError

ODD: list[Any] = [
    *(0, 1, -1, 2, 3, 7, 8, 255, 256, 1000, 1 << 15, 1 << 16, 1 << 20, 1 << 24, (1 << 24) + 1, 2**31 - 1, 2**31, 2**62),
    *(2**63, 2**64, -(2**31), -(2**63), 10**300, 10**4000, 0.0, -0.0, 0.5, 1.0, -1.5, 1e300, 1e-300),
    *(float("nan"), float("inf"), -float("inf"), None, True, False),
    *("", "input", "conv", "a\n\x1b[31m", "\ud800", "x" * 100_000, "[red]", "max", "mean", "U8", "\x00"),
    *([], {}, [[]], [0], [1, 1], [2, 2], [1, 1, 1], [1, 1, 1, 1], {"a": 1}, [None], list(range(1000))),
    *([1 << 24, 1 << 24], [3, 1 << 16, 1 << 16], [1 << 16, 1], [1 << 62, 1 << 62, 0], [-1, 1], [1e9, 1], ["1", "1"]),
]
NAMES = ["x", "groups", "signs", "pool", "sha256", "kind", "stride"]
DTYPES = ["U8", "I8", "I16", "U16", "I32", "U32", "I64", "F16", "BF16", "F32", "F64", "BOOL", "F8_E4M3", "F4", "C64"]


def signed(record: str, header: dict[str, Any], data: bytes) -> bytes:
    """A file of that record (JSON text, the digest's characters "0"), tensor header and data, under its digest."""
    named = json.dumps({"__metadata__": {"firebit": record}, **header}).encode()
    content = bytearray(struct.pack("<Q", len(named)) + named + data)
    at = files._digest_position(content)
    if at is not None:
        content[at : at + 64] = b"0" * 64
        content[at : at + 64] = hashlib.sha256(content).hexdigest().encode()
    return bytes(content)


def parts(content: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Record, header of tensors and data of a file."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    record = json.loads(header.pop("__metadata__")["firebit"])
    return record, header, content[8 + length :]


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every table or list inside a JSON value with each of its keys or indices."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from places(tree[key])


def spoil(tree: Any, chance: random.Random) -> None:
    """Change one thing somewhere in a JSON value."""
    found = list(places(tree))
    (holder, key), (other, source) = chance.choice(found), chance.choice(found)
    old, change = holder[key], chance.randrange(8)
    if type(old) in (int, float) and change < 5:
        holder[key] = chance.choice((old + 1, old + 1, old - 1, old * 2, -old, old * 2**20))
    elif change <= 4:
        holder[key] = copy.deepcopy(chance.choice(ODD))
    elif change == 5:
        del holder[key]
    elif change == 6:
        holder[key] = copy.deepcopy(other[source])
    elif isinstance(holder, list):
        holder.extend(copy.deepcopy(holder) * chance.choice((1, 1, 30)))
    else:
        holder[chance.choice(NAMES)] = copy.deepcopy(other[source])


def spoil_tensors(header: dict[str, Any], chance: random.Random) -> None:
    """Change type, shape, place or name of one tensor."""
    name = chance.choice(sorted(header))
    entry, change = header[name], chance.randrange(6)
    shape = entry["shape"]
    if change == 0:
        entry["dtype"] = chance.choice(DTYPES)
    elif change == 1:
        entry["shape"] = chance.choice(
            ([*shape, 1], [1, *shape], shape[::-1], [int(np.prod(shape))], [0], [], [1 << 60])
        )
    elif change == 2:
        entry["shape"] = [0, 1 << chance.randrange(64)]
        entry["data_offsets"] = [0, 0]
    elif change == 3:
        entry["data_offsets"] = chance.choice(([0, 1 << 60], [-1, 0], [5, 3], [], None, entry["data_offsets"][::-1]))
    elif change == 4:
        header[chance.choice(("x", "input", "conv.weights.0", "conv.bias", "out.bias"))] = header.pop(name)
    else:
        header[name] = copy.deepcopy(chance.choice(ODD))


def doubled(record: str, chance: random.Random) -> str:
    """A record one of whose keys stands there twice, the second time with another value."""
    key = chance.choice(("schema", "layers", "name", "source", "kernel", "weights", "shape", "sha256", "pool"))
    value = json.dumps(chance.choice(ODD))
    at = record.find(f'"{key}":')
    return record if at < 0 else f'{record[:at]}"{key}":{value},{record[at:]}'


def nested(chance: random.Random) -> str:
    """A record of so many lists inside each other."""
    depth = chance.choice((100, 900, 10_000, 300_000))
    return f'{{"sha256":"{"0" * 64}","kind":"plan","schema":1,"layers":{"[" * depth}{"]" * depth}}}'


def mutant(content: bytes, chance: random.Random) -> bytes:
    """A file with one to three changes, and a right digest."""
    record, header, data = parts(content)
    record["sha256"] = "0" * 64
    how = chance.randrange(20)
    if how == 0:
        return signed(nested(chance), header, data)
    if how <= 5:
        spoil_tensors(header, chance)
    if how == 6:
        data = bytes(chance.randrange(256) for _ in data)
    if how == 7:
        data = chance.choice((data[:-1], data + b"\x00", b"", data * 2))
    if how > 7:
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            spoil({"record": record}, chance)
    text = json.dumps(record, separators=(",", ":"))
    return signed(doubled(text, chance) if how == 8 else text, header, data)


class Whatever:
    """Is equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def with_fingerprint(content: bytes, path: Path) -> bytes:
    """The file with the fingerprint of what it describes, where it describes something: an attacker can compute it."""
    written(path, content)
    try:
        arrays, found = files.load_tensors(path)
        plan = _READERS[1]({**found, "fingerprint": Whatever()}, arrays)
        record, header, data = parts(content)
        assert isinstance(record["fingerprint"], str)
    except Exception:
        return content
    text = json.dumps({**record, "sha256": "0" * 64, "fingerprint": plan.fingerprint}, separators=(",", ":"))
    return signed(text, header, data)


def written(path: Path, content: bytes) -> None:
    # Some file systems bring a file that is written over to the disk at once.
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def outcome(path: Path) -> Plan | None:
    """The plan of a file; None where it is refused in the two lines that it should be."""
    try:
        return load(path)
    except ModelFileError as error:
        lines = str(error).splitlines()
        assert len(lines) == 2 and all(0 < len(line) < 2000 for line in lines), str(error)[:2000]
        return None


def run(plan: Plan) -> None:
    """A plan that exists is a plan that runs."""
    picture = np.full((1, *plan.input.shape), 255, np.uint8)
    for state in reference.states(plan, picture):
        assert state.bits.shape == (1, *plan.sums[state.layer.name])
        assert np.abs(state.sums.astype(np.int64)).max() <= plan.bounds[state.layer.name].max()
    if plan.logits is not None:
        assert np.isfinite(reference.logits(plan, picture)).all()


def is_small(plan: Plan) -> bool:
    return sum(int(np.prod(shape)) for shape in plan.sums.values()) < 100_000


def grown() -> int:
    """The most bytes that the process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(count: int, originals: list[bytes], folder: Path) -> dict[str, Any]:
    """Load so many mutants, and say what came of it."""
    chance, path = random.Random(0), folder / "mutant.firebit"
    plans, wrong, slowest, valid = 0, [], 0.0, []
    before = grown()
    for index in range(count):
        content = with_fingerprint(mutant(chance.choice(originals), chance), path)
        written(path, content)
        start = time.perf_counter()
        try:
            plan = outcome(path)
        except BaseException as error:
            wrong.append(f"{index}: {type(error).__name__}: {str(error)[:500]}")
            continue
        slowest = max(slowest, time.perf_counter() - start)
        if plan is not None:
            plans += 1
            valid.append(plan)
    growth = grown() - before
    for plan in filter(is_small, valid):
        run(plan)
    return {"plans": plans, "refused": count - plans - len(wrong), "wrong": wrong, "slowest": slowest, "growth": growth}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(main(int(sys.argv[1]), [Path(file).read_bytes() for file in sys.argv[2:]], Path(name))))
