"""Plans as ONNX files compute what the plans say, in ONNX's own reference and in ONNX Runtime."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firebit.engine.onnx import _split, save_onnx, to_onnx, unequal
from firebit.engine.plan import Input, Layer, Logits, Plan, Term
from firebit.engine.pool import Pool
from firebit.engine.reference import logits, states
from firebit.engine.tables import Tables
from firebit.errors import UsageError

onnx = pytest.importorskip("onnx")

PICTURES = 7


def pictures_of(plan: Plan) -> NDArray[np.uint8]:
    random = np.random.default_rng(5)
    found = random.integers(0, 256, (PICTURES, *plan.input.shape), np.uint8)
    found[0], found[1] = 0, 255
    return found


def by_onnx(model: Any, pictures: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    from onnx.reference import ReferenceEvaluator

    onnx.checker.check_model(model, full_check=True)
    evaluator = ReferenceEvaluator(model)
    return dict(zip(evaluator.output_names, evaluator.run(None, {"pictures": pictures}), strict=True))


def by_runtime(model: Any, pictures: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pictures": pictures}), strict=True))


def expected(plan: Plan, pictures: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {state.layer.name: state.bits for state in states(plan, pictures)}
    return found if plan.logits is None else {"logits": logits(plan, pictures), **found}


def check(plan: Plan, run: Any) -> None:
    names = [layer.name for layer in plan.layers]
    pictures = pictures_of(plan)
    found, wanted = run(to_onnx(plan, names), pictures), expected(plan, pictures)
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == (np.float64 if name == "logits" else np.uint8)
        np.testing.assert_array_equal(found[name], values, name)


@pytest.mark.parametrize("run", [by_onnx, by_runtime])
def test_every_field_of_a_plan(plan: Plan, run: Any) -> None:
    check(plan, run)


def heavy(pool: Pool | None = None, *, shortcut: bool = False) -> Plan:
    """Sums over 2²⁴, of pixels and of counts, with pad values."""
    random = np.random.default_rng(1)
    weights = random.integers(-32_767, 32_768, (3, 2, 3, 3)).astype(np.int16)
    term = Term("input", weights, padding=(1, 1, 1, 1), pool=pool)
    first = layer("one", (term,), Pool("sum", (2, 2), (1, 1)))
    added = (Term("one", np.array([3_000_001, -7, 5], np.int32)),) if shortcut else ()
    inner = random.integers(-32_767, 32_768, (3, 3, 3, 3)).astype(np.int16)
    second = layer("two", (Term("one", inner, padding=(1, 1, 1, 1)), *added))
    seen = Input((2, 9, 9), (3, 250))
    cells = int(np.prod(Plan(seen, (first, second)).values["two"].shape))
    last = Term("two", random.integers(-32_767, 32_768, (2, cells)).astype(np.int16))
    return Plan(seen, (first, second), Logits("last", (last,), 0.1, np.array([0.25, -1e9])))


def layer(name: str, terms: tuple[Term, ...], post: Pool | None = None) -> Layer:
    channels = terms[0].channels
    direction = np.resize(np.array([1, -1, 0], np.int8), channels)
    return Layer(name, terms, np.full((1, channels), 12_345, np.int32), direction, post)


@pytest.mark.parametrize("run", [by_onnx, by_runtime])
@pytest.mark.parametrize("pool", [None, Pool("max", (3, 3), (2, 2), (1, 1)), Pool("sum", (3, 3), (2, 2), ceil=True)])
@pytest.mark.parametrize("shortcut", [False, True])
def test_sums_that_float32_does_not_hold(pool: Pool | None, shortcut: bool, run: Any) -> None:
    plan = heavy(pool, shortcut=shortcut)
    assert plan.bounds["one"].max() > 2**24
    check(plan, run)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width"), [("resnet20", 0.5), ("vgg16", 0.02), ("resnet18", 0.05), ("alexnet", 0.02)])
def test_networks_of_the_zoo(name: str, width: float) -> None:
    import torch

    import firebit as fb
    from firebit import zoo

    torch.manual_seed(0)
    hard = zoo.untrained(name, width=width, classes=10, batch_norm=True)
    check(fb.compile(hard, zoo.example(name), report=False), by_runtime)


def test_a_shortcut_over_added_windows() -> None:
    first = Layer(
        *("one", (Term("input", np.ones((2, 1, 1, 1), np.int16)),)),
        *(np.array([[100, 200]], np.int32), np.ones(2, np.int8)),
    )
    pool = Pool("sum", (2, 2), (2, 2))
    added = Term("one", np.array([20_000_001, -20_000_003], np.int32), pool=pool)
    plan = Plan(Input((1, 4, 4)), (first, layer("two", (added,))))
    check(plan, by_onnx)


@pytest.mark.parametrize("bits", [16, 8, 4])
def test_digits_make_up_the_weights(bits: int) -> None:
    weights = np.arange(-32_767, 32_768).astype(np.int16)
    digits = _split(weights, bits)
    assert len(digits) == 16 // bits
    assert max(int(np.abs(digit).max()) for digit in digits) <= (1 << bits - 1)
    total = sum(digit << bits * index for index, digit in enumerate(digits))
    np.testing.assert_array_equal(total, weights)


def test_only_what_is_asked_for_comes_out(plans: dict[str, Plan]) -> None:
    assert [output.name for output in to_onnx(plans["residual"]).graph.output] == ["logits"]
    assert [output.name for output in to_onnx(plans["residual"], ["stem"]).graph.output] == ["logits", "stem"]
    assert [output.name for output in to_onnx(plans["encoder"]).graph.output] == ["code"]


def test_the_file_says_what_it_is(plans: dict[str, Plan], tmp_path: Path) -> None:
    plan = plans["linear"]
    save_onnx(plan, tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    facts = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(facts["classes"]) == ["cat", "dog", "Ente"]
    assert facts["fingerprint"] == plan.fingerprint
    assert model.producer_name == "firebit"
    assert {opset.domain for opset in model.opset_import} == {""}


def test_the_runtime_is_held_against_the_plan(plans: dict[str, Plan]) -> None:
    pytest.importorskip("onnxruntime")
    plan = plans["residual"]
    content = to_onnx(plan, ["stem", "block"]).SerializeToString()
    assert unequal(content, plan, pictures_of(plan)) == []
    # Thresholds of another plan, which change its bits, and its logits with them.
    block = plan.layers[1]
    other = Plan(plan.input, (plan.layers[0], replace(block, threshold=block.threshold + 3)), plan.logits)
    assert unequal(content, other, pictures_of(plan)) == ["logits", "block"]


def test_what_cannot_be_written(plans: dict[str, Plan]) -> None:
    with pytest.raises(UsageError, match="no layer 'stme'"):
        to_onnx(plans["residual"], ["stme"])
    stem = plans["residual"].layers[0]
    called = Plan(Input((1, 4, 4)), (replace(stem, name="pictures"),))
    with pytest.raises(UsageError, match="'pictures' is called like another value"):
        to_onnx(called, ["pictures"])
    block = plans["residual"].layers[1]
    tabled = replace(block.terms[0], tables=Tables(np.full(3, 2**20, np.int32), 1))
    fast = Plan(Input((1, 4, 4)), (stem, replace(block, terms=(tabled,))), precision="fast")
    with pytest.raises(UsageError, match="Quantised tables"):
        to_onnx(fast)


def test_sums_beyond_any_digits() -> None:
    # 2²² weights of 4-bit digits up to 8 over counts of up to 4.
    shape = (1, 1024, 1024)
    first = Layer(
        "one",
        (Term("input", np.ones((1, 1, 1, 1), np.int16)),),
        np.array([[9]], np.int32),
        np.ones(1, np.int8),
        Pool("sum", (2, 2), (1, 1)),
    )
    weights = np.full((1, 1023 * 1023), 8, np.int16)
    plan = Plan(Input(shape), (first, layer("two", (Term("one", weights),))))
    with pytest.raises(UsageError, match="sums that float32 does not hold"):
        to_onnx(plan)
