"""Bits, bytes and multiply-accumulates of small plans against arithmetic done by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firebit.engine.cost import Cost, LayerCost, cost
from firebit.engine.plan import INPUT, Input, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.tables import Tables
from firebit.engine.term import Term


def int16(*shape: int) -> NDArray[np.int16]:
    """Weights that are not all ±1."""
    return np.full(shape, 3, np.int16)


def signs(*shape: int) -> NDArray[np.int16]:
    """Weights −1 and +1 in turn."""
    return (1 - 2 * (np.arange(math.prod(shape)) % 2)).astype(np.int16).reshape(shape)


def coefficients(channels: int) -> NDArray[np.int32]:
    return np.ones(channels, np.int32)


def hidden(name: str, *terms: Term, rows: int = 1, post: Pool | None = None) -> Layer:
    channels = terms[0].channels
    return Layer(name, terms, np.zeros((rows, channels), np.int32), np.ones(channels, np.int8), post)


def votes(*terms: Term) -> Logits:
    return Logits("out", terms, 1.0, np.zeros(terms[0].channels))


def row(costs: Cost, name: str) -> LayerCost:
    (found,) = [layer for layer in costs.layers if layer.name == name]
    return found


def figures(layer: LayerCost) -> dict[str, Any]:
    """The figures of one layer in a few words."""
    return {
        "kind": layer.kind,
        "units": layer.units,
        "output": layer.output,
        "bits": layer.bits,
        "weights": [(term.weights, term.weight_bits, term.weight_bytes) for term in layer.terms],
        "thresholds": layer.threshold_bytes,
        "kept": layer.activation_bytes,
        "macs": layer.macs,
        "additions": layer.additions,
        "relu": (layer.relu_parameters, layer.relu_weight_bytes, layer.relu_bytes, layer.relu_macs),
    }


def small() -> Plan:
    """4×6×5 → conv 3×2 in 2 groups, a row above and a column right, 2 down: 6×3×5, max pool 2, ceil: 6×2×3 → 5 → 3."""
    pool = Pool("max", (2, 2), (2, 2), ceil=True)
    conv = Term(INPUT, int16(6, 2, 3, 2), stride=(2, 1), padding=(1, 0, 0, 1), groups=2, pool=pool)
    layers = (hidden("conv", conv), hidden("full", Term("conv", signs(5, 36))))
    return Plan(Input((4, 6, 5)), layers, votes(Term("full", int16(3, 5))))


def test_a_convolution_with_groups_padding_and_pooling() -> None:
    # 72 weights of 2 bytes; 36 units in 5 bytes, 36 · 4 with ReLUs; 6 thresholds of 4 bytes and directions of 1.
    # 6 · 3 · 5 sums before pooling, each over 2 channels · 3 · 2 cells. With a ReLU 72 weights and 6 biases.
    assert figures(row(cost(small()), "conv")) == {
        "kind": "conv, max pool, step",
        "units": (6, 2, 3),
        "output": (6, 2, 3),
        "bits": 1,
        "weights": [(72, 16, 144)],
        "thresholds": 30,
        "kept": 5,
        "macs": {"pixel × int": 1080},
        "additions": 0,
        "relu": (78, 312, 144, {"pixel × real": 1080}),
    }


def test_weights_of_one_bit() -> None:
    # 180 weights in 23 bytes; 5 bits in a byte; 25 bytes of thresholds; 185 parameters with ReLUs.
    assert figures(row(cost(small()), "full")) == {
        "kind": "linear, step",
        "units": (5,),
        "output": (5,),
        "bits": 1,
        "weights": [(180, 1, 23)],
        "thresholds": 25,
        "kept": 1,
        "macs": {"bit × ±1": 180},
        "additions": 0,
        "relu": (185, 740, 20, {"real × real": 180}),
    }


def test_logits_are_not_kept() -> None:
    # 3 biases of 8 bytes; 15 weights and 3 biases with ReLUs.
    assert figures(row(cost(small()), "out")) == {
        "kind": "linear",
        "units": (3,),
        "output": (3,),
        "bits": 0,
        "weights": [(15, 16, 30)],
        "thresholds": 24,
        "kept": 0,
        "macs": {"bit × int": 15},
        "additions": 0,
        "relu": (18, 72, 0, {"real × real": 15}),
    }


def test_totals() -> None:
    costs = cost(small())
    assert costs.input == (4, 6, 5)
    assert (costs.hidden_units, costs.hidden_bits) == (36 + 5, 36 + 5)
    assert (costs.activation_bytes, costs.relu_bytes) == (5 + 1, 144 + 20)
    assert (costs.peak_bytes, costs.relu_peak_bytes) == (5, 144)
    assert (costs.weight_bytes, costs.threshold_bytes) == (144 + 23 + 30, 30 + 25 + 24)
    assert costs.relu_weight_bytes == 312 + 740 + 72
    assert costs.macs == {"pixel × int": 1080, "bit × ±1": 180, "bit × int": 15}
    assert costs.relu_macs == {"pixel × real": 1080, "real × real": 180 + 15}
    assert costs.activation_saving == pytest.approx(164 / 6)
    assert costs.weight_saving == pytest.approx(1124 / (197 + 79))
    assert costs.bit_share == pytest.approx(195 / 1275)
    assert costs.additions == 0


def test_a_residual_block() -> None:
    """2×4×4 → conv → conv beside a shortcut, both pooled to 2×2×2; the shortcut adds 8 numbers and multiplies none."""
    pool = Pool("sum", (2, 2), (2, 2))
    first = hidden("a", Term(INPUT, int16(2, 2, 3, 3), padding=(1, 1, 1, 1)))
    main = Term("a", signs(2, 2, 3, 3), padding=(1, 1, 1, 1), pool=pool)
    second = hidden("b", main, Term("a", coefficients(2), pool=pool))
    costs = cost(Plan(Input((2, 4, 4)), (first, second), votes(Term("b", int16(3, 8)), Term("a", int16(3, 32)))))
    # 36 signs in 5 bytes, 2 coefficients of 4; 2 · 4 · 4 sums of 2 · 3 · 3; 36 weights and 2 biases with ReLUs.
    assert figures(row(costs, "b")) == {
        "kind": "conv, sum pool + shortcut, sum pool, step",
        "units": (2, 2, 2),
        "output": (2, 2, 2),
        "bits": 1,
        "weights": [(36, 1, 5), (2, 32, 8)],
        "thresholds": 10,
        "kept": 1,
        "macs": {"bit × ±1": 576},
        "additions": 8,
        "relu": (38, 152, 32, {"real × real": 576}),
    }
    assert row(costs, "b").weight_bytes == 13
    # Two terms, and one bias per class: 24 + 96 + 3.
    assert (row(costs, "out").macs, row(costs, "out").relu_parameters) == ({"bit × int": 24 + 96}, 123)
    assert costs.additions == 8


def test_shortcuts_alone_multiply_nothing() -> None:
    costs = cost(Plan(Input((7,)), (hidden("a", Term(INPUT, coefficients(7))),)))
    assert (costs.macs, costs.relu_macs, costs.additions, costs.bit_share) == ({}, {}, 7, 0.0)
    assert costs.layers[0].kind == "shortcut, step"


@pytest.mark.parametrize(
    ("post", "output", "bits", "kept", "form", "kind"),
    [
        # 3×3×3 bits; windows of 4, 2, 2 and 1 of them.
        (Pool("max", (2, 2), (2, 2), ceil=True), (3, 2, 2), 1, 2, "bit", "max pool"),
        # Counts 0 … 4 take 3 bits: 36 bits in 5 bytes.
        (Pool("sum", (2, 2), (2, 2), ceil=True), (3, 2, 2), 3, 5, "count", "sum pool"),
        # Quarters 0 … 4.
        (Pool("mean", (2, 2), (2, 2), ceil=True), (3, 2, 2), 3, 5, "count", "average pool"),
        # Counts 0 … 9 take 4 bits: 12 in 2 bytes.
        (Pool("sum", (3, 3), (1, 1)), (3, 1, 1), 4, 2, "count", "sum pool"),
        # Counts 0 … 3 take 2 bits: 18 in 3 bytes.
        (Pool("sum", (1, 3), (1, 1)), (3, 3, 1), 2, 3, "count", "sum pool"),
        # A window of one bit gives a bit.
        (Pool("sum", (1, 1), (2, 2)), (3, 2, 2), 1, 2, "bit", "sum pool"),
    ],
)
def test_pooled_bits_are_counts(
    post: Pool, output: tuple[int, ...], bits: int, kept: int, form: str, kind: str
) -> None:
    first = hidden("a", Term(INPUT, int16(3, 1, 1, 1)), post=post)
    size = math.prod(output)
    costs = cost(Plan(Input((1, 3, 3)), (first,), votes(Term("a", int16(2, size)), Term("a", signs(2, size)))))
    layer = row(costs, "a")
    assert (layer.kind, layer.units, layer.output) == (f"conv, step, {kind}", (3, 3, 3), output)
    assert (layer.bits, layer.activation_bytes, layer.relu_bytes) == (bits, kept, 4 * size)
    assert layer.macs == {"pixel × int": 3 * 9}
    assert row(costs, "out").macs == {f"{form} × int": 2 * size, f"{form} × ±1": 2 * size}
    assert row(costs, "out").relu_macs == {"real × real": 4 * size}
    assert (costs.hidden_units, costs.hidden_bits) == (size, bits * size)
    assert costs.bit_share == pytest.approx(4 * size / (27 + 4 * size) if form == "bit" else 0)


def test_a_row_of_thresholds_per_class_of_window() -> None:
    pool = Pool("sum", (2, 2), (2, 2), ceil=True)
    plan = Plan(Input((1, 3, 3)), (hidden("a", Term(INPUT, int16(5, 1, 1, 1), pool=pool), rows=3),))
    # 3 rows of 5 thresholds of 4 bytes, and 5 directions.
    assert cost(plan).threshold_bytes == 65


def test_an_encoder_keeps_its_code() -> None:
    plan = Plan(Input((20,)), (hidden("a", Term(INPUT, int16(9, 20))), hidden("code", Term("a", int16(17, 9)))))
    costs = cost(plan)
    assert [layer.name for layer in costs.layers] == ["a", "code"]
    assert [layer.kept for layer in costs.layers] == [True, True]
    assert (costs.hidden_units, costs.activation_bytes, costs.relu_bytes) == (26, 2 + 3, 26 * 4)
    assert costs.macs == {"pixel × int": 180, "bit × int": 153}


def lenet() -> Plan:
    pool = Pool("max", (2, 2), (2, 2))
    layers = (
        hidden("rect1", Term(INPUT, int16(20, 1, 5, 5), pool=pool)),
        hidden("rect2", Term("rect1", int16(50, 20, 5, 5), pool=pool)),
        hidden("rect3", Term("rect2", int16(500, 50 * 4 * 4))),
    )
    return Plan(Input((1, 28, 28)), layers, votes(Term("rect3", int16(10, 500))))


def test_lenet() -> None:
    """28×28 → 20 maps 24×24, pooled 12×12 → 50 maps 8×8, pooled 4×4 → 500 → 10."""
    costs = cost(lenet())
    assert [layer.units for layer in costs.layers] == [(20, 12, 12), (50, 4, 4), (500,), (10,)]
    # Bits: 20 · 144 = 2880, 50 · 16 = 800, and 500, in 360 + 100 + 63 bytes; 4 bytes each with ReLUs.
    assert costs.hidden_units == costs.hidden_bits == 2880 + 800 + 500 == 4180
    assert [layer.activation_bytes for layer in costs.layers] == [360, 100, 63, 0]
    assert costs.activation_bytes == 523
    assert costs.relu_bytes == 4 * 4180 == 16_720
    assert (costs.peak_bytes, costs.relu_peak_bytes) == (360, 11_520)
    # Multiply-accumulates: 20 · 24² · 25; 50 · 8² · 20 · 25, 500 · 800 and 10 · 500.
    assert costs.macs == {"pixel × int": 288_000, "bit × int": 1_600_000 + 400_000 + 5_000}
    assert costs.relu_macs == {"pixel × real": 288_000, "real × real": 2_005_000}
    # Weights: 500 + 25,000 + 400,000 + 5,000, of 2 bytes.
    assert costs.weight_bytes == 2 * 430_500 == 861_000
    # Thresholds of 4 bytes and directions of 1 for 570 channels; 10 biases of 8 bytes.
    assert costs.threshold_bytes == 5 * 570 + 80 == 2_930
    # With ReLUs 580 biases more, of 4 bytes each.
    assert costs.relu_weight_bytes == 4 * (430_500 + 580) == 1_724_320


def test_lenet_with_relus_is_what_torch_counts() -> None:
    """The other side of the comparison, against the summary of the real network with ReLUs."""
    from firebit import zoo
    from firebit.nn.summary import summary

    real = summary(zoo.build("lenet", activation="relu"), zoo.example("lenet"))
    costs = cost(lenet())
    assert costs.relu_macs == real.macs
    assert (costs.relu_bytes, costs.relu_peak_bytes) == (real.relu_bytes, real.peak_bytes)
    assert costs.relu_weight_bytes == real.weight_bytes


def test_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    """The file holds the weights and thresholds that are counted, and no other tensor."""
    from firebit.files import load_tensors

    path = tmp_path / "small.firebit"
    small().save(path)
    arrays, _ = load_tensors(path)
    costs = cost(small())
    assert sum(array.nbytes for array in arrays.values()) == costs.weight_bytes + costs.threshold_bytes


def test_as_json() -> None:
    record = json.loads(json.dumps(cost(small()).to_dict()))
    assert record["input"] == [4, 6, 5]
    assert record["macs"] == {"pixel × int": 1080, "bit × ±1": 180, "bit × int": 15}
    assert record["weight_saving"] == pytest.approx(1124 / 276)
    conv, full, out = record["layers"]
    assert (conv["name"], conv["output"], conv["kept"]) == ("conv", [6, 2, 3], True)
    assert conv["terms"] == [
        {
            "source": "input",
            "kind": "conv",
            "weights": 72,
            "weight_bits": 16,
            "weight_bytes": 144,
            "macs": {"pixel × int": 1080},
            "relu_macs": {"pixel × real": 1080},
            "additions": 0,
        }
    ]
    assert (full["activation_bytes"], full["relu_bytes"], full["relu_weight_bytes"]) == (1, 20, 740)
    assert (out["kept"], out["bits"], out["relu_macs"]) == (False, 0, {"real × real": 15})


def cells(text: str, name: str) -> list[str]:
    (found,) = [line for line in text.splitlines() if line.startswith(f"│ {name} ")]
    return [cell.strip() for cell in found.strip("│").split("│")]


def test_as_a_table() -> None:
    text = str(cost(small()))
    assert cells(text, "conv") == [
        *("conv", "conv, max pool, step", "6×2×3", "32 → 1", "72 × 16 bits"),
        *("312 B → 144 B", "30 B", "144 B → 5 B", "1,080 pixel × int"),
    ]
    assert cells(text, "full")[4] == "180 × ±1"
    assert cells(text, "out")[3] == cells(text, "out")[7] == ""
    assert cells(text, "all")[5:8] == ["1.1 KiB → 197 B", "79 B", "164 B → 6 B"]
    for caption in ("27.3 times less", "144 B → 5 B", "4.1 times less", "15.3 % of MACs read bits"):
        assert caption in text


def test_names_are_printed_as_they_are_and_obey_nobody() -> None:
    layers = (hidden("[red]a[/red]", Term(INPUT, int16(2, 3))), hidden("\x1b[2J", Term("[red]a[/red]", int16(2, 2))))
    text = str(cost(Plan(Input((3,)), layers)))
    assert "[red]a[/red]" in text
    assert "\x1b" not in text
    assert "'\\x1b[2J'" in text


def test_multipliers_of_tables_take_bytes() -> None:
    plan = Plan(
        Input((4, 2, 2)),
        (
            hidden("a", Term(INPUT, int16(4, 4, 1, 1))),
            hidden("b", Term("a", int16(6, 4, 1, 1), tables=Tables(np.full(6, 1 << 24, np.int32), 1))),
        ),
        precision="fast",
    )
    # Weights of 3 are bytes in a fast plan, multipliers four bytes each.
    assert [layer.weight_bytes for layer in cost(plan).layers] == [16, 24 + 24]
    assert row(cost(plan), "b").terms[0].weight_bits == 8
