"""How shares of 0 … 1 become shades: 21 classes of the style sheet, on which text can be read in light and in dark."""

from math import isnan

STEPS = 20
_LIGHT = ((255, 255, 255), (11, 78, 140))
_DARK = ((24, 28, 32), (131, 190, 240))

Colour = tuple[int, int, int]


def shade(share: float) -> str:
    """The class of a share of 0 … 1, "q0" … "q20"; "none" of one that is not a number."""
    if isnan(share):
        return "none"
    return f"q{round(STEPS * min(max(share, 0.0), 1.0))}"


def style_sheet() -> str:
    """Rules for all shades: background and text, and others where the reader wants it dark."""
    dark = "".join(_rules(*_DARK))
    return f"{''.join(_rules(*_LIGHT))}@media screen and (prefers-color-scheme:dark){{{dark}}}"


def ramp(dark: bool = False) -> list[tuple[Colour, Colour]]:
    """Background and text of every shade, as red, green, blue of 0 … 255."""
    low, high = _DARK if dark else _LIGHT
    return [(ground := _mixed(low, high, step / STEPS), _text(ground)) for step in range(STEPS + 1)]


def contrast(one: Colour, other: Colour) -> float:
    """Contrast of two colours as WCAG 2 defines it, 1 … 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def palette(size: int = 256) -> list[Colour]:
    """So many colours from the lightest shade to the darkest, for pictures."""
    return [_mixed(*_LIGHT, index / (size - 1)) for index in range(size)]


def _rules(low: Colour, high: Colour) -> list[str]:
    shades = ramp(dark=(low, high) == _DARK)
    return [f".q{step}{{background:{_hex(ground)};color:{_hex(text)}}}" for step, (ground, text) in enumerate(shades)]


def _mixed(low: Colour, high: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _text(ground: Colour) -> Colour:
    """Black or white, whichever can be read better: one of them always has a contrast of 4.58 or more."""
    return max(((0, 0, 0), (255, 255, 255)), key=lambda text: contrast(text, ground))


def _luminance(colour: Colour) -> float:
    parts = (n / 255 for n in colour)
    red, green, blue = (n / 12.92 if n <= 0.04045 else ((n + 0.055) / 1.055) ** 2.4 for n in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{n:02x}" for n in colour)
