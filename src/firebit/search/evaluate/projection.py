"""Codes that are linear in features: random projections, and iterative quantisation, also in a metric of labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.errors import UsageError
from firebit.search.codes import Codes, pack

Reals = NDArray[np.float64]
_ROUNDS = 50
_FLOOR = 0.3
_COMPONENTS = 256


@dataclass(frozen=True)
class Projection:
    """Bits as signs of linear functions of features: bit i is set where weight[i] · x ≥ threshold[i].

    Attributes:
        weight: float64 (bits, features).
        threshold: float64 (bits,).
    """

    weight: Reals
    threshold: Reals

    @property
    def bits(self) -> int:
        """Length of a code."""
        return len(self.threshold)

    def codes(self, features: NDArray[Any]) -> Codes:
        """Packed codes uint8 (N, ⌈bits / 8⌉) of features (N, F)."""
        _check(features)
        if features.shape[1] != self.weight.shape[1]:
            raise UsageError(
                f"{features.shape[1]} features do not fit a projection of {self.weight.shape[1]}.",
                "Give features of the network that it was fitted on.",
            )
        return pack(features.astype(np.float64) @ self.weight.T >= self.threshold)


def lsh(features: NDArray[Any], bits: int, seed: int = 0) -> Projection:
    """Random hyperplanes through the mean of the features (Charikar 2002): two codes differ in a bit with probability
    angle / π.

    Args:
        features: (N, F), real numbers, whose mean is taken.
        bits: hyperplanes, 1 or more.
        seed: of their directions, which are standard normal.

    Raises:
        UsageError: the features are no finite matrix, or there are no bits.
    """
    _check(features, bits)
    weight = np.random.default_rng(seed).standard_normal((bits, features.shape[1]))
    return Projection(weight, weight @ features.mean(axis=0, dtype=np.float64))


def itq(features: NDArray[Any], bits: int, seed: int = 0, rounds: int = _ROUNDS) -> Projection:
    """Iterative quantisation (Gong and Lazebnik 2011): the principal components, turned until signs lose least.

    With V the features, centred, on their `bits` principal components, it alternates B = sgn(V·R) and the orthogonal R
    nearest to it (the solution of Procrustes' problem by a singular value decomposition), which never raises
    ‖B − V·R‖², from a random rotation on.

    Args:
        features: (N, F), real numbers.
        bits: length of the codes, at most F and N.
        seed: of the first rotation.
        rounds: alternations; the authors use 50.

    Raises:
        UsageError: the features are no finite matrix, or there are fewer of them, or of rows, than bits.
    """
    _check(features, bits)
    if bits > min(features.shape):
        raise UsageError(
            f"{bits} bits are more than {features.shape[0]} × {features.shape[1]} features have principal components.",
            f"Ask for {min(features.shape)} bits at most, or use lsh.",
        )
    centre = features.mean(axis=0, dtype=np.float64)
    centred = features.astype(np.float64) - centre
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :bits]
    projected = centred @ axes
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((bits, bits)))[0]
    for _ in range(rounds):
        signs = np.where(projected @ rotation >= 0, 1.0, -1.0)
        left, _, right = np.linalg.svd(projected.T @ signs)
        rotation = left @ right
    weight = (axes @ rotation).T
    return Projection(weight, weight @ centre)


def itq_within(
    features: NDArray[Any], labels: NDArray[Any], bits: int, seed: int = 0, floor: float = _FLOOR
) -> Projection:
    """:func:`itq` in the metric of :func:`within`: codes for classes that nobody taught.

    Args:
        features: (N, F), real numbers.
        labels: whole numbers (N,), two classes or more.
        bits: length of the codes, at most F, N and 256.
        seed: of the first rotation.
        floor: as of :func:`within`.

    Raises:
        UsageError: as of :func:`within` and :func:`itq`.
    """
    metric = within(features, labels, floor)
    found = itq(metric.of(features), bits, seed)
    weight = found.weight @ metric.matrix.T
    return Projection(weight, found.threshold + weight @ metric.centre)


@dataclass(frozen=True)
class Metric:
    """Features in which distances say more: (x − centre) · matrix.

    Attributes:
        centre: float64 (F,).
        matrix: float64 (F, components).
    """

    centre: Reals
    matrix: Reals

    def of(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Features float32 (N, components)."""
        found: NDArray[np.float32] = (features - self.centre.astype(np.float32)) @ self.matrix.astype(np.float32)
        return found


def within(features: NDArray[Any], labels: NDArray[Any], floor: float = _FLOOR) -> Metric:
    """The metric in which differences within classes count little.

    What varies within the known classes, such as pose and light, varies within others too, and says nothing of the
    class. On the first 256 principal components, with S the covariance around the means of classes and σ² the mean of
    its eigenvalues, the matrix is (S + floor · σ² · I)^−½: Fisher's metric, kept from blowing up what hardly varies.
    (Strecha et al. 2012, LDAHash, have codes in it.) Where classes are is not used.

    Args:
        features: (N, F), real numbers.
        labels: whole numbers (N,), two classes or more.
        floor: what is added to the variance of every direction, as a share of the mean one, > 0.

    Raises:
        UsageError: features and labels do not fit each other, or `floor` is not above 0.
    """
    _check(features)
    classes, which = np.unique(labels, return_inverse=True)
    if np.shape(labels) != (len(features),) or len(classes) < 2:
        raise UsageError(
            f"{np.size(labels)} labels of {len(classes)} classes do not divide {len(features)} features.",
            "Give one for each, of two classes or more.",
        )
    if not floor > 0:
        raise UsageError(f"floor={floor!r} does not bound what hardly varies.", "Give a number above 0.")
    centre = features.mean(axis=0, dtype=np.float64)
    centred = features.astype(np.float64) - centre
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_COMPONENTS]
    around = centred @ axes
    for index in range(len(classes)):
        around[which == index] -= around[which == index].mean(axis=0)
    spread, turn = np.linalg.eigh(around.T @ around / len(around))
    spread = np.maximum(spread, 0.0)
    bounded = spread + floor * (spread.mean() or 1.0)
    return Metric(centre, axes @ (turn / np.sqrt(bounded)) @ turn.T)


def threshold(activations: NDArray[Any], at: float = 0.0) -> Codes:
    """Codes of a layer's activations (N, bits): a bit is set where one is above `at` (0 for ReLU, ½ for a sigmoid)."""
    _check(activations)
    return pack(activations > at)


def _check(features: NDArray[Any], bits: int = 1) -> None:
    if features.ndim != 2 or not features.size or features.dtype.kind not in "fiu" or not np.isfinite(features).all():
        raise UsageError(
            f"Features of dtype {features.dtype} and shape {features.shape} are no matrix of finite numbers.",
            "Give one row of real numbers for each picture.",
        )
    if bits < 1:
        raise UsageError(f"{bits} bits are no code.", "Give 1 or more.")
