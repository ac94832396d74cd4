"""Drawings as inline SVG: shapes by classes that the page's style sheet colours, texts that cannot become markup."""

from collections.abc import Sequence
from typing import Self
from xml.etree import ElementTree

from markupsafe import Markup

Point = tuple[float, float]


class Drawing:
    """An SVG picture under construction.

    Args:
        width: of its coordinates; the picture scales with the page.
        height: likewise.
        title: what it shows, in a few words.
        description: what can be seen in it, for those who do not see it.
        identifier: a plain word of its own in the page, by which title and description are found.
    """

    def __init__(self, width: float, height: float, title: str, description: str, identifier: str) -> None:
        names = {"title": f"{identifier}-title", "desc": f"{identifier}-desc"}
        self._root = ElementTree.Element(
            "svg",
            {
                "viewBox": f"0 0 {_number(width)} {_number(height)}",
                "role": "img",
                "aria-labelledby": f"{names['title']} {names['desc']}",
            },
        )
        for tag, text in (("title", title), ("desc", description)):
            ElementTree.SubElement(self._root, tag, {"id": names[tag]}).text = text

    def add(self, tag: str, style: str, hint: str | None = None, **attributes: float | str) -> Self:
        """Add a shape.

        Args:
            tag: its SVG element.
            style: its classes.
            hint: a text that is shown where the pointer rests on it.
            attributes: coordinates and the like; "_" in a name stands for "-".
        """
        values = {name.replace("_", "-"): _value(value) for name, value in attributes.items()}
        shape = ElementTree.SubElement(self._root, tag, {"class": style, **values})
        if hint is not None:
            ElementTree.SubElement(shape, "title").text = hint
        return self

    def line(self, start: Point, end: Point, style: str) -> Self:
        """Add a straight line."""
        return self.add("line", style, x1=start[0], y1=start[1], x2=end[0], y2=end[1])

    def path(self, points: Sequence[Point], style: str, hint: str | None = None) -> Self:
        """Add a line through points."""
        steps = " ".join(f"{'L' if index else 'M'}{_number(x)} {_number(y)}" for index, (x, y) in enumerate(points))
        return self.add("path", style, hint, d=steps)

    def text(self, at: Point, words: str, style: str = "", anchor: str = "start") -> Self:
        """Add a text that starts, ends ("end") or is centred ("middle") at a point on its base line."""
        shape = ElementTree.SubElement(
            self._root,
            "text",
            {"class": style, "x": _number(at[0]), "y": _number(at[1]), "text-anchor": anchor},
        )
        shape.text = words
        return self

    def svg(self) -> Markup:
        """The picture as markup for a page; no text in it can become markup, ElementTree escapes them."""
        return Markup(ElementTree.tostring(self._root, "unicode"))


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
