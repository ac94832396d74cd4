"""Heads on features: what they learn, what their codes are, what they refuse."""

from typing import Any

import numpy as np
import pytest
import torch

from firebit.errors import UsageError
from firebit.nn.rectifier import Step
from firebit.search.codes import unpack
from firebit.search.evaluate import measure
from firebit.train.head import Head, HeadOptions, build_head, train_head

Features = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def clusters() -> Features:
    """Four classes around points of their own, in 20 dimensions of which one is constant."""
    random = np.random.default_rng(0)
    labels = np.arange(600) % 4
    features = random.normal(size=(4, 20))[labels] * 2 + random.normal(size=(600, 20))
    features[:, 7] = 3.0
    return features.astype(np.float32), labels


QUICK: dict[str, Any] = {"bits": 16, "epochs": 8, "batch": 50}


@pytest.mark.parametrize("options", [{}, {"hidden": 24}, {"activation": "relu"}, {"activation": "sigmoid"}])
def test_a_head_learns_codes_that_find_the_class(clusters: Features, options: dict[str, Any]) -> None:
    features, labels = clusters
    head = train_head(features[:400], labels[:400], 4, HeadOptions(**QUICK, **options))
    codes = head.codes(features)
    found = measure(16, codes[400:], labels[400:], codes[:400], labels[:400])
    assert (head.logits(features[400:]).argmax(1) == labels[400:]).mean() > 0.9
    assert found.mean_average_precision["ALL"] > (0.6 if options.get("activation") == "relu" else 0.85)


def test_codes_are_the_steps_between_features_and_classifier(clusters: Features) -> None:
    features, labels = clusters
    head = train_head(features, labels, 4, HeadOptions(**QUICK, hidden=24))
    layers = head.encoder()
    assert [name for name, _ in layers.named_children()] == ["standard", "fc_hidden", "hidden", "fc_code", "code"]
    assert isinstance(layers[-1], Step)
    bits = unpack(head.codes(features), 16)
    np.testing.assert_array_equal(bits, layers(torch.from_numpy(features)).numpy())
    # The classifier reads nothing but the code.
    last = head.model.get_submodule("fc")
    np.testing.assert_allclose(last(torch.from_numpy(bits).float()).detach(), head.logits(features), atol=1e-4)


@pytest.mark.parametrize(("activation", "at"), [("relu", 0.0), ("sigmoid", 0.5)])
def test_baselines_are_thresholded_where_the_literature_does(clusters: Features, activation: str, at: float) -> None:
    features, labels = clusters
    head = train_head(features, labels, 4, HeadOptions(**QUICK, activation=activation))
    values = head.encoder()(torch.from_numpy(features)).detach().numpy()
    np.testing.assert_array_equal(unpack(head.codes(features), 16), values > at)
    assert len(np.unique(values)) > 100


def test_the_seed_decides(clusters: Features) -> None:
    features, labels = clusters
    first, again, other = (train_head(features, labels, 4, HeadOptions(**QUICK, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.logits(features), again.logits(features))
    assert not np.array_equal(first.codes(features), other.codes(features))


def test_training_leaves_the_random_state_alone(clusters: Features) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    train_head(*clusters, 4, HeadOptions(bits=12, epochs=1, batch=100))
    assert torch.equal(before, torch.get_rng_state())


def test_a_line_after_each_epoch_says_how_codes_use_their_length(clusters: Features) -> None:
    lines: list[str] = []
    train_head(*clusters, 4, HeadOptions(bits=12, epochs=2, batch=100), told=lines.append)
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "entropy of a bit" in lines[0]


def test_slopes_end_where_the_options_say(clusters: Features) -> None:
    model = build_head(20, 4, HeadOptions(bits=12, slope_start=0.9))
    assert model.get_submodule("code").slope.tolist() == pytest.approx([0.9] * 12)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"bits": 11}, "bits=11"),
        ({"bits": 4097}, "bits=4097"),
        ({"activation": "tanh"}, "'tanh'"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch": 1}, "batch=1"),
        ({"hidden": -1}, "hidden=-1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        HeadOptions(**options)


def test_features_that_cannot_train_are_refused() -> None:
    good, labels = np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1])
    for features, wrong, classes, problem in (
        (good.astype(np.float64), labels, 2, "float64"),
        (good, labels[:3], 2, r"\(3,\)"),
        (good[:1], labels[:1], 2, r"\(1, 3\)"),
        (good * np.float32(np.nan), labels, 2, "not a finite"),
        (good, labels, 1, "from 0 to 1"),
    ):
        with pytest.raises(UsageError, match=problem):
            train_head(features, wrong, classes)


def test_a_head_knows_its_balance(clusters: Features) -> None:
    head: Head = train_head(*clusters, 4, HeadOptions(**QUICK))
    assert head.balance(clusters[0]).bits == 16
