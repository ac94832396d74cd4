"""Smallest pictures: on planted squares, against every subset, and what is refused."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import firebit as fb
from firebit.engine.network import Network
from firebit.engine.plan import Input, Layer, Plan, Term
from firebit.errors import UsageError
from firebit.explain import Minimal, is_minimal, minimal
from firebit.explain.segments import filling, keep

CUTS = [("felzenszwalb", 1), ("grid", 4)]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize(("method", "step"), CUTS)
def test_what_fires_a_detector_is_what_it_detects(
    planted: Callable[..., Any], mode: str, method: str, step: int
) -> None:
    world = planted(each=1, step=step)
    chosen = slice(None, None, 6 if mode == "exact" else 1)
    found = minimal(world.network, world.images[chosen], world.labels[chosen] // 6, mode=mode, method=method)
    assert all(each.fires and not each.blank for each in found)
    assert min(overlap(each.mask, square) for each, square in zip(found, world.squares[chosen], strict=True)) >= 0.8
    assert all(is_minimal(world.network, each) for each in found)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_what_keeps_a_unit_off_is_what_it_must_not_see(planted: Callable[..., Any], mode: str) -> None:
    world = planted(each=1)
    red = world.labels < 6
    found = minimal(world.network, world.images[red], [4] * int(red.sum()), mode=mode, method="felzenszwalb")
    assert not any(each.fires or each.blank for each in found)
    assert min(overlap(each.mask, square) for each, square in zip(found, world.squares[red], strict=True)) >= 0.8
    assert all(is_minimal(world.network, each) for each in found)


def test_a_channel_fires_where_its_square_is(planted: Callable[..., Any]) -> None:
    world = planted(each=1)
    found = minimal(
        world.network, world.images, world.labels // 6, layer="squares", by="channel", method="felzenszwalb"
    )
    assert min(overlap(each.mask, square) for each, square in zip(found, world.squares, strict=True)) >= 0.8
    assert all(is_minimal(world.network, each) for each in found)


def test_where_the_blank_picture_does_it_nothing_is_left(planted: Callable[..., Any]) -> None:
    world = planted(each=1)
    other = world.labels >= 6
    found = minimal(world.network, world.images[other], [4] * int(other.sum()))
    assert all(each.fires and each.blank and each.fill == "mean" for each in found)
    assert not any(each.kept.any() for each in found)
    assert all(is_minimal(world.network, each) for each in found)


def bright() -> Network:
    """Unit 0 fires where the pixels of 4 × 4 add up to 1000 or more, unit 1 where to less, unit 2 always."""
    weights = np.repeat(np.array([[1], [1], [0]], np.int16), 16, 1)
    layer = Layer("fc", (Term("input", weights),), np.array([[1000, 999, 0]], np.int32), np.array([1, -1, 0], np.int8))
    return Network(Plan(Input((1, 4, 4)), (layer,)), threads=1)


def test_the_first_filling_that_is_no_answer_is_taken() -> None:
    picture = np.full((1, 1, 4, 4), 200, np.uint8)
    (fires,) = minimal(bright(), picture, [0], method="grid", segments=16)
    # Mean (200 · 16) and grey (128 · 16) fire by themselves; black does not.
    assert (fires.fill, fires.blank, int(fires.kept.sum()), fires.margin) == ("black", False, 5, 0)
    dark = np.full((1, 1, 4, 4), 10, np.uint8)
    (off,) = minimal(bright(), dark, [0], method="grid", segments=16)
    assert (off.fires, off.fill, off.blank) == (False, "grey", False)
    # 128 · 16 = 2048; nine dark pixels leave 986.
    assert int(off.kept.sum()) == 9
    (given,) = minimal(bright(), picture, [0], fill="grey", method="grid", segments=16)
    assert (given.fill, given.blank) == ("grey", True)
    (always,) = minimal(bright(), picture, [2], method="grid")
    assert (always.blank, always.fires) == (True, True)


def test_margins_are_those_of_the_bit_that_holds() -> None:
    picture = np.arange(0, 160, 10, dtype=np.uint8).reshape(1, 1, 4, 4)
    (found,) = minimal(bright(), picture, [0], method="grid", segments=16, mode="exact", fill="black")
    left = int(found.pixels.sum())
    assert found.margin == left - 1000 >= 0
    # The darkest go first: without any further one it is below 1000.
    assert all(left - int(picture.reshape(-1)[index]) < 1000 for index in np.flatnonzero(found.kept))
    assert found.kept.tolist() == [False] * 6 + [True] * 10


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("seed", range(4))
def test_sets_are_minimal_among_all_subsets_of_one_less(mode: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-9, 10, (6, 9), np.int16)
    layer = Layer("fc", (Term("input", weights),), rng.integers(-300, 300, (1, 6), np.int32), np.ones(6, np.int8))
    network = Network(Plan(Input((1, 3, 3)), (layer,)), threads=1)
    pictures = rng.integers(0, 256, (6, 1, 3, 3), np.uint8)
    for found in minimal(network, pictures, range(6), mode=mode, method="grid", segments=9, fill="black"):
        holds = every_subset(network, found)
        if found.blank:
            assert holds[(False,) * 9]
            continue
        kept = tuple(found.kept.tolist())
        assert holds[kept]
        for index in np.flatnonzero(found.kept):
            assert not holds[(*kept[:index], False, *kept[index + 1 :])]
        assert is_minimal(network, found)


def every_subset(network: Network, found: Minimal) -> dict[tuple[bool, ...], bool]:
    """Whether the bit of the whole picture holds for what every subset of nine segments leaves."""
    subsets = list(product([False, True], repeat=9))
    seen = keep(found.picture, found.segments, np.array(subsets), filling(found.picture, found.fill))
    bits = network.bits(seen)[:, found.unit] == found.fires
    return dict(zip(subsets, bits.tolist(), strict=True))


def test_a_real_network_in_both_modes_and_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    digits, network = fb.data.load("digits", "test"), fb.load("mnist-lenet", threads=1)
    pictures, units = digits.images[:6], np.arange(6) * 41
    exact, fast = (minimal(network, pictures, units, mode=mode) for mode in ("exact", "fast"))
    assert all(is_minimal(network, each) for each in (*exact, *fast))
    assert sum(each.forwards for each in fast) < 0.2 * sum(each.forwards for each in exact)
    monkeypatch.setattr(network, "_batch", 7)
    for one, other in zip(fast, minimal(network, pictures, units, mode="fast"), strict=True):
        assert (one.kept == other.kept).all()
        assert (one.margin, one.forwards) == (other.margin, other.forwards)


def test_what_is_not_minimal_is_seen(planted: Callable[..., Any]) -> None:
    from dataclasses import replace

    world = planted(each=1)
    (found,) = minimal(world.network, world.images[:1], [0], method="felzenszwalb")
    assert not is_minimal(world.network, replace(found, kept=np.ones_like(found.kept)))
    assert not is_minimal(world.network, replace(found, kept=np.zeros_like(found.kept)))


def test_no_pictures_give_none(planted: Callable[..., Any]) -> None:
    world = planted(each=1)
    assert minimal(world.network, world.images[:0], []) == ()


@pytest.mark.parametrize(
    ("units", "more", "problem"),
    [
        ([0], {"mode": "slow"}, "no mode 'slow'"),
        ([0], {"fill": "pink"}, "no filling 'pink'"),
        ([0], {"method": "voronoi"}, "no way 'voronoi'"),
        ([0], {"segments": 1}, "1 segments"),
        ([0, 1], {}, "2 units do not fit 1 pictures"),
        ([5], {}, "not all among the 5"),
        ([0], {"layer": "head"}, "no hidden layer"),
    ],
)
def test_what_there_is_not(planted: Callable[..., Any], units: list[int], more: dict[str, Any], problem: str) -> None:
    world = planted(each=1)
    with pytest.raises(UsageError, match=problem):
        minimal(world.network, world.images[:1], units, **more)


def test_pictures_of_another_size_and_networks_without_pictures(planted: Callable[..., Any]) -> None:
    world = planted(each=1)
    with pytest.raises(UsageError, match="not of the network's size"):
        minimal(world.network, world.images[:1, :, 1:], [0])
    layer = Layer("fc", (Term("input", np.ones((1, 4), np.int16)),), np.array([[3]], np.int32), np.ones(1, np.int8))
    with pytest.raises(UsageError, match="no grey or RGB pictures"):
        minimal(Network(Plan(Input((4,)), (layer,))), np.zeros((1, 4), np.uint8), [0])
