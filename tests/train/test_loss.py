"""The training loss against its formulas, written out in float64."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from firebit.train.loss import divergence, training_loss
from firebit.train.recipe import Loss

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])
TAUGHT = np.array([[0.5, 1.5, -1.0], [-1.0, 4.0, 2.0]])
LABELS = np.array([2, 1])


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(1, keepdims=True))


def cross_entropy(smoothing: float) -> float:
    """−Σ t·log p, with t = (1 − ε)·label + ε/classes."""
    targets = (1 - smoothing) * np.eye(3)[LABELS] + smoothing / 3
    return float(-(targets * np.log(softmax(LOGITS))).sum(1).mean())


def kullback_leibler(temperature: float) -> float:
    teacher, student = softmax(TAUGHT / temperature), softmax(LOGITS / temperature)
    return float((teacher * np.log(teacher / student)).sum(1).mean())


def loss(taught: bool, **options: float) -> float:
    table = Loss.model_validate(options)
    given = torch.from_numpy(TAUGHT) if taught else None
    return training_loss(torch.from_numpy(LOGITS), torch.from_numpy(LABELS), table, given).item()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_smoothed_labels(smoothing: float) -> None:
    assert loss(False, label_smoothing=smoothing) == pytest.approx(cross_entropy(smoothing), rel=1e-12)


@pytest.mark.parametrize("share", [0.25, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_share_of_the_teacher(share: float, temperature: float) -> None:
    found = loss(True, distillation=share, temperature=temperature, label_smoothing=0.2)
    expected = (1 - share) * cross_entropy(0.2) + share * temperature**2 * kullback_leibler(temperature)
    assert found == pytest.approx(expected, rel=1e-12)


def test_without_a_teacher_labels_alone_count() -> None:
    assert loss(False, distillation=0.5) == pytest.approx(cross_entropy(0), rel=1e-12)


def test_who_says_what_the_teacher_says_is_not_divergent() -> None:
    logits = torch.from_numpy(LOGITS)
    assert divergence(logits, logits + 7, 3.0).item() == pytest.approx(0, abs=1e-12)


def test_the_gradient_keeps_its_size_at_high_temperatures() -> None:
    # For T → ∞ it is that of half the squared distance of the centred logits, over batch and classes.
    logits, taught = (torch.from_numpy(values).clone().requires_grad_() for values in (LOGITS, TAUGHT))
    divergence(logits, taught.detach(), 1e4).backward()  # type: ignore[no-untyped-call]
    centred = LOGITS - LOGITS.mean(1, keepdims=True) - TAUGHT + TAUGHT.mean(1, keepdims=True)
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.numpy(), centred / 6, atol=1e-3)
