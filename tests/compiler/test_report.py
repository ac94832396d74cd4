"""What compiling prints."""

import json

import torch
from torch import nn

from firebit.compiler.agreement import Agreement, LayerAgreement
from firebit.compiler.compile import compile_with_report
from firebit.compiler.report import Report, difference
from firebit.nn import Step


def report() -> Report:
    """800 weights of ±1, a bit each; then 3 × 2 of one third and one."""
    first, last = nn.Linear(400, 2, bias=False), nn.Linear(2, 3)
    first.weight.data = torch.where(torch.arange(800).reshape(2, 400) % 3 == 0, 1.0, -1.0)
    last.weight.data = torch.tensor([[1 / 3, 1.0]] * 3)
    model = nn.Sequential(first, Step(torch.zeros(2), torch.tensor([1, 1])), last)
    return compile_with_report(model, torch.zeros(1, 400))[1]


def test_layers_bits_memory_and_changes() -> None:
    text = str(report())
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    # 800 bits; two thresholds of 4 bytes and two directions of 1. ⅓ · 32767 = 10922.33: a third of a step off.
    assert rows[0] == ["1", "linear, step", "2", "1", "100 B", "10 B", "0"]
    assert rows[1][:6] == ["2", "linear", "3", "", "12 B", "24 B"]
    assert rows[1][6] == "≤ 0.001 %"
    # 2 bits in a byte; 2 units of 4 bytes. 100 + 10 + 12 + 24 bytes; 4 · (800 + 2 + 6 + 3).
    assert "hidden activations per picture: 1 B, with ReLUs 8 B" in text
    assert "weights and thresholds: 146 B, with ReLUs 3.2 KiB" in " ".join(text.split())


def test_json() -> None:
    values = json.loads(json.dumps(report().to_dict()))
    assert values["changes"]["1"] == 0
    assert 0 < values["changes"]["2"] < 2**-15
    assert values["agreement"] is None
    assert [layer["name"] for layer in values["cost"]["layers"]] == ["1", "2"]


def test_what_snapping_changed_in_a_line() -> None:
    layers = {"a": LayerAgreement(1000, 3), "b": LayerAgreement(500, 4)}
    assert difference(Agreement(1234, layers, 5, 0.5)) == (
        "on 1,234 pictures: predictions that differ: 5; bits that differ: 7 of 1,500"
    )
    assert difference(Agreement(1, layers, None, None)) == "on 1 picture: bits that differ: 7 of 1,500"


def test_names_from_a_network_are_no_markup() -> None:
    model = nn.Sequential()
    model.add_module("fc", nn.Linear(2, 2))
    model.add_module("[red]fire[/red]", Step(torch.zeros(2), torch.tensor([1, 1])))
    assert "[red]fire[/red]" in str(compile_with_report(model, torch.zeros(1, 2))[1])
