"""A planted network whose units detect coloured squares, pictures with such squares, and matrices made by hand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from firebit.engine.network import Network
from firebit.engine.plan import Input, Layer, Plan, Term
from firebit.explain import Firing

SIDE, SQUARE = 32, 8
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}
PER_COLOUR = 6


@dataclass(frozen=True, eq=False)
class World:
    """Pictures of grey noise with one square each, uint8 (N, 3, 32, 32); a class has squares of one colour.

    Classes 0 … 5 have red squares, 6 … 11 green ones, and so on. Units 0 … 3 of layer "parts" fire where their colour
    is, unit 4 where red is not.
    """

    network: Network
    images: np.ndarray
    labels: np.ndarray
    squares: np.ndarray
    classes: tuple[str, ...]


def detectors() -> Plan:
    """Convolution "squares": a square of the colour, all of it. Layer "parts": such a square anywhere."""
    filters = np.array([[1 if value else -1 for value in colour] for colour in COLOURS.values()], np.int16)
    weights = np.ascontiguousarray(np.broadcast_to(filters[:, :, None, None], (4, 3, SQUARE, SQUARE)))
    # Of the largest sum, to which every channel of the colour adds: a square of which a row is missing falls short.
    most = np.array([255 * SQUARE**2 * sum(value > 0 for value in colour) for colour in COLOURS.values()])
    squares = Layer("squares", (Term("input", weights),), (0.9 * most).astype(np.int32)[None], np.ones(4, np.int8))
    places = (SIDE - SQUARE + 1) ** 2
    anywhere = np.kron(np.eye(4, dtype=np.int16), np.ones((1, places), np.int16))
    votes = np.concatenate([anywhere, anywhere[:1]])
    threshold, direction = np.array([[1, 1, 1, 1, 0]], np.int32), np.array([1, 1, 1, 1, -1], np.int8)
    return Plan(Input((3, SIDE, SIDE)), (squares, Layer("parts", (Term("squares", votes),), threshold, direction)))


def pictures(each: int, seed: int, step: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`each` pictures per class, their labels, and where the squares are, bool (N, 32, 32), at multiples of `step`."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(COLOURS) * PER_COLOUR), each)
    grey = rng.integers(100, 140, (len(labels), 1, SIDE, SIDE))
    images = np.repeat(grey, 3, 1).astype(np.uint8)
    squares = np.zeros((len(labels), SIDE, SIDE), bool)
    for image, square, label in zip(images, squares, labels, strict=True):
        top, left = step * rng.integers(0, (SIDE - SQUARE) // step + 1, 2)
        square[top : top + SQUARE, left : left + SQUARE] = True
        image[:, square] = np.array(list(COLOURS.values())[label // PER_COLOUR], np.uint8)[:, None]
    return images, labels, squares


@pytest.fixture(scope="session")
def planted() -> Callable[..., World]:
    """Makes a world of so many pictures per class."""
    network = Network(detectors(), threads=1)

    def make(each: int = 10, seed: int = 0, step: int = 1) -> World:
        images, labels, squares = pictures(each, seed, step)
        classes = tuple(f"{colour}-{index}" for colour in COLOURS for index in range(PER_COLOUR))
        return World(network, images, labels, squares, classes)

    return make


@pytest.fixture(scope="session")
def matrix() -> Callable[..., Firing]:
    """Makes a firing matrix of counts (C, U) and sizes (C,); units of the same counts are not the same units."""

    def make(counts: object, sizes: object, classes: tuple[str, ...] = ()) -> Firing:
        array, pictures = np.array(counts, np.int64), np.array(sizes, np.int64)
        signatures = np.arange(1, array.shape[1] + 1, dtype=np.uint64) ** 3 + np.uint64(7)
        return Firing(
            counts=array,
            sizes=pictures,
            signatures=signatures,
            signature=np.array([10**6 + 1], np.uint64),
            classes=classes or tuple(f"class {index}" for index in range(len(pictures))),
            layer="fc",
            shape=(array.shape[1],),
            by="unit",
            fingerprint="0" * 64,
        )

    return make
