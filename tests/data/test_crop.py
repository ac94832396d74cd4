"""Cuts of photographs: inside the picture, evenly spread, functions of (seed, epoch, index) alone."""

import numpy as np
import pytest
from PIL import Image

from firebit.data.crop import CentreCrop, RandomCrop
from firebit.data.picture import fit
from firebit.errors import UsageError

SIZES = [(500, 375), (375, 500), (30, 900), (900, 30), (1, 1), (227, 227)]


@pytest.mark.parametrize("size", SIZES)
def test_parts_lie_inside_the_picture(size: tuple[int, int]) -> None:
    width, height = size
    for cut in RandomCrop(224).cuts(3, 1, np.arange(500)):
        left, top, right, bottom = cut.box(width, height)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_area_shape_and_place_are_spread_as_described() -> None:
    boxes = np.array([cut.box(1000, 1000) for cut in RandomCrop(224, (0.1, 0.5), 4 / 3).cuts(0, 0, np.arange(20_000))])
    wide, tall = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas, shapes = wide * tall / 1e6, np.log(wide / tall)
    assert areas.min() >= 0.1 and areas.max() <= 0.5 + 1e-9
    # Even: mean and deviation of a uniform distribution, within five standard errors.
    assert abs(areas.mean() - 0.3) < 5 * 0.4 / 12**0.5 / 20_000**0.5
    assert abs(areas.std() - 0.4 / 12**0.5) < 0.002
    assert abs(shapes).max() <= np.log(4 / 3) + 1e-9
    assert abs(shapes.mean()) < 5 * np.log(4 / 3) / 3**0.5 / 20_000**0.5
    places = boxes[:, 0] / (1000 - wide)
    assert abs(places.mean() - 0.5) < 5 / 12**0.5 / 20_000**0.5
    assert abs(np.corrcoef(places, areas)[0, 1]) < 0.03


def test_a_part_that_does_not_fit_is_shrunk_in_its_shape() -> None:
    (cut,) = RandomCrop(8, (1.0, 1.0), 1.0).cuts(0, 0, np.array([5]))
    left, top, right, bottom = cut.box(400, 100)
    assert right - left == pytest.approx(100) and (top, bottom) == (0, 100)


def test_cuts_follow_from_seed_epoch_and_index_in_any_batch() -> None:
    view = RandomCrop(224)

    def drawn(seed: int, epoch: int, indices: list[int]) -> list[tuple[object, ...]]:
        return [(*cut.box(640, 480), cut.mirrored) for cut in view.cuts(seed, epoch, np.array(indices))]

    together = drawn(1, 2, [7, 3, 9])
    assert [drawn(1, 2, [index])[0] for index in (7, 3, 9)] == together
    assert len({drawn(1, 2, [7])[0], drawn(1, 3, [7])[0], drawn(2, 2, [7])[0], drawn(1, 2, [8])[0]}) == 4


@pytest.mark.parametrize(("flip", "share"), [(True, 0.5), (False, 0.0)])
def test_half_of_the_pictures_are_mirrored_if_any(flip: bool, share: float) -> None:
    mirrored = [cut.mirrored for cut in RandomCrop(8, flip=flip).cuts(0, 0, np.arange(4000))]
    assert abs(np.mean(mirrored) - share) < (0.04 if flip else 1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_the_middle_is_what_fit_cuts_out(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))
    (cut,) = CentreCrop(20).cuts(0, 0, np.array([0]))
    ours = picture.resize((20, 20), Image.Resampling.BICUBIC, cut.box(*size))
    assert np.array_equal(np.asarray(ours), np.asarray(fit(picture, 20)))


def test_the_middle_of_a_picture_with_a_shorter_side_by_hand() -> None:
    (cut,) = CentreCrop(224, 256).cuts(0, 0, np.array([0]))
    assert cut.box(512, 1024) == (32, 288, 480, 736)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RandomCrop(0), "side=0"),
        (lambda: RandomCrop(8, (0.0, 1.0)), "area="),
        (lambda: RandomCrop(8, (0.5, 0.4)), "area="),
        (lambda: RandomCrop(8, (0.5, 1.1)), "area="),
        (lambda: RandomCrop(8, aspect=0.9), "aspect=0.9"),
        (lambda: CentreCrop(224, 223), "223"),
        (lambda: CentreCrop(-1), "side=-1"),
    ],
)
def test_numbers_out_of_range(make: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()  # type: ignore[operator]
