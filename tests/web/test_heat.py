"""Shades."""

import math

import pytest

from firebit.web.heat import contrast, palette, ramp, shade, style_sheet


@pytest.mark.parametrize(
    ("share", "name"),
    [(0, "q0"), (0.024, "q0"), (0.026, "q1"), (0.5, "q10"), (1, "q20"), (1.2, "q20"), (-0.1, "q0"), (math.nan, "none")],
)
def test_classes_of_shares(share: float, name: str) -> None:
    assert shade(share) == name


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    # The lightest grey that passes AA on white is #767676.
    assert contrast((118, 118, 118), (255, 255, 255)) >= 4.5 > contrast((119, 119, 119), (255, 255, 255))


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_on_every_shade(dark: bool) -> None:
    shades = ramp(dark)
    assert len(shades) == 21
    assert min(contrast(*pair) for pair in shades) >= 4.5


def test_the_style_sheet_has_every_shade_twice() -> None:
    text = style_sheet()
    assert all(text.count(f".q{step}{{") == 2 for step in range(21))
    assert text.startswith(".q0{background:#ffffff;color:#000000}")


def test_a_palette_grows_darker() -> None:
    colours = palette(16)
    reds = [colour[0] for colour in colours]
    assert len(colours) == 16 and reds == sorted(reds, reverse=True)
