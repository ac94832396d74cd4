"""A network to look at pictures through."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from firebit.data import ImageSet
from firebit.engine.network import Network
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.errors import DataError, UsageError
from firebit.web.lens import MOST_UNITS, Lens

from .conftest import CLASSES, picture, quadrant, quadrant_plan


@pytest.fixture
def lens(network: Network, pictures: ImageSet) -> Lens:
    return Lens(network, "corners", pictures)


def mean(index: int) -> int:
    return round(float(picture(index).mean()))


def test_what_the_network_makes_of_a_picture(lens: Lens) -> None:
    seen = lens.see(picture(2), "fire")
    assert [guess.name for guess in seen.guesses] == [CLASSES[2], CLASSES[0], CLASSES[1], CLASSES[3]]
    # Logits are 2, 0, 0, 0.
    assert seen.guesses[0].probability == pytest.approx(np.exp(2) / (np.exp(2) + 3))
    assert seen.margins[:4] == [16 * 20 - 1600, 16 * 20 - 1600, 16 * 200 - 1600, 16 * 20 - 1600]
    assert seen.margins[5] == -(16 * 200 + 48 * 20) - 1
    # Units 2 and 4 fire.
    assert seen.code == "14"
    assert seen.flips == []
    # Its bit adds 2 to the first class and nothing to the second.
    assert seen.votes == [0, 0, 2, 0, 0, 0]
    assert seen.picture.startswith("data:image/webp;base64,")


def test_removed_parts_change_what_is_seen(lens: Lens) -> None:
    inside = [part for part in range(64) if quadrant(2).reshape(-1)[part]]  # every pixel is a part
    seen = lens.see(picture(2), "fire", inside)
    # The quadrant has the picture's mean, 65, which is dark.
    assert mean(2) == 65
    assert seen.flips == [2]
    assert seen.margins[2] == 16 * 65 - 1600
    assert seen.guesses[0].name == CLASSES[0]
    assert lens.see(picture(2), "fire", inside, "white").flips == []


@pytest.mark.parametrize(("removed", "fill"), [([64], "mean"), ([-1], "mean"), ([0], "pink")])
def test_other_parts_and_fillings_are_refused(lens: Lens, removed: list[int], fill: str) -> None:
    with pytest.raises(UsageError):
        lens.see(picture(0), "fire", removed, fill)


def test_what_each_part_does(lens: Lens) -> None:
    # 13 of 16 pixels are bright enough: 1,600 of 13 · 120 + 3 · 20 = 1,620, so that any one decides.
    close = picture(1, bright=120)
    close[0, 0, 4:7] = 20
    found = lens.segments(close, "fire")
    assert (found.width, found.height, len(found.effects)) == (8, 8, 64)
    bright = np.flatnonzero(close.reshape(-1) == 120)
    assert len(bright) == 13
    flipping = [part for part, effect in enumerate(found.effects) if effect.flips]
    assert flipping == bright.tolist()
    first = found.effects[flipping[0]]
    assert (first.flips, first.pixels) == ([1], 1)
    assert first.guess is not None and first.guess.probability == pytest.approx(0.25)
    assert first.change == pytest.approx(0.25 - np.exp(2) / (np.exp(2) + 3))
    assert found.outlines[0] == "M0 0L1 0L1 1L0 1Z"


def test_the_smallest_part(lens: Lens) -> None:
    found = lens.smallest(picture(3), "fire", 3)
    assert (found.fires, found.blank) == (True, False)
    assert sorted([*found.kept, *found.removed]) == list(range(64))
    assert found.share == len(found.kept) / 64
    # What is kept holds the bit, and without any one part it flips.
    assert lens.see(picture(3), "fire", found.removed, found.fill).flips == []
    for part in found.kept:
        assert lens.see(picture(3), "fire", [*found.removed, part], found.fill).flips == [3]


def test_a_blank_picture_may_do(lens: Lens) -> None:
    found = lens.smallest(picture(0), "fire", 4)
    assert (found.fires, found.blank, found.kept) == (True, True, [])


def test_units_are_judged_by_pictures(lens: Lens) -> None:
    found = lens.units("fire")
    assert (found.pictures, found.share) == (160, 0.9)
    assert found.units[2].positive == [CLASSES[2]] and len(found.units[2].negative) == 3
    assert found.units[2].rate == 0.25
    assert [unit.flag for unit in found.units[4:]] == ["always fires", "never fires"]
    assert lens.units("fire") is found


def test_without_pictures_units_have_no_judgement(network: Network) -> None:
    found = Lens(network, "corners").units("fire")
    assert (found.pictures, found.units) == (0, [])


def test_other_layers_are_refused(lens: Lens) -> None:
    for ask in (lambda: lens.see(picture(0), "no"), lambda: lens.segments(picture(0), "no"), lambda: lens.units("no")):
        with pytest.raises(UsageError, match="There is no layer 'no'"):
            ask()


def test_an_encoder_has_no_guesses() -> None:
    plan = quadrant_plan()
    lens = Lens(Network(Plan(plan.input, plan.layers)), "encoder")
    seen = lens.see(picture(1), "fire", [0])
    assert (seen.guesses, seen.votes, lens.classes) == ([], [], ())
    assert all(effect.guess is None for effect in lens.segments(picture(1), "fire").effects)


def test_classes_without_names_have_numbers() -> None:
    assert Lens(Network(quadrant_plan(())), "corners").classes == ("class 0", "class 1", "class 2", "class 3")


def test_only_layers_that_can_be_listed_are_shown() -> None:
    wide = Layer(
        "wide",
        (Term("input", np.ones((MOST_UNITS // 64 + 1, 1, 1, 1), np.int16)),),
        np.zeros((1, MOST_UNITS // 64 + 1), np.int32),
        np.ones(MOST_UNITS // 64 + 1, np.int8),
    )
    with pytest.raises(UsageError, match=r"more than 16,384 units"):
        Lens(Network(Plan(Input((1, 8, 8)), (wide,))), "wide")
    last = Layer(
        "last",
        (Term("wide", np.ones((2, 64 * (MOST_UNITS // 64 + 1)), np.int16)),),
        np.zeros((1, 2), np.int32),
        np.ones(2, np.int8),
    )
    lens = Lens(Network(Plan(Input((1, 8, 8)), (wide, last))), "wide")
    assert [layer.name for layer in lens.layers] == ["last"]


def test_what_takes_no_pictures_is_refused() -> None:
    layer = Layer("fire", (Term("input", np.ones((2, 5), np.int16)),), np.zeros((1, 2), np.int32), np.ones(2, np.int8))
    with pytest.raises(UsageError, match="which no picture has"):
        Lens(Network(Plan(Input((5,)), (layer,))), "five")


def test_pictures_are_brought_to_the_networks_size(lens: Lens) -> None:
    file = BytesIO()
    Image.new("RGBA", (30, 20), (0, 0, 0, 0)).save(file, "PNG")
    # Transparent is white.
    assert lens.decode(file.getvalue(), 600).tolist() == np.full((1, 8, 8), 255).tolist()
    with pytest.raises(DataError, match=r"claims 30 × 20 pixels"):
        lens.decode(file.getvalue(), 599)
    with pytest.raises(DataError, match="the picture"):
        lens.decode(b"no picture", 600)


def test_votes_are_only_where_the_layer_feeds_the_logits() -> None:
    first = quadrant_plan().layers[0]
    second = Layer("second", (Term("fire", np.eye(6, dtype=np.int16)),), np.ones((1, 6), np.int32), np.ones(6, np.int8))
    votes = Term("second", np.eye(4, 6, dtype=np.int16))
    plan = Plan(Input((1, 8, 8)), (first, second), Logits("vote", (votes,), 0.5, np.zeros(4)), CLASSES)
    lens = Lens(Network(plan), "two")
    assert lens.see(picture(1), "fire").votes == []
    assert lens.see(picture(1), "second").votes == [0, 0.5, 0, 0, 0, 0]
