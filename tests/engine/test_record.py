"""Plans as files: what is saved returns, and whatever else a file holds is refused in two lines."""

import importlib.util
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import firebit
from firebit import files
from firebit.engine import record, reference
from firebit.engine.plan import Input, Layer, Logits, Plan, pooled_term
from firebit.engine.pool import Pool
from firebit.engine.record import SCHEMA, is_plan, load, read, save, tensors
from firebit.engine.tables import Tables
from firebit.engine.term import Term
from firebit.errors import ModelFileError

FOLDER = Path(__file__).parent / "plans"
PAGE = Path(__file__).parents[2] / "docs" / "plan.md"
MADE = ("values", "sums", "bounds")
"""What a plan works out by itself."""


def script(name: str) -> ModuleType:
    """A script beside the plans."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mutate = script("mutate")


def differences(a: Any, b: Any, place: str = "plan") -> list[str]:
    """Where two plans, or parts of them, are not the same to the last bit and type."""
    if type(a) is not type(b):
        return [place]
    if isinstance(a, np.ndarray):
        return [] if (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()) else [place]
    if isinstance(a, tuple) and len(a) == len(b):
        return [each for i in range(len(a)) for each in differences(a[i], b[i], f"{place}[{i}]")]
    if isinstance(a, Plan | Layer | Logits | Term | Input | Pool | Tables):
        names = [field.name for field in fields(a) if field.name not in MADE]
        return [each for name in names for each in differences(getattr(a, name), getattr(b, name), f"{place}.{name}")]
    return [] if repr(a) == repr(b) else [place]


def refusal(path: Path) -> ModelFileError:
    """The error of a file that is refused, in two lines that name the file."""
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 2
    assert str(path) in caught.value.problem
    return caught.value


# round trips


@st.composite
def pools(draw: st.DrawFn, kinds: tuple[str, ...]) -> Pool:
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(*(st.integers(0, side // 2) for side in kernel)))
    return Pool(draw(st.sampled_from(kinds)), kernel, stride, padding, draw(st.booleans()), draw(st.booleans()))


def weights(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    """Signs, or integers to the ends of their range."""
    if len(shape) == 1:
        return arrays(np.int32, shape, elements=st.integers(-(2**20), 2**20))
    several = arrays(np.int16, shape, elements=st.integers(-(2**15) + 1, 2**15 - 1))
    return st.one_of(arrays(np.int16, shape, elements=st.sampled_from((-1, 1))), several)


@st.composite
def term_of(draw: st.DrawFn, source: str, shape: tuple[int, ...]) -> Term:
    kind = draw(st.sampled_from(("linear", "shortcut", "conv") if len(shape) == 3 else ("linear", "shortcut")))
    if kind == "linear":
        return Term(source, draw(weights((draw(st.integers(1, 3)), int(np.prod(shape))))))
    if kind == "shortcut":
        return Term(source, draw(weights((shape[0],))), pool=draw(pool_or_none(shape)))
    groups = draw(st.sampled_from([n for n in (1, 2, 3) if shape[0] % n == 0]))
    size = (groups * draw(st.integers(1, 2)), shape[0] // groups, draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return Term(
        source,
        draw(weights(size)),
        stride=draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        padding=draw(st.tuples(*[st.integers(0, 2)] * 4)),
        dilation=draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        groups=groups,
        pool=draw(pool_or_none(shape)),
    )


def pool_or_none(shape: tuple[int, ...]) -> st.SearchStrategy[Pool | None]:
    return st.one_of(st.none(), pools(("max", "sum"))) if len(shape) == 3 else st.none()


def extended(plan: Plan | None, seen: Input, layer: Layer) -> Plan:
    return Plan(seen, (layer,)) if plan is None else replace(plan, layers=(*plan.layers, layer))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@st.composite
def small_plans(draw: st.DrawFn) -> Plan:
    """Plans of up to three layers, thresholds up to the ends of what they may be."""
    shape = draw(st.one_of(st.tuples(st.integers(1, 5)), st.tuples(*[st.integers(1, 5)] * 3)))
    seen = Input(shape, tuple(draw(st.lists(st.integers(0, 255), min_size=shape[0], max_size=shape[0]))))
    plan: Plan | None = None
    for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        assume(name != "input")
        plan = draw(with_layer(plan, seen, name))
    assert plan is not None
    if draw(st.booleans()):
        return plan
    source = draw(st.sampled_from(sorted(plan.values)))
    last = Term(source, draw(weights((draw(st.integers(1, 4)), int(np.prod(plan.values[source].shape))))))
    scale = draw(st.floats(1e-300, 1e290))
    bias = draw(arrays(np.float64, last.channels, elements=st.floats(-1e300, 1e300)))
    classes = draw(st.sampled_from([(), tuple(f"class {i}" for i in range(last.channels))]))
    name = draw(st.sampled_from([n for n in ("a", "b", "c", "d") if n not in plan.values]))
    return fitting(lambda: replace(plan, logits=Logits(name, (last,), scale, bias), classes=classes))


@st.composite
def with_layer(draw: st.DrawFn, plan: Plan | None, seen: Input, name: str) -> Plan:
    source = draw(st.sampled_from(sorted(plan.values))) if plan else "input"
    shape = plan.values[source].shape if plan else seen.shape
    term = draw(term_of(source, shape))
    channels = term.channels
    post = draw(st.one_of(st.none(), pools(("max", "sum", "mean"))))
    direction = draw(arrays(np.int8, channels, elements=st.integers(-1, 1)))
    layer = Layer(name, (term,) * draw(st.integers(1, 2)), np.zeros((1, channels), np.int32), direction)
    free = fitting(lambda: extended(plan, seen, layer))
    pooled, rows = pooled_term(layer), 1
    if pooled is not None and pooled.pool is not None and draw(st.booleans()):
        rows = len(pooled.pool.windows(*pooled.sums(shape)[1:]))
    most = int(free.bounds[name].min()) + 1
    threshold = draw(arrays(np.int32, (rows, channels), elements=st.integers(-most, most)))
    done = replace(layer, threshold=threshold, post=post if len(free.sums[name]) == 3 else None)
    return fitting(lambda: extended(plan, seen, done))


def fitting(make: Callable[[], Plan]) -> Plan:
    """A plan, or the next example where what was drawn does not fit together."""
    with suppress(ModelFileError):
        return make()
    assume(False)
    raise AssertionError


@given(small_plans())
@settings(max_examples=200)
def test_what_is_saved_returns(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    path = tmp_path_factory.mktemp("plans") / "a.firebit"
    plan.save(path)
    found = load(path)
    assert differences(found, plan) == []
    assert found.fingerprint == plan.fingerprint
    assert [differences(found.bounds[name], plan.bounds[name]) for name in plan.bounds] == [[]] * len(plan.bounds)


def test_the_small_plans_return(tmp_path: Path, plan: Plan) -> None:
    plan.save(tmp_path / "a.firebit")
    assert differences(load(tmp_path / "a.firebit"), plan) == []
    plan.save(tmp_path / "b.firebit")
    assert (tmp_path / "a.firebit").read_bytes() == (tmp_path / "b.firebit").read_bytes()


def test_a_difference_is_seen(plans: dict[str, Plan]) -> None:
    plan = plans["linear"]
    hidden = plan.layers[0]
    changed = replace(plan, layers=(replace(hidden, threshold=hidden.threshold + 1),), classes=("cat", "dog", "duck"))
    assert differences(plan, changed) == ["plan.layers[0].threshold", "plan.classes[2]"]


def test_a_file_says_who_wrote_it(tmp_path: Path, plans: dict[str, Plan]) -> None:
    save(plans["conv"], tmp_path / "a.firebit")
    found = read(tmp_path / "a.firebit")
    assert (found.schema, found.firebit) == (1, firebit.__version__)
    assert differences(found.plan, plans["conv"]) == []
    assert is_plan(tmp_path / "a.firebit")


def test_signs_are_stored_as_bits(tmp_path: Path, plans: dict[str, Plan]) -> None:
    """Bit i is weight i, 1 for +1, little-endian: 7·12 signs in 11 bytes, with zeros behind."""
    plan = plans["signs"]
    plan.save(tmp_path / "a.firebit")
    stored, _ = files.load_tensors(tmp_path / "a.firebit")
    packed, flat = stored["fc1.weights.0"], plan.layers[1].terms[0].weights.ravel()
    assert (packed.dtype, packed.shape) == (np.uint8, (11,))
    expected = sum(int(sign > 0) << place for place, sign in enumerate(flat.tolist()))
    assert int.from_bytes(packed.tobytes(), "little") == expected
    assert load(tmp_path / "a.firebit").layers[1].terms[0].weights.dtype == np.int16


def test_other_weights_are_stored_as_they_are(plans: dict[str, Plan]) -> None:
    stored = tensors(plans["residual"])
    assert stored["stem.weights.0"].dtype == np.int16
    assert stored["block.weights.1"].dtype == np.int32
    # A shortcut of ±1 is a coefficient, no sign.
    block = plans["residual"].layers[1]
    plain = replace(block, terms=(block.terms[0], Term("stem", np.array([1, -1, 1], np.int32))))
    assert tensors(replace(plans["residual"], layers=(plans["residual"].layers[0], plain)))["block.weights.1"].size == 3


# files that are no plan


def test_a_newer_schema_asks_for_an_update(tmp_path: Path) -> None:
    path = tmp_path / "a.firebit"
    files.save_tensors(path, {}, {"kind": "plan", "schema": SCHEMA + 1, "firebit": "9.0", "novelty": True})
    error = refusal(path)
    assert f"has schema {SCHEMA + 1}; this version of Firebit reads up to {SCHEMA}" in error.problem
    assert error.remedy == "Update Firebit: pip install --upgrade firebit."
    assert is_plan(path)


@pytest.mark.parametrize("schema", [0, -1, True, 1.0, "1", None, [1], 10**4000])
def test_a_schema_that_is_none(tmp_path: Path, schema: Any) -> None:
    files.save_tensors(tmp_path / "a.firebit", {}, {"kind": "plan", "schema": schema})
    assert "schema" in refusal(tmp_path / "a.firebit").problem


@pytest.mark.parametrize("version", [None, 1, "", "x" * 1000])
def test_a_file_that_does_not_say_who_wrote_it(tmp_path: Path, plans: dict[str, Plan], version: Any) -> None:
    path = rewritten(tmp_path, plans["linear"], lambda found: found.update(firebit=version))
    assert "does not say which Firebit wrote it" in refusal(path).problem


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.firebit"
    for content in (b"", b"\0", b"not a plan\n", b"PK\3\4" + bytes(1000), bytes(8), b"\xff" * 100):
        path.write_bytes(content)
        assert "is not a Firebit tensor file" in refusal(path).problem
    assert "Cannot read" in refusal(tmp_path / "nowhere.firebit").problem
    assert "Cannot read" in refusal(tmp_path).problem


@pytest.mark.parametrize("kind", [{}, {"kind": "checkpoint"}, {"kind": ["plan"]}])
def test_another_file_of_ours_is_no_plan(tmp_path: Path, kind: dict[str, Any]) -> None:
    path = tmp_path / "a.safetensors"
    files.save_tensors(path, {"x": np.zeros(3)}, kind)
    error = refusal(path)
    assert error.problem == f"{path} is no compiled network."
    assert "firebit compile" in error.remedy
    assert not is_plan(path)


def rewritten(folder: Path, plan: Plan, change: Callable[[dict[str, Any]], object]) -> Path:
    """The file of a plan whose record was changed, with a right digest."""
    path = folder / "rewritten.firebit"
    plan.save(path)
    found, header, data = mutate.parts(path.read_bytes())
    found["sha256"] = "0" * 64
    change(found)
    path.write_bytes(mutate.signed(json.dumps(found, separators=(",", ":")), header, data))
    return path


def test_rewriting_alone_changes_nothing(tmp_path: Path, plan: Plan) -> None:
    assert differences(load(rewritten(tmp_path, plan, lambda found: None)), plan) == []


def first_term(found: dict[str, Any]) -> dict[str, Any]:
    term: dict[str, Any] = found["layers"][0]["terms"][0]
    return term


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda found: found.pop("classes"), "'classes' is missing"),
        (lambda found: found.update(extra=1), "'extra' is not known"),
        (lambda found: found.update({"a\nb" * 99: 1}), "is not known"),
        (lambda found: found.update(layers={}), "{} stands where a list should"),
        (lambda found: found.update(layers=[5]), "5 stands where a table should"),
        (lambda found: found.update(layers=found["layers"] * 2049), "4098 layers are too many"),
        (lambda found: found.update(fingerprint="0" * 64), "its fingerprint is that of another network"),
        (lambda found: found["layers"].reverse(), "layer 'fc1': its source 'conv' is no earlier layer"),
        (lambda found: found["layers"].pop(0), "layer 'fc1': its source 'conv' is no earlier layer"),
        (lambda found: found["layers"][0].update(name=5), "a layer has the name 5"),
        (
            lambda found: found["layers"][0].update(name="other"),
            "layer 'other': the tensor 'other.weights.0' is missing",
        ),
        (lambda found: found["layers"][0].update(terms=[{}] * 1001), "layer 'conv': it adds up 1001 terms"),
        (lambda found: first_term(found).update(signs=[3, 3, 3]), r"layer 'conv': signs have the shape \(3, 3, 3\)"),
        (lambda found: first_term(found).update(signs=[1 << 24] * 4), r"layer 'conv': signs of .* are \(4,\)"),
        (lambda found: first_term(found).update(signs=[3, 1, 3, 2]), r"layer 'conv': signs of .* are \(4,\)"),
        (lambda found: first_term(found).update(signs=[5, 5]), "layer 'conv': signs are followed by bits"),
        (lambda found: first_term(found).pop("signs"), "layer 'conv': weights"),
        (lambda found: first_term(found).update(source=None), "layer 'conv': a source has no name"),
        (lambda found: first_term(found).update(stride=[2]), "layer 'conv': a convolution has the sizes"),
        (lambda found: first_term(found).update(pool=0), "layer 'conv': 0 stands where a table should"),
        (
            lambda found: found["layers"][0].update(post={"kind": "max"}),
            "layer 'conv': 'ceil', 'count_padding', 'kernel'",
        ),
        (lambda found: found["logits"].update(scale=1), "layer 'fc2': the scale is 1"),
        (lambda found: found.update(logits=None), "tensors that nothing reads: 'fc2.bias', 'fc2.weights.0'"),
        (lambda found: found["input"].update(pad=[256]), "pad values are not 1 numbers"),
    ],
)
def test_a_record_that_describes_no_plan(
    tmp_path: Path, plans: dict[str, Plan], change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    assert re.search(problem, refusal(rewritten(tmp_path, plans["signs"], change)).problem)


@pytest.mark.parametrize("kind", [KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError])
def test_what_no_check_foresees_is_refused_too(
    tmp_path: Path, plans: dict[str, Plan], monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def stumble(*_arguments: Any) -> Plan:
        raise kind("over two\nlines" + "x" * 10_000)

    plans["linear"].save(tmp_path / "a.firebit")
    monkeypatch.setitem(record._READERS, 1, stumble)
    error = refusal(tmp_path / "a.firebit")
    assert f"does not describe a network: {kind.__name__}: " in error.problem
    assert len(error.problem) < 1000


# damage


def is_refused(path: Path) -> bool:
    try:
        load(path)
    except ModelFileError:
        return True
    return False


def flipped(path: Path, content: bytes, bits: list[int]) -> list[int]:
    """Those bits of which a file is read although they are flipped."""
    missed = []
    with path.open("r+b", buffering=0) as file:
        for bit in bits:
            file.seek(bit // 8)
            file.write(bytes([content[bit // 8] ^ 1 << bit % 8]))
            if not is_refused(path):
                missed.append(bit)
            file.seek(bit // 8)
            file.write(content[bit // 8 : bit // 8 + 1])
    return missed


def smallest(path: Path) -> bytes:
    """The content of a file that holds one unit."""
    step = (np.zeros((1, 1), np.int32), np.ones(1, np.int8))
    Plan(Input((1,)), (Layer("a", (Term("input", np.array([[2]], np.int16)),), *step),)).save(path)
    return path.read_bytes()


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.firebit"
    content = smallest(path)
    assert flipped(path, content, list(range(8 * len(content)))) == []
    assert load(path).layers[0].name == "a"


def test_any_flipped_bit_of_a_larger_file_is_noticed(tmp_path: Path, plans: dict[str, Plan]) -> None:
    path = tmp_path / "a.firebit"
    plans["conv"].save(path)
    content = path.read_bytes()
    assert flipped(path, content, random.Random(0).sample(range(8 * len(content)), 2000)) == []
    assert not is_refused(path)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.firebit"
    content = smallest(path)
    with path.open("r+b") as file:
        for length in reversed(range(len(content))):
            file.truncate(length)
            assert is_refused(path), length
    path.write_bytes(content + b"\0")
    assert is_refused(path)


# malice


def test_files_that_lie_under_a_right_digest(tmp_path: Path, plans: dict[str, Plan]) -> None:
    originals = []
    for name, plan in plans.items():
        originals.append(tmp_path / f"{name}.firebit")
        plan.save(originals[-1])
    command = [sys.executable, str(FOLDER / "mutate.py"), "2000", *map(str, originals)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(result.stdout)
    assert found["wrong"] == []
    assert found["plans"] > 50 and found["refused"] > 1000
    assert found["growth"] <= 200_000_000
    assert found["slowest"] < 1


# what older versions wrote


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_there_is_a_file_of_every_schema(schema: int) -> None:
    assert read(FOLDER / f"schema-{schema}.firebit").schema == schema
    assert json.loads((FOLDER / f"schema-{schema}.json").read_text("utf-8"))["schema"] == schema


@pytest.mark.parametrize("path", sorted(FOLDER.glob("schema-*.firebit")), ids=lambda path: path.stem)
def test_files_of_every_schema_say_what_they_always_said(path: Path) -> None:
    """The numbers beside the file were worked out by hand."""
    expected, found = json.loads(path.with_suffix(".json").read_text("utf-8")), read(path)
    plan = found.plan
    assert found.schema == expected["schema"]
    assert plan.fingerprint == expected["fingerprint"]
    assert list(plan.classes) == expected["classes"]
    for picture in expected["pictures"]:
        pixels = np.array(picture["pixels"], np.uint8).reshape(1, *plan.input.shape)
        states = list(reference.states(plan, pixels))
        assert {state.layer.name: state.sums[0].tolist() for state in states} == picture["sums"]
        assert {state.layer.name: state.bits[0].tolist() for state in states} == picture["bits"]
        logits = reference.logits(plan, pixels)[0]
        assert logits.tolist() == picture["logits"]
        assert logits.argmax() == picture["predicted"]


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_every_file_is_what_its_maker_makes(schema: int) -> None:
    assert differences(load(FOLDER / f"schema-{schema}.firebit"), script("make").MAKERS[schema]()) == []


def test_fast_plans_are_written_in_schema_2(tmp_path: Path) -> None:
    """Exact plans stay readable to older versions; fast ones have weights of a byte where they fit."""
    plan = script("make").fast()
    plan.save(tmp_path / "fast.firebit")
    found = read(tmp_path / "fast.firebit")
    assert (found.schema, found.plan.precision) == (2, "fast")
    assert differences(found.plan, plan) == []
    assert [found.plan.layers[i].terms[0].weights.dtype.name for i in (1, 2)] == ["int16", "int8"]
    stored = tensors(plan)
    assert stored["code.weights.0"].dtype == stored["block.weights.0"].dtype == np.int8
    assert stored["block.multipliers.0"].tolist() == [1 << 23, 1 << 24]
    exact = Plan(plan.input, plan.layers[:1])
    exact.save(tmp_path / "exact.firebit")
    assert read(tmp_path / "exact.firebit").schema == 1


def test_weights_that_take_more_room_than_they_need_are_those_of_the_same_network(tmp_path: Path) -> None:
    path = tmp_path / "fast.firebit"
    plan = script("make").fast()
    plan.save(path)
    arrays, found = files.load_tensors(path)
    wider = {
        name: array.astype(np.int16) if array.dtype == np.int8 and "weights" in name else array
        for name, array in arrays.items()
    }
    assert any(wider[name].dtype != arrays[name].dtype for name in arrays)
    files.save_tensors(path, wider, found)
    assert load(path).fingerprint == plan.fingerprint


def test_schema_1_has_no_fast_plans(tmp_path: Path) -> None:
    path = tmp_path / "fast.firebit"
    script("make").fast().save(path)
    arrays, found = files.load_tensors(path)
    files.save_tensors(path, arrays, {**found, "schema": 1})
    assert "schema 1 has the precision 'fast'" in refusal(path).problem


def test_readers_and_schemas_agree() -> None:
    assert sorted(record._READERS) == list(range(1, SCHEMA + 1))


def test_the_page_reads_a_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code of the documentation, without Firebit, finds what Firebit finds."""
    (tmp_path / "model.firebit").write_bytes((FOLDER / "schema-1.firebit").read_bytes())
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert "firebit" not in re.sub(r"\.firebit\"|\"firebit\"", "", block)
    exec(compile(block, str(PAGE), "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["True", "1 conv block code", "(2, 1, 2, 2) int16"]
