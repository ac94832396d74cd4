"""A plan as a file: tensors, a JSON record and a digest, in one safetensors file."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.engine.check import MOST_LAYERS, MOST_TERMS, check, is_count, is_name, one_line
from firebit.engine.plan import Input, Layer, Logits, Plan, with_name
from firebit.engine.pool import Pool
from firebit.engine.tables import Tables
from firebit.engine.term import Term, is_linear_bytes
from firebit.errors import ModelFileError
from firebit.files import load_tensors, save_tensors

SCHEMA = 2
"""The newest version. It rises with every change that an older reader would misread; a plan that an older reader
understands is written as it expects."""

Tensors = dict[str, NDArray[Any]]

_LARGEST_BYTE = np.iinfo(np.int8).max


def save(plan: Plan, path: Path) -> None:
    """Write a plan; see :meth:`firebit.engine.plan.Plan.save`."""
    from firebit import __version__

    record = {
        "kind": "plan",
        "schema": schema_of(plan),
        "firebit": __version__,
        "fingerprint": plan.fingerprint,
        "classes": list(plan.classes),
        **structure(plan),
    }
    save_tensors(path, tensors(plan), record)


def schema_of(plan: Plan) -> int:
    """The version that a plan is written in: 1 where it is exact, 2 where it is fast."""
    return 1 if plan.precision == "exact" else 2


@dataclass(frozen=True, eq=False)
class PlanFile:
    """What a file of a plan says.

    Attributes:
        plan: the network.
        schema: version of the file's schema, 1 … :data:`SCHEMA`.
        firebit: version of Firebit that wrote it.
    """

    plan: Plan
    schema: int
    firebit: str


def load(path: str | Path) -> Plan:
    """Read a plan of this schema or an older one.

    Raises:
        ModelFileError: the file is missing, damaged, no plan, of a newer schema, or not valid.
    """
    return read(path).plan


def read(path: str | Path) -> PlanFile:
    """Read a plan as :func:`load` does, with what its file says beside it.

    Raises:
        ModelFileError: as :func:`load`.
    """
    path = Path(path)
    arrays, record = load_tensors(path)
    if not isinstance(record, dict) or record.get("kind") != "plan":
        raise ModelFileError(
            f"{path} is no compiled network.", "Give a .firebit file; firebit compile RUN makes one of a run."
        )
    try:
        schema = _schema(record)
        return PlanFile(_READERS[schema](record, arrays), schema, _version(record))
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error.problem}", error.remedy) from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        raise ModelFileError(
            f"{path} does not describe a network: {reason}.", "Restore it from a copy, or compile the network again."
        ) from error


def is_plan(path: str | Path) -> bool:
    """Whether a Firebit tensor file holds a plan, of whatever schema; its content decides, not its name.

    Raises:
        ModelFileError: the file is missing, damaged, or no Firebit tensor file.
    """
    record: object = load_tensors(Path(path))[1]
    return isinstance(record, dict) and record.get("kind") == "plan"


def structure(plan: Plan) -> dict[str, Any]:
    """Everything but the tensors and the names of classes, as JSON-able values."""
    logits = plan.logits
    return {
        "precision": plan.precision,
        "input": {"shape": list(plan.input.shape), "pad": list(plan.input.pad)},
        "layers": [
            {"name": layer.name, "terms": _terms(layer.terms), "post": _pool(layer.post)} for layer in plan.layers
        ],
        "logits": logits and {"name": logits.name, "terms": _terms(logits.terms), "scale": logits.scale},
    }


def tensors(plan: Plan, read: Tensors | None = None) -> Tensors:
    """The tensors of a plan by the names they have in the file.

    Weights that are all −1 or +1 take one bit each; in a fast plan, those that fit take a byte each.

    Args:
        plan: the network.
        read: the tensors of the file that it was read from, so that bytes need not be made again.
    """
    found: Tensors = {}
    for layer in plan.sums_made:
        for index, term in enumerate(layer.terms):
            name = f"{layer.name}.weights.{index}"
            found[name] = stored(term, plan.precision == "fast", (read or {}).get(name))
            if term.tables is not None:
                found[f"{layer.name}.multipliers.{index}"] = term.tables.multipliers
        if isinstance(layer, Layer):
            found |= {f"{layer.name}.threshold": layer.threshold, f"{layer.name}.direction": layer.direction}
        else:
            found[f"{layer.name}.bias"] = layer.bias
    return found


def fingerprint(plan: Plan, arrays: Tensors) -> str:
    """That of a plan whose tensors these are: see :attr:`firebit.engine.plan.Plan.fingerprint`."""
    return _digest(_canonical(structure(plan)), arrays)


def _canonical(found: Mapping[str, Any]) -> str:
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


def _digest(canonical: str, arrays: Tensors) -> str:
    digest = hashlib.sha256(canonical.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def stored(term: Term, is_fast: bool, read: NDArray[Any] | None = None) -> NDArray[Any]:
    """The weights of a term as a file holds them: ±1 as bits (uint8), as bytes in a fast plan where they fit, or as is.

    Args:
        term: whose weights.
        is_fast: whether its plan is.
        read: the tensor that it was read from.
    """
    if term.is_sign:
        return _packed(term.weights)
    if is_fast and read is not None and read.dtype == np.int8 and read.min() >= -_LARGEST_BYTE:
        return read
    small = is_fast and not term.is_shortcut and int(np.abs(term.weights).max()) <= _LARGEST_BYTE
    return term.weights.astype(np.int8) if small else term.weights


def _packed(weights: NDArray[Any]) -> NDArray[np.uint8]:
    return np.packbits(weights.ravel() > 0, bitorder="little")


def _terms(terms: tuple[Term, ...]) -> list[dict[str, Any]]:
    return [_term(term) for term in terms]


def _term(term: Term) -> dict[str, Any]:
    found: dict[str, Any] = {"source": term.source}
    if term.is_sign:
        found["signs"] = list(term.weights.shape)
    if term.is_convolution:
        found |= {"stride": list(term.stride), "padding": list(term.padding), "dilation": list(term.dilation)}
        found["groups"] = term.groups
    if term.tables is not None:
        found["chunk"] = term.tables.chunk
    return found | {"pool": _pool(term.pool)}


def _pool(pool: Pool | None) -> dict[str, Any] | None:
    if pool is None:
        return None
    sizes = {name: list(getattr(pool, name)) for name in ("kernel", "stride", "padding")}
    return {"kind": pool.kind, **sizes, "ceil": pool.ceil, "count_padding": pool.count_padding}


def _schema(record: Mapping[str, Any]) -> int:
    schema = record.get("schema")
    check(type(schema) is int and schema > 0, f"its schema is {schema!r}")
    assert isinstance(schema, int)
    if schema > SCHEMA:
        raise ModelFileError(
            one_line(f"The plan has schema {schema}; this version of Firebit reads up to {SCHEMA}."),
            "Update Firebit: pip install --upgrade firebit.",
        )
    return schema


def _version(record: Mapping[str, Any]) -> str:
    version = record["firebit"]
    check(is_name(version), "it does not say which Firebit wrote it")
    assert isinstance(version, str)
    return version


def _read_1(record: dict[str, Any], arrays: Tensors) -> Plan:
    check(record.get("precision") == "exact", f"schema 1 has the precision {_start(record.get('precision'))}")
    return _read(record, arrays)


def _read(record: dict[str, Any], arrays: Tensors) -> Plan:
    _keys(record, {"kind", "schema", "firebit", "fingerprint", "classes", "precision", "input", "layers", "logits"})
    with ThreadPoolExecutor(1) as aside:
        # Hashing takes about as long as checking, and holds no lock.
        said = _canonical({key: record[key] for key in ("precision", "input", "layers", "logits")})
        digest = aside.submit(_digest, said, arrays)
        plan = _made(record, dict(arrays))
        kept = tensors(plan, arrays)
        is_same = said == _canonical(structure(plan)) and all(_are_same(kept[name], arrays[name]) for name in arrays)
        # What `plan.fingerprint` would find.
        plan.__dict__["fingerprint"] = digest.result() if is_same else fingerprint(plan, kept)
    check(record["fingerprint"] == plan.fingerprint, "its fingerprint is that of another network")
    return plan


def _are_same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a is b or (a.dtype == b.dtype and np.array_equal(a, b))


def _made(record: dict[str, Any], unread: Tensors) -> Plan:
    layers, logits = _list(record["layers"]), record["logits"]
    check(len(layers) <= MOST_LAYERS, f"{len(layers)} layers are too many")
    plan = Plan(
        input=_read_input(record["input"]),
        layers=tuple(_read_layer(entry, unread) for entry in layers),
        logits=None if logits is None else _read_logits(logits, unread),
        classes=tuple(_list(record["classes"])),
        precision=record["precision"],
    )
    check(not unread, f"it holds tensors that nothing reads: {_quoted(unread)}")
    return plan


def _read_input(entry: Any) -> Input:
    _keys(entry, {"shape", "pad"})
    return Input(tuple(_list(entry["shape"])), tuple(_list(entry["pad"])))


def _read_layer(entry: Any, arrays: Tensors) -> Layer:
    _keys(entry, {"name", "terms", "post"})
    name = _name(entry)
    terms, post = with_name(name, lambda: (_read_terms(entry, arrays), _read_pool(entry["post"])))
    return Layer(name, terms, _take(arrays, f"{name}.threshold"), _take(arrays, f"{name}.direction"), post)


def _read_logits(entry: Any, arrays: Tensors) -> Logits:
    _keys(entry, {"name", "terms", "scale"})
    name = _name(entry)
    terms = with_name(name, lambda: _read_terms(entry, arrays))
    return Logits(name, terms, entry["scale"], _take(arrays, f"{name}.bias"))


def _read_terms(entry: Mapping[str, Any], arrays: Tensors) -> tuple[Term, ...]:
    terms = _list(entry["terms"])
    check(len(terms) <= MOST_TERMS, f"it adds up {len(terms)} terms")
    return tuple(_read_term(term, entry["name"], index, arrays) for index, term in enumerate(terms))


def _read_term(entry: Any, layer: str, index: int, arrays: Tensors) -> Term:
    geometry = ("stride", "padding", "dilation")
    _keys(entry, {"source", "pool"}, frozenset((*geometry, "groups", "signs", "chunk")))
    check(isinstance(entry["source"], str), "a source has no name")
    weights = _take(arrays, f"{layer}.weights.{index}")
    if "signs" in entry:
        weights = _unpacked(weights, tuple(_list(entry["signs"])))
    elif weights.dtype == np.int8 and not (is_linear_bytes(weights) and weights.min() >= -_LARGEST_BYTE):
        weights = weights.astype(np.int16)
    sizes: dict[str, Any] = {key: tuple(_list(entry[key])) for key in geometry if key in entry}
    if "groups" in entry:
        sizes["groups"] = entry["groups"]
    if "chunk" in entry:
        sizes["tables"] = Tables(_take(arrays, f"{layer}.multipliers.{index}"), entry["chunk"])
    return Term(entry["source"], weights, pool=_read_pool(entry["pool"]), **sizes)


def _unpacked(packed: NDArray[Any], shape: tuple[Any, ...]) -> NDArray[np.int16]:
    check(len(shape) in (2, 4) and all(is_count(n, 1) for n in shape), f"signs have the shape {shape}")
    count = 1
    for side in shape:
        count *= side
    check(packed.dtype == np.uint8 and packed.shape == (-(-count // 8),), f"signs of {shape} are {packed.shape}")
    bits = np.unpackbits(packed, bitorder="little")
    check(not bits[count:].any(), "signs are followed by bits that are not 0")
    return np.where(bits[:count].view(bool), np.int16(1), np.int16(-1)).reshape(shape)


def _read_pool(entry: Any) -> Pool | None:
    if entry is None:
        return None
    _keys(entry, {"kind", "kernel", "stride", "padding", "ceil", "count_padding"})
    kernel, stride, padding = (tuple(_list(entry[key])) for key in ("kernel", "stride", "padding"))
    return Pool(entry["kind"], kernel, stride, padding, entry["ceil"], entry["count_padding"])


def _keys(entry: Any, needed: set[str], allowed: frozenset[str] = frozenset()) -> None:
    check(isinstance(entry, dict), f"{_start(entry)} stands where a table should")
    missing, unknown = needed - set(entry), set(entry) - needed - allowed
    check(not missing, f"{_quoted(missing)} is missing")
    check(not unknown, f"{_quoted(unknown)} is not known")


def _list(value: Any) -> list[Any]:
    check(isinstance(value, list), f"{_start(value)} stands where a list should")
    found: list[Any] = value
    return found


def _name(entry: Mapping[str, Any]) -> str:
    name = entry["name"]
    check(is_name(name), f"a layer has the name {_start(name)}")
    assert isinstance(name, str)
    return name


def _take(arrays: Tensors, name: str) -> NDArray[Any]:
    check(name in arrays, f"the tensor {name!r} is missing")
    return arrays.pop(name)


def _start(value: object) -> str:
    return repr(value)[:50]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(sorted(_start(name) for name in names))


_READERS: dict[int, Callable[[dict[str, Any], Tensors], Plan]] = {1: _read_1, 2: _read}
"""A reader for every schema. Those of old schemas stay; a change of schema adds one."""
