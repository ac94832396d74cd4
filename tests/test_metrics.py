"""Loss and accuracies against figures worked out by hand, in plain Python, and by torch."""

import doctest
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from firebit import metrics
from firebit.errors import UsageError
from firebit.metrics import Metrics, log_sum_exp, measure


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, classes), many of them equal, and labels."""
    count, classes = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    elements = st.one_of(st.integers(-3, 3).map(float), st.floats(-300, 300))
    logits = draw(arrays(np.float64, (count, classes), elements=elements))
    labels = draw(arrays(np.int64, count, elements=st.integers(0, classes - 1)))
    return logits, labels


def test_by_hand() -> None:
    """Right; fourth; sixth of six."""
    logits = np.array([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]], np.float64)
    found = measure(logits, np.array([0, 2, 0]))
    total = math.log(sum(math.exp(value) for value in range(6)))
    assert found.loss == pytest.approx(total - (5 + 2 + 0) / 3, rel=1e-14)
    assert (found.top1, found.top5, found.count) == (1 / 3, 2 / 3, 3)


def test_of_equal_logits_the_smaller_index_is_ahead() -> None:
    zeros = np.zeros((7, 7))
    found = measure(zeros, np.arange(7))
    assert (found.top1, found.top5) == (1 / 7, 5 / 7)
    assert found.loss == pytest.approx(math.log(7), rel=1e-15)


@given(answers())
def test_against_plain_python(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = drawn
    places, losses = [], []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        ranked = sorted(range(len(row)), key=lambda index: (-row[index], index))
        places.append(ranked.index(label))
        losses.append(math.log(math.fsum(math.exp(value - row[label]) for value in row)))
    found = measure(logits, labels)
    assert found.top1 == sum(place < 1 for place in places) / len(places)
    assert found.top5 == sum(place < 5 for place in places) / len(places)
    assert found.loss == pytest.approx(sum(losses) / len(losses), rel=1e-12, abs=1e-12)


@given(answers())
def test_the_loss_is_that_of_torch(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = drawn
    expected = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).item()
    assert measure(logits, labels).loss == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_accuracies_are_those_of_torch() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((500, 20)), rng.integers(0, 20, 500)
    ranked = torch.from_numpy(logits).topk(5).indices.numpy() == labels[:, None]
    found = measure(logits, labels)
    assert (found.top1, found.top5) == (ranked[:, 0].mean(), ranked.any(1).mean())


def test_logits_of_float32_are_summed_in_float64() -> None:
    logits = np.full((10**5, 3), 0.1, np.float32)
    assert measure(logits, np.zeros(10**5, np.uint8)).loss == pytest.approx(math.log(3), rel=1e-14)


def test_logits_far_apart_do_not_overflow() -> None:
    logits = np.array([[1e300, -1e300], [-1e4, 1e4]])
    found = measure(logits, np.array([0, 0]))
    assert found.loss == 1e4
    assert log_sum_exp(logits).tolist() == [1e300, 1e4]


def test_one_class_costs_nothing() -> None:
    assert measure(np.array([[3.5]]), np.array([0])) == Metrics(0.0, 1.0, 1.0, 1)


def test_as_json() -> None:
    assert Metrics(0.5, 0.25, 1.0, 4).to_dict() == {"loss": 0.5, "top1": 0.25, "top5": 1.0, "count": 4}


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        (np.zeros((0, 3)), np.zeros(0, int)),
        (np.zeros((2, 0)), np.zeros(2, int)),
        (np.zeros((2, 3)), np.zeros(3, int)),
        (np.zeros((2, 3)), np.zeros((2, 1), int)),
        (np.zeros(3), np.zeros(3, int)),
        (np.zeros((2, 3), int), np.zeros(2, int)),
        (np.zeros((2, 3)), np.zeros(2)),
        (np.zeros((2, 3)), np.zeros(2, bool)),
    ],
)
def test_what_does_not_fit(logits: Any, labels: Any) -> None:
    with pytest.raises(UsageError, match="do not fit each other"):
        measure(logits, labels)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite(value: float) -> None:
    with pytest.raises(UsageError, match="not a finite number"):
        measure(np.array([[0.0, value]]), np.array([0]))


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_out_of_range(label: int) -> None:
    with pytest.raises(UsageError, match="there are 2 classes"):
        measure(np.zeros((2, 2)), np.array([0, label]))


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(metrics)
    assert result.attempted
    assert not result.failed


def test_it_needs_no_torch() -> None:
    code = "import sys, firebit.metrics; print([m for m in sys.modules if m.partition('.')[0] == 'torch'])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "[]\n", result.stderr
