"""Rows of the table: what they say and how they look."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from firebit.metrics import Metrics
from firebit.nn.census import Census, LayerCensus
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.train.results import difference_line, result_row, results_table

METRICS = Metrics(0.5, 0.75, 0.875, 8)
CENSUS = Census({"1": LayerCensus(np.array([1, 0, 0, 0]), np.array([0, 1, 0, 0]), 4)})


def network(middle: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), middle, nn.Linear(4, 2))


# 3·4 + 4 + 4·2 + 2 numbers of 32 bits, and a slope per rectifier.
WEIGHTS = 4 * (16 + 10)


@pytest.mark.parametrize(
    ("middle", "bits", "activations", "weights"),
    [
        (nn.ReLU(), 32, 4 * 32 / 8, WEIGHTS),
        (BoundedRectifier(4), 32, 4 * 32 / 8, WEIGHTS + 16),
    ],
)
def test_a_real_valued_row(middle: nn.Module, bits: float, activations: float, weights: int) -> None:
    row = result_row("x", network(middle), torch.zeros(1, 3), METRICS, None)
    assert row == {
        "name": "x",
        "metrics": {"loss": 0.5, "top1": 0.75, "top5": 0.875, "count": 8},
        "census": None,
        "bits_per_activation": bits,
        "activation_bytes": activations,
        "weight_bytes": weights,
    }


def test_a_binary_row() -> None:
    step = Step(torch.zeros(4), torch.ones(4))
    row = result_row("steps", network(step), torch.zeros(1, 3), METRICS, CENSUS)
    assert (row["bits_per_activation"], row["activation_bytes"]) == (1, 0.5)
    assert row["census"]["level"] == 2 / 16


def test_a_network_without_hidden_activations_has_none_to_count() -> None:
    row = result_row("x", nn.Sequential(nn.Linear(3, 2)), torch.zeros(1, 3), METRICS, None)
    assert (row["bits_per_activation"], row["activation_bytes"]) == (None, 0)
    assert "–" in shown({**RESULTS, "rows": [row]})


RESULTS: dict[str, Any] = {
    "net": "lenet",
    "data": "digits[b]-train",
    "measured_on": "test",
    "rows": [
        {
            "name": name,
            "metrics": {"top1": 0.98765, "top5": 1.0, "loss": 0.1, "count": 10},
            "census": census,
            "bits_per_activation": bits,
            "activation_bytes": activations,
            "weight_bytes": 1_724_320,
        }
        for name, census, bits, activations in (
            ("relu", None, 32.0, 16_720.0),
            ("phase1", {"level": 0.7123}, 32.0, 16_720.0),
            ("phase2 steps", {"level": 1.0}, 1.0, 522.5),
            ("steps, [/recalibrated]", {"level": 1.0}, 9.6875, 522.5),
            ("compiled", {"level": 1.0}, 1.0, 522.5),
        )
    ],
}


def shown(results: dict[str, Any]) -> str:
    screen = io.StringIO()
    Console(file=screen, width=120).print(results_table(results))
    return screen.getvalue()


def test_the_table() -> None:
    text = shown(RESULTS)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    assert lines == [
        ["ReLU", "98.77", "–", "32", "16.3 KiB", "1,683.9 KiB"],
        ["phase 1", "98.77", "71.2", "32", "16.3 KiB", "1,683.9 KiB"],
        ["phase 2, steps", "98.77", "100.0", "1", "522 B", "1,683.9 KiB"],
        ["steps, [/recalibrated]", "98.77", "100.0", "9.69", "522 B", "1,683.9 KiB"],
        ["compiled, without torch", "98.77", "100.0", "1", "522 B", "1,683.9 KiB"],
    ]
    assert "lenet on digits[b]-train, measured on the test set" in text


AGREED = {"pictures": 10_000, "predictions_differ": 1_234, "bits": 7, "bits_differ": 0}


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            {"compiled": AGREED, "not_compiled": None},
            "predictions that differ between torch (float64) and compiled: 1,234 of 10,000",
        ),
        ({"compiled": None, "not_compiled": "Layer 'a' is too wide."}, "not compiled: Layer 'a' is too wide."),
        ({"compiled": None}, "not compiled: some hidden activations are real numbers"),
        ({}, ""),
    ],
)
def test_the_line_below_the_table(more: dict[str, Any], line: str) -> None:
    assert difference_line({**RESULTS, **more}) == line
