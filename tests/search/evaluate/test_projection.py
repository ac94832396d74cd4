import numpy as np
import pytest

from firebit.errors import UsageError
from firebit.search.codes import unpack
from firebit.search.evaluate.projection import itq, itq_within, lsh, threshold, within

RANDOM = np.random.default_rng(0)


def test_random_projections_differ_in_bits_as_vectors_do_in_angle() -> None:
    # Two vectors around the mean 0 at 60°: a third of the hyperplanes part them.
    features = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    features = np.concatenate([features, -features])
    bits = unpack(lsh(features, 20_000).codes(features), 20_000)
    assert (bits[0] != bits[1]).mean() == pytest.approx(1 / 3, abs=0.015)
    assert (bits[0] != bits[2]).all()


def test_projections_are_around_the_mean() -> None:
    features = RANDOM.normal(size=(500, 6)) + 100
    for projection in (lsh(features, 6), itq(features, 6)):
        share = unpack(projection.codes(features), 6).mean(axis=0)
        assert ((share > 0.3) & (share < 0.7)).all()


def test_itq_finds_the_axes_of_a_rotated_cube() -> None:
    # Corners of a cube, turned: the rotation that loses least gives back the corners, up to order and sign of bits.
    corners = RANDOM.choice([-1.0, 1.0], size=(2000, 3)) * np.array([3.0, 2.9, 2.8])
    turn = np.linalg.qr(RANDOM.normal(size=(3, 3)))[0]
    projection = itq(corners @ turn, 3)
    bits = unpack(projection.codes(corners @ turn), 3).astype(int)
    agreement = np.abs(np.corrcoef(bits.T, np.sign(corners).T)[:3, 3:])
    np.testing.assert_allclose(np.sort(agreement, axis=1), [[0, 0, 1]] * 3, atol=0.08)


def test_itq_loses_less_with_every_round_and_projects_orthogonally() -> None:
    features = RANDOM.normal(size=(300, 8)) @ RANDOM.normal(size=(8, 8))
    losses = []
    for rounds in (0, 1, 5, 50):
        projection = itq(features, 5, rounds=rounds)
        np.testing.assert_allclose(projection.weight @ projection.weight.T, np.eye(5), atol=1e-9)
        turned = features @ projection.weight.T - projection.threshold
        losses.append(((np.where(turned >= 0, 1, -1) - turned) ** 2).sum())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_itq_spans_the_principal_components() -> None:
    features = RANDOM.normal(size=(400, 6)) * np.array([9, 7, 5, 0.1, 0.1, 0.1])
    weight = itq(features, 3).weight
    np.testing.assert_allclose(weight[:, 3:], 0, atol=0.05)


def test_the_seed_decides() -> None:
    features = RANDOM.normal(size=(50, 8))
    for fit in (lsh, itq):
        np.testing.assert_array_equal(fit(features, 4, seed=1).weight, fit(features, 4, seed=1).weight)
        assert not np.array_equal(fit(features, 4, seed=1).weight, fit(features, 4, seed=2).weight)


def test_thresholds_of_activations() -> None:
    assert threshold(np.array([[0.0, 0.1, -1.0]])).tolist() == [[2]]
    assert threshold(np.array([[0.4, 0.6]]), 0.5).tolist() == [[2]]


def test_what_is_no_matrix_of_features_is_refused() -> None:
    good = RANDOM.normal(size=(9, 4))
    with pytest.raises(UsageError, match="no matrix"):
        lsh(np.array([[np.nan, 0.0]]), 2)
    with pytest.raises(UsageError, match="no matrix"):
        itq(good[0], 2)
    with pytest.raises(UsageError, match="5 bits are more"):
        itq(good, 5)
    with pytest.raises(UsageError, match="0 bits"):
        lsh(good, 0)
    with pytest.raises(UsageError, match="3 features do not fit"):
        lsh(good, 2).codes(good[:, :3])


def test_the_metric_within_classes_has_unit_variance_where_nothing_is_added() -> None:
    random = np.random.default_rng(3)
    labels = np.arange(600) % 3
    features = random.normal(size=(600, 5)) @ random.normal(size=(5, 5)) + 10 * random.normal(size=(3, 5))[labels]
    seen = within(features, labels, 1e-9).of(features).astype(np.float64)
    around = seen - np.stack([seen[labels == label].mean(axis=0) for label in range(3)])[labels]
    np.testing.assert_allclose(around.T @ around / 600, np.eye(5), atol=1e-3)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-3)


def test_bits_are_not_spent_on_what_varies_within_classes() -> None:
    random = np.random.default_rng(4)
    labels = np.arange(1000) % 10
    features = np.concatenate(
        [random.normal(size=(10, 6))[labels] + 0.2 * random.normal(size=(1000, 6)), 2 * random.normal(size=(1000, 6))],
        axis=1,
    )
    share = {
        name: (np.abs(found.weight[:, :6]).sum() / np.abs(found.weight).sum())
        for name, found in (("itq", itq(features, 6)), ("within", itq_within(features, labels, 6)))
    }
    assert share["itq"] < 0.2 < 0.6 < share["within"]
    bits = unpack(itq_within(features, labels, 6).codes(features), 6)
    assert ((bits.mean(axis=0) > 0.2) & (bits.mean(axis=0) < 0.8)).all()


@pytest.mark.parametrize(
    ("labels", "floor"), [(np.zeros(50, int), 0.3), (np.arange(49) % 2, 0.3), (np.arange(50) % 2, 0.0)]
)
def test_what_makes_no_metric_is_refused(labels: np.ndarray, floor: float) -> None:
    with pytest.raises(UsageError):
        within(RANDOM.normal(size=(50, 8)), labels, floor)
