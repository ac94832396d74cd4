"""Heads that are led by a linear code, so that they serve classes that nobody taught."""

import numpy as np
import pytest
import torch

from firebit.errors import UsageError
from firebit.search.codes import unpack
from firebit.search.evaluate import itq, itq_within
from firebit.train.guide import guide
from firebit.train.head import HeadOptions, build_head, train_head


def samples(classes: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes a little apart in 16 features, in which all of them vary a lot in 16 others."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    means = np.random.default_rng(9).normal(size=(classes, 16))
    own = means[labels] + 0.3 * random.normal(size=(len(labels), 16))
    nuisance = 1.5 * random.normal(size=(len(labels), 16))
    return np.concatenate([own, nuisance], axis=1).astype(np.float32), labels


def precision(codes: np.ndarray, labels: np.ndarray) -> float:
    """Share of each item's ten nearest that are of its class."""
    bits = unpack(codes, 12).astype(np.int64)
    away = (bits[:, None] != bits[None]).sum(axis=2) + 99 * np.eye(len(bits))
    nearest = np.argsort(away, axis=1, kind="stable")[:, :10]
    return float((labels[nearest] == labels[:, None]).mean())


def test_the_code_begins_at_the_guide_and_folding_changes_no_code() -> None:
    features, labels = samples(4, 100)
    found = guide(features, labels, 12, 0)
    seen = torch.from_numpy(found.metric.of(features))
    model = build_head(seen.shape[1], 4, HeadOptions(bits=12, dropout=0.0))
    standard = model.get_submodule("standard")
    standard.fit(seen)  # type: ignore[operator]
    found.begin(model)
    model.eval()
    sums = model.get_submodule("fc_code")(standard(seen))
    torch.testing.assert_close((sums - sums.mean(0)) / sums.std(0), found.aims(seen), rtol=1e-3, atol=1e-3)
    expected = (sums - sums.mean(0) >= 0).numpy()
    assert (unpack(found.projection.codes(seen.numpy()), 12) == expected).mean() > 0.99


def test_a_head_keeps_to_its_guide_and_still_learns_its_classes() -> None:
    features, labels = samples(12, 60)
    taught = labels < 6
    known, names = features[taught], labels[taught]
    aim = unpack(itq_within(known, names, 12).codes(features), 12)
    agreement = {}
    for keep in (0.0, 3.0):
        head = train_head(known, names, 6, HeadOptions(bits=12, epochs=20, batch=60, lr=0.02, keep=keep))
        agreement[keep] = (unpack(head.codes(features), 12) == aim).mean()
        assert (head.logits(known).argmax(axis=1) == names).mean() > 0.9
        assert head.encoder()[1].weight.shape == (12, 32)
    assert agreement[3.0] > 0.85 > 0.7 > agreement[0.0]
    # Classes that were not taught: the principal components are those of what says nothing of the class.
    unseen, ours = labels[~taught], head.codes(features[~taught])
    assert precision(ours, unseen) > precision(itq(known, 12).codes(features[~taught]), unseen) + 0.2


@pytest.mark.parametrize("options", [{"keep": -1.0}, {"keep": float("nan")}, {"keep": 1.0, "hidden": 16}])
def test_weights_that_are_none_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="keep"):
        HeadOptions(**options)  # type: ignore[arg-type]
